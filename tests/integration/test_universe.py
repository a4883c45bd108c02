"""Markets and universes in a real lake, and the command that makes them."""

from __future__ import annotations

import dataclasses
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from arb_pipelines.cli import main
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.markets import load_markets, store_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.cycles import CycleSet, find_cycles
from arb_pipelines.market.inference import infer_market
from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.research.universe import build_universe, load_universe
from tests.cycle_oracle import market, networkx_cycles

DAY, LATER = date(2025, 8, 31), date(2025, 9, 2)
HUBS = ("USDT", "BTC", "ETH", "KCS")
MARKETS = [
    *(market(base, quote) for i, quote in enumerate(HUBS) for base in HUBS[i + 1 :]),
    *(market(coin, quote) for coin in ("AAA", "BBB", "CCC") for quote in HUBS[:3]),
    market("BTC", "CCC"),
    market("DDD", "USDT"),
    market("DDD", "BTC", Status.HALTED),
]


def assert_same(one: CycleSet, other: CycleSet) -> None:
    """Equal in every field, types of arrays included."""
    for field in dataclasses.fields(CycleSet):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, tuple):
            assert left == right, field.name
        else:
            np.testing.assert_array_equal(left, right, err_msg=field.name)
            assert left.dtype == right.dtype, field.name


def test_markets_come_back_as_they_went_in(lake: Lake) -> None:
    """Every field, decimals without padding, unknown ones as None."""
    listed = Market(
        venue="kucoin",
        symbol="BTC-USDT",
        base="BTC",
        quote="USDT",
        venue_symbol="BTC-USDT",
        base_increment=Decimal("0.00000001"),
        base_max_size=Decimal("99999999999999999999"),
        min_funds=Decimal("10"),
        taker_fee_bps=8.5,
        fee_side=FeeSide.QUOTE,
        status=Status.HALTED,
    )
    inferred = infer_market("kucoin", "ETH-USDT")
    assert inferred is not None
    assert store_markets(lake, "kucoin", DAY, [inferred, listed], list_day=DAY) == 2
    loaded = load_markets(lake, "kucoin", DAY)
    assert loaded == (listed, inferred)
    assert [str(n) for n in (loaded[0].base_increment, loaded[0].min_funds)] == ["1E-8", "10"]


def test_a_day_without_a_list_uses_the_newest_before_it(lake: Lake) -> None:
    """Never a later list, never another venue's, and the older one only until there is a newer."""
    store_markets(lake, "kucoin", DAY, MARKETS[:2], list_day=DAY)
    store_markets(lake, "binance", LATER, MARKETS[:3], list_day=LATER)
    assert load_markets(lake, "kucoin", date(2025, 8, 30)) == ()
    assert len(load_markets(lake, "kucoin", LATER)) == 2
    store_markets(lake, "kucoin", LATER, MARKETS[:5], list_day=LATER)
    assert (len(load_markets(lake, "kucoin", DAY)), len(load_markets(lake, "kucoin", LATER))) == (
        2,
        5,
    )


def test_storing_markets_again_replaces_the_day(lake: Lake) -> None:
    """A shorter list leaves nothing of the longer one."""
    store_markets(lake, "kucoin", DAY, MARKETS, list_day=DAY)
    store_markets(lake, "kucoin", DAY, MARKETS[:2], list_day=DAY)
    assert len(load_markets(lake, "kucoin", DAY)) == 2


@pytest.mark.parametrize("start", [None, ["BTC", "USDT", "XXX"]])
def test_a_universe_comes_back_as_it_was_found(lake: Lake, start: list[str] | None) -> None:
    """The loaded set equals the one found from the markets, and the report counts it."""
    store_markets(lake, "kucoin", DAY, MARKETS, list_day=DAY)
    report = build_universe(lake, "kucoin", DAY, start=start, max_length=5)
    expected = find_cycles(MARKETS, start=start, max_length=5)
    assert_same(load_universe(lake, "kucoin", DAY), expected)
    assert sum(report.routes.values()) == len(expected)
    ways = {expected.path(i) for i in range(len(expected))}
    assert sum(report.directed_cycles.values()) == len(ways) < len(expected)
    assert (report.symbols, report.halted, report.currencies) == (len(MARKETS) - 1, 1, 8)
    assert report.unknown_start == (("XXX",) if start else ())


def test_the_tables_tell_the_same_as_the_set(lake: Lake) -> None:
    """Keys, paths and legs in SQL are what networkx finds, and legs join into their cycle."""
    store_markets(lake, "kucoin", DAY, MARKETS, list_day=DAY)
    build_universe(lake, "kucoin", DAY, max_length=4)
    rows = lake.query("SELECT path, cycle_key FROM cycles ORDER BY ALL").rows()
    assert rows == networkx_cycles(MARKETS, None, 3, 4)
    broken = lake.query(
        "SELECT * FROM (SELECT any_value(c.cycle_key) AS cycle_key, any_value(path) AS path,"
        "   any_value(c.start_currency) AS start, any_value(length) AS length, count(*) AS legs,"
        "   string_agg(symbol || ':' || side, '>' ORDER BY leg_no) AS joined,"
        "   string_agg(from_currency, '>' ORDER BY leg_no) AS stops,"
        "   arg_max(to_currency, leg_no) AS home"
        " FROM cycles c JOIN cycle_legs USING (venue, day, cycle_no) GROUP BY cycle_no)"
        " WHERE joined <> cycle_key OR path <> stops || '>' || home OR legs <> length"
        "   OR home <> start OR NOT starts_with(path, start || '>')"
    )
    assert broken.is_empty()


