"""Strategies that share one capital, over bars in the lake, by command and by function."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest

from arb_pipelines.allocation.hours import market_hours
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.backtest.allocated_run import AllocatedOutcome, run_allocated
from arb_pipelines.backtest.bars.arrays import bar_arrays
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.commission import BpsCommission
from arb_pipelines.cli import main
from arb_pipelines.clock import NS_PER_S, day_of, day_start_ns
from arb_pipelines.lake.schemas import BARS
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.graph import BUY
from arb_pipelines.research.allocated import load_allocated
from arb_pipelines.trading.resting_dip import RestingDip, RestingDipStrategy

FIRST, HOURS = date(2024, 3, 1), 24 * 10
SYMBOLS = ("AAA-USD", "BBB-USD", "CCC-USD")
EXAMPLE = Path(__file__).resolve().parents[2] / "allocations" / "resting_dips.yaml"
FILE = """
name: three
venue: v
quote: USD
capital: 1000
execution: {commission: {model: bps, bps: 10}}
strategies:
  - {name: a, symbol: AAA-USD, dip_pct: 1, rebound_pct: 1, hold_hours: 5, look_back: 6, funds: 600}
  - {name: b, symbol: BBB-USD, dip_pct: 1, rebound_pct: 1, hold_hours: 5, look_back: 6, funds: 600}
  - {name: c, symbol: CCC-USD, dip_pct: 1, rebound_pct: 1, hold_hours: 5, look_back: 6, funds: 600}
"""


def walks(seed: int = 7) -> pl.DataFrame:
    """Hourly bars of three random walks."""
    random = np.random.default_rng(seed)
    frames = []
    for symbol in SYMBOLS:
        close = 100.0 * np.exp(np.cumsum(random.normal(0.0, 0.004, HOURS)))
        begin = np.concatenate([[100.0], close[:-1]])
        wick = 1.0 + random.uniform(0.0, 0.003, (2, HOURS))
        frames.append(
            pl.DataFrame(
                {
                    "symbol": symbol,
                    "ts_open": day_start_ns(FIRST) + np.arange(HOURS) * 3_600 * NS_PER_S,
                    "open": begin,
                    "high": np.maximum(begin, close) * wick[0],
                    "low": np.minimum(begin, close) / wick[1],
                    "close": close,
                    "volume": 1.0,
                }
            )
        )
    return pl.concat(frames)


@pytest.fixture
def filled(lake: Lake, tmp_path: Path) -> Path:
    """Bars in the lake, and an allocation file over them."""
    frame = walks().with_columns(
        venue=pl.lit("v"),
        interval_s=pl.lit(3_600, pl.Int32),
        day=pl.col("ts_open").map_elements(day_of, return_dtype=pl.Date),
        source=pl.lit("test"),
    )
    for symbol in SYMBOLS:
        part = frame.filter(pl.col("symbol") == symbol).select(BARS.names)
        lake.replace({"venue": "v", "symbol": symbol, "interval_s": 3_600}, {BARS: part})
    file = tmp_path / "three.yaml"
    file.write_text(FILE)
    return file


def run(
    *, capital: float = 1_000, symbols: tuple[str, ...] = SYMBOLS, hours: int = HOURS
) -> AllocatedOutcome:
    """Three dips over the first ``hours`` of the walks; ``symbols`` orders the bars' arrays."""
    end = day_start_ns(FIRST) + hours * 3_600 * NS_PER_S
    bars = walks().filter(pl.col("ts_open") < end)
    dips = [
        RestingDip(
            name=name,
            symbol=symbol,
            dip_pct=1,
            rebound_pct=1,
            hold_hours=5,
            look_back=6,
            funds=600,
        )
        for name, symbol in zip("abc", SYMBOLS, strict=True)
    ]
    return run_allocated(
        [bar_arrays(bars, symbol) for symbol in symbols],
        {dip.name: RestingDipStrategy(dip) for dip in dips},
        AllocationSettings(),
        BarExecution(commission=BpsCommission(bps=10)),
        market_hours(),
        capital=capital,
        quote="USD",
        fee_reserve_bps=20,
    )


