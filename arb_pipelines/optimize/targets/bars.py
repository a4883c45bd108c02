"""A strategy on OHLC bars: one run over all days of a window, cut into days.

A parameter is a field of the strategy, or ``execution.…`` of how orders fill. Each
symbol has a balance and a run of its own; their equities add up. A run goes on over
midnight with whatever position it has, so a day's profit is what the equity moved
by, and what was decided on train days is still there on the first test day. After
the last bar of the window positions are closed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from arb_pipelines.backtest.bars.arrays import BarArrays
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.bars.sma_cross import round_trips, run_sma_cross
from arb_pipelines.clock import NS_PER_DAY, day_start_ns, parse_day
from arb_pipelines.containers.shared import freeze
from arb_pipelines.errors import ConfigError
from arb_pipelines.optimize.targets.base import Params, PeriodResult
from arb_pipelines.optimize.targets.fields import UnknownParameter, fields_of, with_fields
from arb_pipelines.optimize.targets.settings import BarsSettings
from arb_pipelines.trading.sma_cross import SmaCross

_EXECUTION = "execution."
Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Run:
    """One set of parameters over all bars: what was closed when, and what all was worth.

    ``equity`` is by ``ts``, the closes of bars, rising; of all symbols together.
    """

    ts: Int64
    equity: Floats
    ts_exit: Int64
    profit: Floats


@dataclass(frozen=True)
class BarsTarget:
    """Bars of each symbol of the study over all days of a window, in order of time."""

    settings: BarsSettings
    bars: tuple[BarArrays, ...]
    blocks: int
    _latest: dict[str, tuple[Params, _Run]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        # again in each process: numba compiles for read-only arrays, and pickling forgets that
        object.__setattr__(self, "bars", freeze(self.bars, "bars"))

    def __reduce__(self) -> tuple[Any, ...]:
        return BarsTarget, (self.settings, self.bars, self.blocks)

    @property
    def digest(self) -> str:
        """SHA-256 of all that a trial's result depends on besides its parameters."""
        digest = hashlib.sha256(repr((self.settings, self.blocks)).encode())
        for bars in self.bars:
            digest.update(bars.symbol.encode())
            for column in (bars.ts_open, bars.open, bars.high, bars.low, bars.close, bars.volume):
                digest.update(column.tobytes())
        return digest.hexdigest()

    def check(self, params: Params) -> None:
        """Refuse parameters that are fields of neither the strategy nor the execution.

        Raises:
            UnknownParameter: a name is neither.
            ConfigError: a value cannot be used.
        """
        self._chosen(params)

    def evaluate(self, params: Params, period: str) -> PeriodResult:
        """Measure one day of the run over all days.

        Raises:
            ConfigError: as ``check``.
        """
        latest = self._latest.get("run")
        if latest is None or latest[0] != params:
            latest = self._latest["run"] = dict(params), self._run(params)
        return self._cut(latest[1], period)

    def _chosen(self, params: Params) -> tuple[SmaCross, BarExecution]:
        own = {one.name for one in fields(SmaCross)}
        known = own | {f"{_EXECUTION}{name}" for name, _ in fields_of(BarExecution)}
        chosen: dict[str, Any] = {**self.settings.fixed, **params}
        for name in chosen.keys() - known:
            raise UnknownParameter(name, sorted(known))
        of_strategy = {name: value for name, value in chosen.items() if name in own}
        of_execution = {
            name.removeprefix(_EXECUTION): value
            for name, value in chosen.items()
            if name not in own
        }
        missing = sorted({"fast", "slow"} - of_strategy.keys())
        if missing:
            raise ConfigError(f"{missing[0]}: choose it by a parameter, or fix it in the target")
        return SmaCross(**of_strategy), with_fields(self.settings.execution, of_execution)

    def _run(self, params: Params) -> _Run:
        strategy, execution = self._chosen(params)
        cash = self.settings.balance
        outcomes = [run_sma_cross(one, strategy, execution, cash=cash) for one in self.bars]
        closes = [one.ts_open + one.interval_ns for one in self.bars]
        trips = [round_trips(outcome) for outcome in outcomes]
        ts = np.unique(np.concatenate(closes))
        equity = np.zeros(len(ts))
        for close, outcome in zip(closes, outcomes, strict=True):
            own = outcome.equity.copy()
            own[-1] = outcome.final_value
            known = np.searchsorted(close, ts, side="right")  # bars closed by then
            equity += np.concatenate(([cash], own))[known]
        return _Run(
            ts,
            equity,
            np.concatenate([trip["ts_exit"] for trip in trips]),
            np.concatenate([trip["profit"] for trip in trips]),
        )

    def _cut(self, run: _Run, period: str) -> PeriodResult:
        start = day_start_ns(parse_day(period))
        edges = start + np.arange(self.blocks + 1) * (NS_PER_DAY // self.blocks)
        edges[-1] = start + NS_PER_DAY
        worth = self._worth(run, edges)
        ended = (run.ts_exit > start) & (run.ts_exit <= start + NS_PER_DAY)
        profits = np.diff(worth)
        balance = float(worth[0])
        return PeriodResult(
            period=period,
            balance=balance,
            profit=float(worth[-1] - worth[0]),
            trades=int(ended.sum()),
            wins=int((run.profit[ended] > 0).sum()),
            returns=tuple((profits / balance).tolist()),
        )

    def _worth(self, run: _Run, ts: Int64) -> Floats:
        """What all was worth at each time: at the newest close by then, the start before any."""
        start = self.settings.balance * len(self.bars)
        worth: Floats = np.concatenate(([start], run.equity))
        return worth[np.searchsorted(run.ts, ts, side="right")]
