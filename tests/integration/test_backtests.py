"""Backtests from the lake and back: same bytes, whatever the engine, workers or later writes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import orjson
import polars as pl
import pytest

from arb_pipelines import cli
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.books import iter_levels, read_levels
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.backtest_ranges import describe, run_backtests
from arb_pipelines.research.backtests import run_backtest
from arb_pipelines.trading.parameters import Strategy
from tests.fakes.backtest_worlds import DAY, random_world, store_world

DAYS = [DAY, DAY + timedelta(1), DAY + timedelta(3)]
TABLES = ("backtest_trades", "backtest_legs", "backtest_summaries")


def _rows(lake: Lake, strategy: Strategy) -> list[pl.DataFrame]:
    return [
        lake.query(f"SELECT * FROM {table} WHERE strategy = ? ORDER BY ALL", [strategy.name])
        for table in TABLES
    ]


@pytest.fixture
def traded(lake: Lake) -> tuple[Lake, Strategy]:
    """Three days of books in which much happens, and the strategy that trades them."""
    world = random_world(4, depth=3)
    store_markets(lake, "demo", DAY, world.markets, list_day=DAY)
    for number, day in enumerate(DAYS):
        books = random_world(4, depth=3, updates=300 + 50 * number)
        store_world(lake, books, day)
    return lake, world.strategy


def test_both_engines_write_the_same_rows(traded: tuple[Lake, Strategy]) -> None:
    """From the lake to the tables nothing depends on the engine; what is reported is written."""
    lake, strategy = traded
    kernel = run_backtest(lake, strategy, DAY)
    written = _rows(lake, strategy)
    reference = run_backtest(lake, strategy, DAY, engine="reference")
    assert len(kernel.trades) > 5
    assert reference.digest == kernel.digest
    for before, after in zip(written, _rows(lake, strategy), strict=True):
        assert before.equals(after)
    assert written[0].sort("trade_no").equals(kernel.trades.sort("trade_no"))
    assert written[1].height == kernel.legs.height


def test_a_range_does_not_depend_on_the_workers(traded: tuple[Lake, Strategy]) -> None:
    """One process or two: the same digest and the same rows; the day without books is named."""
    lake, strategy = traded
    days = [DAY + timedelta(n) for n in range(4)]
    alone = run_backtests(lake, strategy, days)
    rows = _rows(lake, strategy)
    together = run_backtests(lake, strategy, days, workers=2)
    assert alone.without_books == together.without_books == (DAY + timedelta(2),)
    assert alone.digest == together.digest
    assert len({day.digest for day in alone.days}) == 3
    for before, after in zip(rows, _rows(lake, strategy), strict=True):
        assert before.equals(after)
    facts = describe(alone)
    assert facts["trades"] == sum(len(day.trades) for day in alone.days)
    assert facts["sharpe"]


def test_an_earlier_snapshot_gives_the_earlier_result(traded: tuple[Lake, Strategy]) -> None:
    """Books replaced later do not change a backtest of the snapshot that was read before."""
    lake, strategy = traded
    first = run_backtest(lake, strategy, DAY)
    store_world(lake, random_world(4, depth=3, updates=100), DAY)
    assert run_backtest(lake, strategy, DAY).digest != first.digest
    assert run_backtest(lake, strategy, DAY, snapshot=first.snapshot).digest == first.digest
    runs = lake.query("SELECT lake_snapshot FROM runs WHERE task = 'backtest' ORDER BY ts_started")
    assert runs["lake_snapshot"][0] == runs["lake_snapshot"][2] == first.snapshot


def test_another_seed_is_another_result(traded: tuple[Lake, Strategy]) -> None:
    """The latency draws follow the strategy's seed."""
    lake, strategy = traded
    leg = {"distribution": "uniform", "low_ms": 0, "high_ms": 50}
    drawn = Strategy.model_validate(strategy.model_dump() | {"latency": {"leg_ms": leg}})
    other = drawn.model_copy(update={"seed": drawn.seed + 1})
    assert run_backtest(lake, drawn, DAY).digest != run_backtest(lake, other, DAY).digest


