"""A day scanned in a real lake: what is built, what is stored, what is refused."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from arb_pipelines.cli import main
from arb_pipelines.clock import NS_PER_MS, day_start_ns
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.schemas import BOOK_TOPS
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.symbols import Market
from arb_pipelines.research.scan import ScanReport, scan_day
from arb_pipelines.research.universe import build_universe

DAY = date(2025, 8, 31)
START = day_start_ns(DAY)
MARKETS = [
    Market("v", f"{base}-{quote}", base, quote, base + quote, taker_fee_bps=10.0)
    for base, quote in (("BTC", "USDT"), ("ETH", "BTC"), ("ETH", "USDT"))
]
#: Milliseconds from the start of the day, symbol, bid, ask; sizes are all 2.
STATES = [
    (0, "BTC-USDT", 100.0, 100.1),
    (10, "ETH-BTC", 0.1, 0.1001),
    (20, "ETH-USDT", 10.2, 10.21),  # 1.7 % above what ETH costs through BTC
    (30, "ETH-USDT", 10.3, 10.31),
    (40, "ETH-USDT", 10.0, 10.01),
    (50, "ETH-USDT", 10.2, 10.21),  # again, until the day's books go stale
]


@pytest.fixture
def day(lake: Lake) -> Lake:
    """A lake with one day's markets and books."""
    store_markets(lake, "v", DAY, MARKETS, list_day=DAY)
    put_states(lake, STATES)
    return lake


def put_states(lake: Lake, states: list[tuple[int, str, float, float]]) -> None:
    rows = [
        {
            "venue": "v",
            "day": DAY,
            "row_no": i,
            "symbol": symbol,
            "ts_recv": START + ms * NS_PER_MS,
            "bid_px": bid,
            "bid_sz": 2.0,
            "ask_px": ask,
            "ask_sz": 2.0,
            "source": "test",
        }
        for i, (ms, symbol, bid, ask) in enumerate(states)
    ]
    lake.replace({"venue": "v", "day": DAY}, {BOOK_TOPS: BOOK_TOPS.frame(rows)})


def opportunities(lake: Lake) -> pl.DataFrame:
    return lake.query("SELECT * FROM opportunities ORDER BY opportunity_no")