def test_building_again_replaces_and_each_build_is_recorded(lake: Lake) -> None:
    """The second universe alone is left; runs name the parameters of both."""
    store_markets(lake, "kucoin", DAY, MARKETS, list_day=DAY)
    build_universe(lake, "kucoin", DAY, max_length=4)
    seen = lake.snapshot()
    build_universe(lake, "kucoin", DAY, start=["BTC"], max_length=3)
    assert_same(load_universe(lake, "kucoin", DAY), find_cycles(MARKETS, start=["BTC"]))
    assert_same(
        load_universe(lake, "kucoin", DAY, snapshot=seen),
        find_cycles(MARKETS, start=None, max_length=4),
    )
    runs = lake.query("SELECT task, partition, params FROM runs ORDER BY ts_started").rows()
    assert [(task, partition) for task, partition, _ in runs] == 2 * [
        ("universe", "kucoin|2025-08-31")
    ]
    assert [json.loads(params)["start"] for _, _, params in runs] == [None, ["BTC"]]


def test_a_day_without_markets_says_what_to_run(lake: Lake) -> None:
    """Both steps refuse with the command that mends it, and leave no run behind."""
    with pytest.raises(DataError, match="arb universe --venue kucoin --symbols FILE"):
        build_universe(lake, "kucoin", DAY)
    with pytest.raises(DataError, match="arb universe --venue kucoin --day 2025-08-31"):
        load_universe(lake, "kucoin", DAY)
    assert lake.query("SELECT * FROM runs").is_empty()


def test_start_currencies_that_nobody_trades_are_refused(lake: Lake) -> None:
    """A universe through nothing would be empty for a reason nobody sees."""
    store_markets(lake, "kucoin", DAY, MARKETS, list_day=DAY)
    with pytest.raises(ConfigError, match="XXX, DDX"):
        build_universe(lake, "kucoin", DAY, start=["XXX", "DDX"])


def entry(base: str, quote: str, trading: bool = True) -> dict[str, object]:
    """A KuCoin entry."""
    return {
        "symbol": f"{base}-{quote}",
        "baseCurrency": base,
        "quoteCurrency": quote,
        "baseMinSize": "1",
        "quoteMinSize": "1",
        "baseMaxSize": "1",
        "baseIncrement": "1",
        "quoteIncrement": "1",
        "priceIncrement": "1",
        "enableTrading": trading,
    }


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """KuCoin's list of one triangle and a halted symbol."""
    path = tmp_path / "symbols.json"
    entries = [entry("BTC", "USDT"), entry("ETH", "USDT"), entry("ETH", "BTC")]
    entries.append(entry("KCS", "USDT", trading=False))
    path.write_text(json.dumps({"code": "200000", "data": entries}))
    return path


def run(*arguments: str) -> int:
    """Exit code of `arb` with these arguments."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return int(str(caught.value.code))


def test_the_command_counts_a_list_and_stores_nothing(
    lake: Lake, listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a day there is one JSON line and no lake."""
    arguments = ("--venue", "kucoin", "--symbols", str(listed), "--max-length", "4", "--json")
    assert run("universe", *arguments) == 0
    assert json.loads(capsys.readouterr().out) == {
        "symbols": 3,
        "currencies": 3,
        "directed_cycles": {"3": 2, "4": 0},
        "routes": {"3": 2, "4": 0},
        "halted": 1,
        "start": "any",
        "venue": "kucoin",
        "day": None,
    }
    assert not lake.root.exists()


def test_the_command_stores_for_a_day_and_builds_again_from_the_lake(
    lake: Lake, listed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a day the list and its cycles are kept; then the day alone is enough."""
    of_day = ("universe", "--venue", "kucoin", "--day", "2025-08-31", "--json")
    assert run(*of_day, "--symbols", str(listed), "--start", "USDT,XXX") == 0
    printed = capsys.readouterr()
    assert (json.loads(printed.out)["start"], "XXX" in printed.err) == (["USDT", "XXX"], True)
    assert len(load_markets(lake, "kucoin", DAY)) == 4
    assert len(load_universe(lake, "kucoin", DAY)) == 2
    assert run(*of_day, "--start", "BTC") == 0
    universe = load_universe(lake, "kucoin", DAY)
    assert [universe.path(i)[:4] for i in range(2)] == ["BTC>", "BTC>"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give --symbols FILE, or --day D"),
        (("--day", "2025-8-31"), "not a day"),
        (("--day", "2025-08-31"), "no markets of kucoin"),
        (("--symbols", "LIST", "--start", "USDT,,BTC"), "not a list of currencies"),
        (("--symbols", "LIST", "--start", "XXX"), "start currency of XXX"),
        (("--symbols", "LIST", "--max-length", "6"), "--max-length"),
        (("--symbols", "LIST", "--min-length", "4"), "4 to 3"),
        (("--symbols", "nowhere.json"), "nowhere.json: cannot be read"),
    ],
)
def test_bad_arguments_end_with_2_and_one_line(
    lake: Lake,
    listed: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    """Nothing on stdout, one line on stderr that says what is wrong."""
    given = [str(listed) if word == "LIST" else word for word in arguments]
    assert run("universe", "--venue", "kucoin", *given) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert says in printed.err
    assert printed.err.count("\n") == 1


def test_more_cycles_than_the_setting_allows_are_refused(
    home: object, listed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the setting."""
    monkeypatch.setenv("ARB_MAX_CYCLES", "1")
    assert run("universe", "--venue", "kucoin", "--symbols", str(listed)) == 2
    assert "ARB_MAX_CYCLES" in capsys.readouterr().err
