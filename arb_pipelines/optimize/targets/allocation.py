"""Work stealing on hourly bars: one run over all days of a window, cut into days.

A parameter is a field of ``AllocationSettings``. Orders and positions go on over
midnight, so a day's profit is what the account's worth moved by, with positions at
their last price, and what was entered on train days is still there on the first test
day. After the last day positions are closed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.build import rules_of
from arb_pipelines.allocation.simulation.kernel import run_kernel
from arb_pipelines.allocation.simulation.panel import TICKS
from arb_pipelines.allocation.simulation.world import Count, Ending, Outcome, World
from arb_pipelines.clock import parse_day
from arb_pipelines.optimize.targets.base import Params, PeriodResult
from arb_pipelines.optimize.targets.fields import with_fields

_HOURS = 24


@dataclass(frozen=True)
class AllocationTarget:
    """A world whose first hour begins ``first_day``, and the settings no parameter chooses."""

    world: World
    settings: AllocationSettings
    first_day: date
    blocks: int
    _latest: dict[str, tuple[Params, Outcome]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __reduce__(self) -> tuple[Any, ...]:
        return AllocationTarget, (self.world, self.settings, self.first_day, self.blocks)

    @property
    def digest(self) -> str:
        """SHA-256 of all that a trial's result depends on besides its parameters."""
        digest = hashlib.sha256(repr((self.settings, self.first_day, self.blocks)).encode())
        for column in self.world:
            digest.update(np.asarray(column).tobytes())
        return digest.hexdigest()

    def check(self, params: Params) -> None:
        """Refuse parameters that are not fields of the allocation's settings.

        Raises:
            UnknownParameter: a name is none.
            ConfigError: a value, or all together, cannot be used.
        """
        with_fields(self.settings, params)

    def evaluate(self, params: Params, period: str) -> PeriodResult:
        """Measure one day of the run over all days.

        Raises:
            ConfigError: as ``check``.
        """
        latest = self._latest.get("run")
        if latest is None or latest[0] != params:
            rules = rules_of(with_fields(self.settings, params))
            latest = self._latest["run"] = dict(params), run_kernel(self.world, rules)
        return self._cut(latest[1], period)

    def _cut(self, outcome: Outcome, period: str) -> PeriodResult:
        first = (parse_day(period) - self.first_day).days * _HOURS
        profits = outcome.profits[first : first + _HOURS] / 100.0
        balance = self.world.capital / 100.0
        closed = outcome.fates["closed"] - 1  # what closes as the data ends belongs to its last day
        ended = outcome.fates["ending"] >= Ending.TARGET
        today = ended & (closed // TICKS >= first) & (closed // TICKS < first + _HOURS)
        traded = outcome.fates[today]
        block = np.arange(len(profits)) * self.blocks // _HOURS
        sums = np.bincount(block, weights=profits, minlength=self.blocks)
        return PeriodResult(
            period=period,
            balance=balance,
            profit=float(profits.sum()),
            trades=len(traded),
            wins=int((traded["profit"] > 0).sum()),
            returns=tuple((sums / balance).tolist()),
            measures=self._measures(outcome, first),
        )

    def _measures(self, outcome: Outcome, first: int) -> dict[str, float]:
        """What stealing did on a day that begins with hour ``first``."""
        before = outcome.so_far[first - 1] if first else np.zeros(len(Count), np.int64)
        done = (outcome.so_far[first + _HOURS - 1] - before).tolist()
        ticks = _HOURS * TICKS * self.world.capital
        return {
            "entries": float(done[Count.ENTERS]),
            "steals": float(done[Count.STEALS]),
            "steals_filled": float(done[Count.SUCCESSES]),
            "blocks": float(done[Count.BLOCKS]),
            "fights": float(done[Count.FIGHTS]),
            "used_share": (done[Count.RESERVED] + done[Count.SPENT]) / ticks,
            "held_share": done[Count.SPENT] / ticks,
        }