def test_the_ledger_in_the_lake_adds_up(traded: tuple[Lake, Strategy]) -> None:
    """Summaries sum trades, trades sum legs, parts sum to the difference; in SQL."""
    lake, strategy = traded
    run_backtests(lake, strategy, DAYS)
    bad = lake.query(
        """
        SELECT t.trade_no FROM backtest_trades t JOIN (
            SELECT strategy, day, trade_no, sum(fee) AS fee, sum(slippage + latency) AS moved
            FROM backtest_legs WHERE kind = 'cycle' GROUP BY ALL
        ) l USING (strategy, day, trade_no)
        WHERE abs(t.fee - l.fee) > 1e-9 OR abs(t.slippage + t.latency - l.moved) > 1e-9
           OR abs(t.expected_profit - t.profit - t.fee - t.slippage - t.latency - t.residual
                  - t.unwind_cost) > 1e-9 * greatest(t.spent, 1)
        """
    )
    assert bad.is_empty()
    totals = lake.query(
        "SELECT s.day, s.start_currency, s.net_profit, s.trades, sum(t.profit) AS profit, "
        "count(t.trade_no) AS counted FROM backtest_summaries s LEFT JOIN backtest_trades t "
        "USING (strategy, day, start_currency) GROUP BY ALL"
    )
    assert totals["trades"].to_list() == totals["counted"].to_list()
    assert np.allclose(totals["net_profit"], totals["profit"].fill_null(0.0))


def test_a_day_read_in_parts_is_the_day(traded: tuple[Lake, Strategy]) -> None:
    """Parts of any size, of all symbols or of some, are the day's levels in order."""
    lake, _ = traded
    known = lake.query("SELECT DISTINCT symbol FROM book_tops ORDER BY 1")["symbol"].to_list()
    for symbols in (known, known[1:]):
        whole = read_levels(lake, "demo", DAY, symbols)
        for part_rows in (70, 1_000):
            parts = list(iter_levels(lake, "demo", DAY, symbols, part_rows=part_rows))
            for name in ("symbol", "ts_recv", "bid_px", "bid_sz", "ask_px", "ask_sz"):
                joined = np.concatenate([getattr(part, name) for part in parts])
                assert np.array_equal(joined, getattr(whole, name), equal_nan=joined.dtype == float)


def test_what_is_missing_is_said(traded: tuple[Lake, Strategy]) -> None:
    """No books, no markets, no such symbol: each with its own words."""
    lake, strategy = traded
    with pytest.raises(DataError, match="no books of demo on 2025-01-03"):
        run_backtest(lake, strategy, DAY + timedelta(2))
    with pytest.raises(DataError, match="no markets of elsewhere"):
        run_backtest(lake, strategy.model_copy(update={"exchange": "elsewhere"}), DAY)
    pairs = strategy.model_copy(update={"universe": None, "trading_pairs": ("X-Y", "Y-Z", "X-Z")})
    with pytest.raises(ConfigError, match="demo has no X-Y, X-Z, Y-Z"):
        run_backtest(lake, pairs, DAY)


@pytest.fixture
def strategy_file(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(
        "name: cli\nexchange: demo\nuniverse: {start: [USDT]}\nmin_profit_bps: 1\n"
        "capital_allocation: {mode: fixed_fraction, fraction: 0.5}\nbalances: {USDT: 1000}\n"
        "fee_bps: 0\n"
    )
    return path


def test_the_command_prints_one_document(
    traded: tuple[Lake, Strategy], strategy_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON on stdout with the figures of the range; the same twice."""
    documents = []
    for engine in ("kernel", "reference"):
        command = ["backtest", "--strategy", str(strategy_file), "--days", "2025-01-01..2025-01-03"]
        with pytest.raises(SystemExit) as ended:
            cli.main([*command, "--engine", engine, "--json"])
        assert ended.value.code == 0
        documents.append(orjson.loads(capsys.readouterr().out))
    first, second = documents
    assert first["digest"] == second["digest"]
    assert first["days"] == ["2025-01-01", "2025-01-02"]
    assert first["days_without_books"] == ["2025-01-03"]
    assert first["trades"] > 0
    assert set(first["net_profit"]) == {"USDT"}
    parts = first["attribution"]["USDT"]
    assert parts["expected_profit"] - parts["net_profit"] == pytest.approx(
        sum(parts[part] for part in ("fee", "slippage", "latency", "residual", "unwind_cost"))
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--days", "2024-01-01..2024-01-02"], "no books of demo from 2024-01-01 to 2024-01-02"),
        (["--days", "yesterday"], "'yesterday' is not a day"),
        (["--days", "2025-01-01", "--workers", "0"], "--workers"),
        (["--days", "2025-01-01", "--venue", "other"], "no books of other"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(
    traded: tuple[Lake, Strategy],
    strategy_file: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    """What is wrong, on stderr; nothing on stdout."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["backtest", "--strategy", str(strategy_file), *arguments])
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out == ""
    assert words in err
    assert err.strip().count("\n") == 0
