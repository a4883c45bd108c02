"""Backtests of a range of days: one process a day, one result for all.

Days do not depend on each other, so the result does not depend on how many are
replayed at once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import polars as pl

from arb_pipelines.backtest.metrics import PARTS, max_drawdown, sharpe
from arb_pipelines.errors import DataError
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.backtests import BacktestReport, Engine, run_backtest
from arb_pipelines.trading.gate import REFUSALS
from arb_pipelines.trading.parameters import Strategy

Progress = Callable[[date], None]


@dataclass(frozen=True, slots=True)
class RangeReport:
    """The days' reports in order, and the days of the range that had no books."""

    strategy: Strategy
    snapshot: int
    days: tuple[BacktestReport, ...]
    without_books: tuple[date, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the days' digests, in order."""
        return hashlib.sha256("".join(day.digest for day in self.days).encode()).hexdigest()


def run_backtests(
    lake: Lake,
    strategy: Strategy,
    days: Sequence[date],
    *,
    workers: int = 1,
    snapshot: int | None = None,
    engine: Engine = "kernel",
    progress: Progress = lambda _: None,
) -> RangeReport:
    """Replay each of ``days`` that has books, ``workers`` at a time, all at one snapshot.

    ``progress`` is told of each day that is done.

    Raises:
        DataError: no day of the range has books, or as ``run_backtest``.
    """
    seen = lake.snapshot() if snapshot is None else snapshot
    with_books = _days_with_books(lake, strategy.exchange, days, seen)
    known = [day for day in days if day in with_books]
    if not known:
        raise DataError(
            f"there are no books of {strategy.exchange} from {days[0]} to {days[-1]}; "
            "see `arb ingest --help`",
            source="book_tops",
        )
    replay = partial(run_backtest, lake, strategy, snapshot=seen, engine=engine)
    reports = []
    for report in _map(replay, known, workers):
        progress(report.day)
        reports.append(report)
    without = tuple(day for day in days if day not in with_books)
    return RangeReport(strategy, seen, tuple(reports), without)


def _map(
    replay: Callable[[date], BacktestReport], days: Sequence[date], workers: int
) -> Iterator[BacktestReport]:
    if workers == 1 or len(days) == 1:
        yield from map(replay, days)
        return
    with ProcessPoolExecutor(min(workers, len(days)), get_context("spawn")) as pool:
        yield from pool.map(replay, days)


def _days_with_books(lake: Lake, venue: str, days: Sequence[date], snapshot: int) -> set[date]:
    found = lake.query(
        "SELECT DISTINCT day FROM book_tops WHERE venue = ? AND day BETWEEN ? AND ?",
        [venue, days[0], days[-1]],
        snapshot=snapshot,
    )
    return set(found["day"])


def describe(report: RangeReport) -> dict[str, object]:
    """Sum up a range as plain values: amounts by start currency, rates over all trades.

    ``predicted_bps`` and ``effective_bps`` are means of the trades weighted by
    the share of their currency's balance that they used. ``sharpe`` is annual,
    from daily net profit over the balance; None for a single day.
    """
    trades = pl.concat([day.trades for day in report.days])
    days = pl.concat([day.summaries for day in report.days])
    balances = report.strategy.in_hand
    share = trades["spent"] / trades["start_currency"].replace_strict(
        list(balances), list(balances.values()), return_dtype=pl.Float64
    )
    used, tried = math.fsum(share), int((trades["spent"] > 0).sum())
    legs = int(days["legs"].sum())
    by_currency = {
        str(currency): rows
        for (currency,), rows in days.group_by("start_currency", maintain_order=True)
    }
    return {
        "strategy": report.strategy.name,
        "venue": report.strategy.exchange,
        "days": [str(day.day) for day in report.days],
        "days_without_books": [str(day) for day in report.without_books],
        "updates": sum(day.updates for day in report.days),
        "signals": int(days["signals"].sum()),
        "trades": len(trades),
        "status": {
            name: int(days[column].sum())
            for name, column in (
                ("completed", "completed"),
                ("missed", "missed"),
                ("unwound", "unwound"),
                ("residual", "residuals"),
            )
        },
        "net_profit": {name: math.fsum(rows["net_profit"]) for name, rows in by_currency.items()},
        "win_rate": int(days["wins"].sum()) / tried if tried else None,
        "fill_rate": int(days["legs_filled"].sum()) / legs if legs else None,
        "predicted_bps": math.fsum(trades["predicted_bps"] * share) / used if used else None,
        "effective_bps": math.fsum(trades["effective_bps"].fill_null(0.0) * share) / used
        if used
        else None,
        "max_drawdown": {name: max_drawdown(_profits(trades, name)) for name in by_currency},
        "sharpe": {
            name: sharpe((rows["net_profit"] / rows["balance"]).to_list())
            for name, rows in by_currency.items()
        },
        "residuals": int(days["residuals"].sum()),
        "residual_value": {
            name: math.fsum(rows["residual_value"]) for name, rows in by_currency.items()
        },
        "refused": {reason: int(days[f"refused_{reason}"].sum()) for reason in REFUSALS[1:]},
        "attribution": {
            name: {
                part: math.fsum(rows[part]) for part in ("expected_profit", *PARTS, "net_profit")
            }
            for name, rows in by_currency.items()
        },
        "snapshot": report.snapshot,
        "strategy_digest": report.strategy.digest,
        "digest": report.digest,
    }


def _profits(trades: pl.DataFrame, currency: str) -> npt.NDArray[np.float64]:
    own = trades.filter(pl.col("start_currency") == currency).sort("day", "ts_end", "trade_no")
    return own["profit"].to_numpy()