def test_capital_is_shared_and_never_exceeded() -> None:
    """Positions never cost more than the capital and what was won; the account adds up."""
    outcome = run()
    assert outcome.audit.steals > 0
    cash = 1_000.0
    for fill in outcome.fills:
        cash += -fill.spent if fill.side == BUY else fill.received
        assert cash >= 0.0
    assert outcome.final_value == pytest.approx(cash, rel=1e-12)
    assert len(outcome.equity) == HOURS


def test_capacity_for_all_makes_the_allocator_invisible() -> None:
    """Nobody steals when there is enough for everybody."""
    outcome = run(capital=10_000)
    assert (outcome.audit.steals, outcome.audit.victims) == (0, 0)
    assert "capacity" not in outcome.audit.blocks


def test_the_order_of_symbols_decides_nothing() -> None:
    """The same decisions and fills, whichever symbol's bars are given first."""
    one, other = run(), run(symbols=SYMBOLS[::-1])
    assert one.audit.rows == other.audit.rows
    assert one.fills == other.fills


def test_no_decision_knows_a_later_bar() -> None:
    """What was decided until some hour is the same when the data ends there."""
    whole, part = run(), run(hours=HOURS // 2)
    cut = day_start_ns(FIRST) + HOURS // 2 * 3_600 * NS_PER_S
    known = [row for row in part.audit.rows if row.ts < cut]
    assert known == [row for row in whole.audit.rows if row.ts < cut]
    assert len(known) > 10


def test_the_command_writes_every_decision_and_repeats_itself(
    filled: Path, lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows in allocation_events, a run in runs, one JSON document; twice is the same as once."""
    arguments = ["allocate", "--file", str(filled), "--days", "2024-03-01..2024-03-10", "--json"]
    documents = []
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        documents.append(orjson.loads(capsys.readouterr().out))
    first, second = documents
    assert first["digest"] == second["digest"]
    assert first["bars"] == 3 * HOURS
    counted = lake.query(
        "SELECT count(*) FILTER (event = 'steal') AS stolen, count(*) FILTER (event = 'enter') AS "
        "entered, count(*) FILTER (event = 'block') AS blocked FROM allocation_events"
    )
    assert counted.row(0) == (first["victims"], first["entries"], sum(first["blocks"].values()))
    assert first["victims"] > 0
    wrong = lake.query(
        "SELECT count(*) FROM allocation_events WHERE event = 'steal' "
        "AND NOT (victim_distance_pct > distance_pct AND victim_distance_pct > 0.15 "
        "AND distance_pct <= 0.57 AND freed_cents > 0 AND victim_strategy IS NOT NULL)"
    )
    assert wrong.item() == 0
    assert lake.query("SELECT count(*) FROM runs WHERE task = 'allocate'").item() == 2
    assert math.isclose(first["profit"], first["final_value"] - 1_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("AAA-USD", "ZZZ-USD"), "bars: there are no 1h bars of ZZZ-USD of v"),
        (("name: b", "name: a"), "two strategies are called a"),
        (("quote: USD", "quote: EUR"), "is not bought with EUR"),
        (("capital: 1000", "capital: 0"), "capital: "),
        (("dip_pct: 1", "dip: 1"), "strategies.0.dip: unknown parameter"),
        (("quote: USD", "quote: USD\nallocation: {calendar: XNYZ}"), "no market calendar XNYZ"),
        (("quote: USD", "quote: USD\ninterval: 1x"), "is not the length of a bar"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    filled: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], message: str
) -> None:
    """Exit code 2, and what is wrong where."""
    filled.write_text(FILE.replace(*change, 1))
    with pytest.raises(SystemExit) as ended:
        main(["allocate", "--file", str(filled), "--days", "2024-03-01..2024-03-10"])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in told
    assert told.count("\n") == 1


def test_the_example_file_is_one() -> None:
    """What the documentation names can be read."""
    assert load_allocated(EXAMPLE).symbols == ("BTC-USD", "ETH-USD", "LTC-USD", "XRP-USD")