def test_a_scan_builds_the_universe_and_keeps_lives(day: Lake) -> None:
    """Two lives of one cycle: one ended by an update, one by the age of its oldest book."""
    report = scan_day(day, "v", DAY)
    assert (report.states, report.cycles, report.opportunities) == (6, 2, 2)
    assert report.best_cycle == "BTC-USDT:buy>ETH-BTC:buy>ETH-USDT:sell"
    assert report.max_product == pytest.approx(10.3 / 100.1 / 0.1001)
    assert report.by_reason["unknown"] == 4
    first, second = opportunities(day).iter_rows(named=True)
    at = [(row["ts_first"], row["ts_last"], row["ts_end"]) for row in (first, second)]
    assert [tuple((ts - START) // NS_PER_MS for ts in life) for life in at] == [
        (20, 30, 40),
        (50, 50, 2_000),
    ]
    assert (first["ended_by"], second["ended_by"]) == ("edge", "stale")
    assert (first["updates"], first["ts_peak"]) == (2, START + 30 * NS_PER_MS)
    assert first["peak_gross_bps"] == pytest.approx((10.3 / 100.1 / 0.1001 - 1) * 1e4)
    assert first["peak_net_bps"] == pytest.approx((10.3 / 100.1 / 0.1001 * 0.999**3 - 1) * 1e4)
    # the ETH-BTC ask carries 2 ETH: 0.2002 BTC, bought with a fee off what is received
    assert first["top_size_start"] == pytest.approx(0.2002 * 100.1 / 0.999)
    assert (first["start_currency"], first["length"], first["fee_bps"]) == ("USDT", 3, None)


def test_a_life_at_midnight_has_no_end(day: Lake) -> None:
    """With no limit on age only the day ends the last life, and that is no end of it."""
    scan_day(day, "v", DAY, max_age_ms=None)
    assert opportunities(day)["ended_by"].to_list() == ["edge", None]
    assert opportunities(day)["ts_end"].to_list() == [START + 40 * NS_PER_MS, None]


def test_scanning_twice_is_scanning_once(day: Lake) -> None:
    """A second scan replaces the first; a scan that stores nothing leaves it."""
    scan_day(day, "v", DAY)
    before = opportunities(day)
    scan_day(day, "v", DAY)
    assert opportunities(day).equals(before)
    scan_day(day, "v", DAY, fee_bps=500, store=False)
    assert opportunities(day).equals(before)
    assert scan_day(day, "v", DAY, fee_bps=500).opportunities == 0
    assert opportunities(day).is_empty()


def test_a_scan_can_be_repeated_on_its_snapshot(day: Lake) -> None:
    """What an earlier scan read gives the same report, whatever has come in since."""
    before = scan_day(day, "v", DAY)
    put_states(day, STATES[:2])
    build_universe(day, "v", DAY, start=["ETH"])
    again = scan_day(day, "v", DAY, snapshot=before.snapshot, store=False)
    assert again == before
    assert scan_day(day, "v", DAY).states == 2


def test_the_run_is_recorded(day: Lake) -> None:
    """The scan's row in ``runs`` names its parameters and the snapshot it read."""
    report = scan_day(day, "v", DAY, threshold_bps=1.5, run_id="r-1")
    row = day.query("SELECT * FROM runs WHERE task = 'scan'").row(0, named=True)
    assert (row["run_id"], row["partition"]) == ("r-1", f"v|{DAY}")
    assert row["lake_snapshot"] == report.snapshot
    assert json.loads(row["params"])["threshold_bps"] == 1.5


def test_the_stored_universe_is_used_unless_other_cycles_are_asked_for(day: Lake) -> None:
    """A universe of one start stays; ``start`` and ``max_length`` look at the markets instead."""
    build_universe(day, "v", DAY, start=["ETH"])
    stored = scan_day(day, "v", DAY)
    assert stored.best_cycle == "ETH-USDT:sell>BTC-USDT:buy>ETH-BTC:buy"
    chosen = scan_day(day, "v", DAY, start=["BTC"], max_length=4)
    assert chosen.best_cycle == "ETH-BTC:buy>ETH-USDT:sell>BTC-USDT:buy"
    assert scan_day(day, "v", DAY) == dataclasses.replace(stored, snapshot=day.snapshot() - 2)


def test_two_symbols_of_one_pair_are_one_way_through_the_currencies(day: Lake) -> None:
    """A symbol and its reverse double the routes, not the cycles of currencies."""
    other = dataclasses.replace(MARKETS[0], symbol="USDT-BTC", base="USDT", quote="BTC")
    store_markets(day, "v", DAY, [*MARKETS, other], list_day=DAY)
    put_states(day, [*STATES, (60, "USDT-BTC", 1 / 100.1, 1 / 100.0)])
    report = scan_day(day, "v", DAY)
    assert (report.cycles, report.routes) == (2, 4)


def test_a_day_without_cycles_is_scanned_to_nothing(day: Lake) -> None:
    """Symbols that form no cycle are no error: no evaluation, no best cycle."""
    store_markets(day, "v", DAY, MARKETS[:2], list_day=DAY)
    report = scan_day(day, "v", DAY)
    assert (report.states, report.cycles, report.opportunities) == (6, 0, 0)
    assert (report.max_product, report.best_cycle) == (None, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threshold_bps": float("nan")}, "threshold"),
        ({"threshold_bps": -10_000.0}, "threshold"),
        ({"max_age_ms": -1}, "negative"),
        ({"fee_bps": -1.0}, "taker fee of -1 bps"),
    ],
)
def test_parameters_out_of_range_are_refused(
    day: Lake, wrong: dict[str, float], message: str
) -> None:
    """Before anything is stored."""
    with pytest.raises(ConfigError, match=message):
        scan_day(day, "v", DAY, **wrong)  # type: ignore[arg-type]
    assert opportunities(day).is_empty()


def test_an_unknown_fee_must_be_given(day: Lake) -> None:
    """A list without fees cannot be scanned net of them, but with a fee of the user's."""
    free = [dataclasses.replace(m, taker_fee_bps=None, base_increment=Decimal(1)) for m in MARKETS]
    store_markets(day, "v", DAY, free, list_day=DAY)
    with pytest.raises(ConfigError, match="no taker fee for BTC-USDT; give --fee-bps"):
        scan_day(day, "v", DAY)
    assert scan_day(day, "v", DAY, fee_bps=10).opportunities == 2


def test_no_books_says_what_to_run(lake: Lake) -> None:
    """A day without books is a DataError that names the command."""
    with pytest.raises(DataError, match="no books of v on 2025-08-31; run `arb ingest"):
        scan_day(lake, "v", DAY)


def test_the_command(day: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is the report; text is for people; bad input is one line and exit code 2."""
    arguments = ["scan", "--venue", "v", "--day", str(DAY), "--fee-bps", "10"]
    assert run([*arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == [field.name for field in dataclasses.fields(ScanReport)]
    assert (printed["states"], printed["opportunities"]) == (6, 2)
    assert run(arguments) == 0
    assert "opportunities" in capsys.readouterr().out
    for bad in (["--day", "2025-08-30"], ["--day", "yesterday"], ["--max-length", "6"]):
        assert run([*arguments, *bad]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) == 1


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    return int(exit_.value.code or 0)
