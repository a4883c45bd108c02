"""Backtests of a strategy: read a day's books, replay them, keep what came of it.

The model and the engines are in ``backtest``, the decisions in ``trading``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Literal

import orjson
import polars as pl
import structlog

from arb_pipelines.backtest.frames import leg_rows, trade_rows
from arb_pipelines.backtest.kernel import run_kernel
from arb_pipelines.backtest.metrics import summarise
from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.reference import run_reference
from arb_pipelines.backtest.scenario import Books, Scenario
from arb_pipelines.backtest.universe import scenario_of
from arb_pipelines.errors import DataError
from arb_pipelines.lake.books import Levels, iter_levels
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.schemas import BACKTEST_LEGS, BACKTEST_SUMMARIES, BACKTEST_TRADES
from arb_pipelines.lake.store import Lake
from arb_pipelines.trading.parameters import Strategy

Engine = Literal["kernel", "reference"]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BacktestReport:
    """One day of one strategy: the rows that were written, and where they came from.

    ``snapshot`` is the lake's snapshot that was read, ``digest`` the SHA-256 of
    the rows: equal for equal books, strategy and seed, whatever the engine.
    """

    strategy: str
    venue: str
    day: date
    snapshot: int
    updates: int
    trades: pl.DataFrame
    legs: pl.DataFrame
    summaries: pl.DataFrame
    digest: str


def run_backtest(
    lake: Lake,
    strategy: Strategy,
    day: date,
    *,
    snapshot: int | None = None,
    engine: Engine = "kernel",
    run_id: str | None = None,
) -> BacktestReport:
    """Replay one day and replace the partition (``strategy``, ``day``) of the three tables.

    Reads markets and books at ``snapshot``, by default the newest; the cycles
    are those of the day's markets that the strategy asks for. Every leg fills at once, as a
    taker's, also one that a session would let rest: that is warned of.

    Raises:
        DataError: the venue has no books of the day, its markets have none of
            the strategy's cycles, or list no fee and the strategy sets none.
        ConfigError: the strategy names a symbol the venue does not have.
    """
    if strategy.session.rests:
        _log.warning("backtest.resting_legs_fill_as_takers", strategy=strategy.name)
    params = {"digest": strategy.digest, "engine": engine}
    partition = f"{strategy.name}|{day}"
    with recorded_run(lake, "backtest", partition, params, run_id=run_id, snapshot=snapshot) as run:
        scenario = load_scenario(lake, strategy, day, snapshot=run.snapshot)
        outcome = _replay(lake, strategy, day, scenario, run.snapshot, engine)
        trades = trade_rows(strategy, day, scenario, outcome)
        legs = leg_rows(strategy, day, scenario, outcome)
        summaries = summarise(strategy, day, scenario, outcome, trades)
        lake.replace(
            {"strategy": strategy.name, "day": day},
            {BACKTEST_TRADES: trades, BACKTEST_LEGS: legs, BACKTEST_SUMMARIES: summaries},
        )
    return BacktestReport(
        strategy.name,
        strategy.exchange,
        day,
        run.snapshot,
        outcome.updates,
        trades,
        legs,
        summaries,
        digest_of(trades, legs, summaries),
    )


def _replay(
    lake: Lake, strategy: Strategy, day: date, scenario: Scenario, snapshot: int, engine: Engine
) -> Outcome:
    replay = run_kernel if engine == "kernel" else run_reference
    venue, symbols = strategy.exchange, scenario.cycles.symbols
    parts = iter_levels(lake, venue, day, symbols, snapshot=snapshot)
    outcome = replay(scenario, map(_books, _read_ahead(parts)))
    if not outcome.updates:
        raise DataError(
            f"there are no books of {venue} on {day} for the strategy's symbols; "
            "see `arb ingest --help`",
            source="book_tops",
        )
    return outcome


def _read_ahead(parts: Iterator[Levels]) -> Iterator[Levels]:
    """Give the parts as they are, and read each while the one before is replayed."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, parts, None)
        while (part := coming.result()) is not None:
            coming = reader.submit(next, parts, None)
            yield part


def _books(levels: Levels) -> Books:
    return Books(
        levels.symbol,
        levels.ts_recv,
        levels.bid_px,
        levels.bid_sz,
        levels.ask_px,
        levels.ask_sz,
    )


def load_scenario(lake: Lake, strategy: Strategy, day: date, *, snapshot: int) -> Scenario:
    """Read the day's markets and prepare the strategy's cycles over them.

    Raises:
        DataError, ConfigError: as ``run_backtest``.
    """
    markets = load_markets(lake, strategy.exchange, day, snapshot=snapshot)
    return scenario_of(strategy, markets, day, max_cycles=lake.settings.max_cycles)


def digest_of(*frames: pl.DataFrame) -> str:
    """SHA-256 of the frames' rows, each as one line of JSON."""
    digest = hashlib.sha256()
    for row in _rows(*frames):
        digest.update(orjson.dumps(row) + b"\n")
    return digest.hexdigest()


def _rows(*frames: pl.DataFrame) -> Iterator[tuple[object, ...]]:
    for frame in frames:
        yield from frame.iter_rows()
