"""A strategy's triangles on recorded books: what `arb backtest` would say of each day.

A parameter is a field of the strategy, by its dotted name. The books are mapped
(``shared_books``), the day is replayed by the kernel, and the scenario around it is
put together from cycles that are found once for each universe.

Amounts are in the first start currency. What a strategy earns in another one is
valued at the middle of the day's first book of the two, and stays there: a change
of that rate during the day is nobody's profit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from arb_pipelines.backtest.kernel import run_kernel
from arb_pipelines.backtest.records import Outcome, TradeStatus
from arb_pipelines.backtest.scenario import Books, Scenario, prepare
from arb_pipelines.backtest.universe import scenario_of
from arb_pipelines.clock import NS_PER_DAY, day_start_ns, parse_day
from arb_pipelines.errors import DataError
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.market.symbols import Market
from arb_pipelines.optimize.shared_books import BooksVersion, map_books, share_books
from arb_pipelines.optimize.targets.base import Params, PeriodResult
from arb_pipelines.optimize.targets.fields import UnknownParameter, with_fields
from arb_pipelines.trading.parameters import Strategy

#: Fields that are not the search's to choose: they say whose data and rows these are.
_FIXED = frozenset({"name", "exchange", "trading_pairs_file"})
#: Measures that count the trades of each ``TradeStatus``.
_STATUS_COUNTS = ("completed", "missed", "unwound", "residuals")


@dataclass(frozen=True, slots=True)
class _Day:
    """What the trials of one universe share of a day; ``rates`` value its start currencies."""

    cycles: CycleSet
    parts: tuple[Books, ...]
    rates: Mapping[str, float]


@dataclass(frozen=True)
class TriangleTarget:
    """Days of one venue in the lake as of ``snapshot``, with their markets by period."""

    lake: Lake
    strategy: Strategy
    markets: Mapping[str, tuple[Market, ...]]
    blocks: int
    snapshot: int
    _days: dict[tuple[str, str], _Day] = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:  # maps are each process's own
        given = (self.lake, self.strategy, self.markets, self.blocks, self.snapshot)
        return TriangleTarget, given

    def check(self, params: Params) -> None:
        """Refuse parameters that are not fields of a strategy.

        Raises:
            UnknownParameter: a name is no field, or one that a study does not choose.
            ConfigError: a value cannot be used.
        """
        self._strategy(params)

    def evaluate(self, params: Params, period: str) -> PeriodResult:
        """Replay one day: the figures of `arb backtest`.

        Raises:
            ConfigError: as ``check``.
            DataError: the day's markets have none of the strategy's cycles.
        """
        strategy, day = self._strategy(params), parse_day(period)
        shared = self._day(strategy, period)
        scenario = prepare(strategy, self.markets[period], shared.cycles, day)
        outcome = run_kernel(scenario, shared.parts)
        return _result(strategy, period, scenario, outcome, shared.rates, self.blocks)

    def _strategy(self, params: Params) -> Strategy:
        for name in params.keys() & _FIXED:
            raise UnknownParameter(name, ())
        return with_fields(self.strategy, params)

    def _day(self, strategy: Strategy, period: str) -> _Day:
        key = period, repr((strategy.universe, strategy.trading_pairs, strategy.start))
        if key not in self._days:
            self._days[key] = self._load(strategy, period)
        return self._days[key]

    def _load(self, strategy: Strategy, period: str) -> _Day:
        day = parse_day(period)
        scenario = scenario_of(
            strategy, self.markets[period], day, max_cycles=self.lake.settings.max_cycles
        )
        file = share_books(
            self.lake, strategy.exchange, day, scenario.cycles.symbols, snapshot=self.snapshot
        )
        parts = map_books(file)
        return _Day(scenario.cycles, parts, _rates(strategy, scenario.cycles, parts, period))


def _rates(
    strategy: Strategy, cycles: CycleSet, parts: tuple[Books, ...], period: str
) -> dict[str, float]:
    """Value of one unit of each start currency, in the first of them."""
    value, *others = strategy.start
    rates = {value: 1.0}
    for currency in others:
        if f"{currency}-{value}" in cycles.symbols:
            rate = _first_middle(parts, cycles.symbols.index(f"{currency}-{value}"))
        elif f"{value}-{currency}" in cycles.symbols:
            rate = 1 / _first_middle(parts, cycles.symbols.index(f"{value}-{currency}"))
        else:
            rate = math.nan
        if not math.isfinite(rate):
            raise DataError(
                f"no book of {period} values {currency} in {value}; give the study a strategy "
                "with one start currency"
            )
        rates[currency] = rate
    return rates


def _first_middle(parts: tuple[Books, ...], symbol: int) -> float:
    """Middle of the first book of ``symbol`` that has two sides; NaN if none has."""
    for books in parts:
        bid, ask = books.bid_px[:, 0], books.ask_px[:, 0]
        rows = np.flatnonzero((books.symbol == symbol) & (bid > 0) & (ask > 0))
        if rows.size:
            return float(bid[rows[0]] + ask[rows[0]]) / 2
    return math.nan


def _result(
    strategy: Strategy,
    period: str,
    scenario: Scenario,
    outcome: Outcome,
    rates: Mapping[str, float],
    blocks: int,
) -> PeriodResult:
    trades = outcome.trades
    currencies = scenario.cycles.currencies
    rate_of = np.array([rates.get(currency, math.nan) for currency in currencies])
    rate = rate_of[scenario.cycles.start[trades["cycle"]]]
    balance = math.fsum(strategy.in_hand[name] * rates[name] for name in strategy.start)
    profits = trades["profit"] * rate
    legs, filled = int(trades["legs"].sum()), int(trades["legs_filled"].sum())
    status = np.bincount(trades["status"], minlength=len(TradeStatus)).tolist()
    sums = ("spent", "expected_profit", "fee", "slippage", "latency", "residual", "unwind")
    return PeriodResult(
        period=period,
        balance=balance,
        profit=math.fsum(profits),
        trades=len(trades),
        wins=int((trades["profit"] > 0).sum()),
        returns=_block_returns(trades["ts_end"], profits / balance, parse_day(period), blocks),
        measures={
            "signals": float(outcome.signals.sum()),
            "fill_rate": filled / legs if legs else 0.0,
            **dict(zip(_STATUS_COUNTS, map(float, status), strict=True)),
            **{name: math.fsum(trades[name] * rate) for name in sums},
        },
    )


def _block_returns(
    ts_end: npt.NDArray[np.int64], returns: npt.NDArray[np.float64], day: date, blocks: int
) -> tuple[float, ...]:
    """Sum the returns of the trades that ended in each block; late ones count in the last."""
    since = np.clip(ts_end - day_start_ns(day), 0, NS_PER_DAY - 1)
    block = since // (NS_PER_DAY // blocks)  # a rest of a few ns joins the last block
    sums = np.bincount(np.minimum(block, blocks - 1), weights=returns, minlength=blocks)
    return tuple(sums.tolist())


def digest_of(target: TriangleTarget, versions: Mapping[str, BooksVersion]) -> str:
    """SHA-256 of all that a trial's result depends on besides its parameters.

    ``versions`` name the content of the books by period.
    """
    parts = target.strategy.digest, target.blocks, sorted(versions.items()), target.markets
    return hashlib.sha256(repr(parts).encode()).hexdigest()
