"""Stopping a hopeless trial between two periods.

The rule compares a trial with what earlier ones had reached by the same period.
Earlier means: those the trial's own parameters were chosen after, at a fixed
look-back. Its thresholds are settled when it starts, so that how many workers run
beside it never decides whether it is pruned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class PruningRule(BaseModel):
    """A trial stops when its first objective so far is below a percentile of the earlier ones'."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    percentile: float = Field(
        50.0,
        gt=0,
        lt=100,
        description="Percentile of the earlier trials, in percent; 50 is the median rule.",
    )
    after_trials: int = Field(
        10, ge=1, description="Earlier trials that reached the period, before any is pruned."
    )
    after_periods: int = Field(
        1, ge=1, description="Periods a trial does before it may be stopped."
    )


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Least gain so far after each period, fixed at a trial's start; none where not judged."""

    least: tuple[float | None, ...]

    def prunes(self, gains: Sequence[float]) -> bool:
        """Tell whether a trial stops: ``gains`` are its own so far, after each period done."""
        done = len(gains)
        if done == 0 or done >= len(self.least):  # nothing is saved after the last period
            return False
        least = self.least[done - 1]
        return least is not None and gains[-1] < least


def thresholds_of(
    rule: PruningRule, history: Sequence[Sequence[float]], periods: int
) -> Thresholds:
    """Settle a trial's thresholds from the earlier trials' gains so far.

    ``history`` has one sequence an earlier trial, pruned ones included: its gain (the
    first objective, more is better) over the periods up to and with each one done.
    """
    least: list[float | None] = []
    for index in range(periods):
        reached = [gains[index] for gains in history if len(gains) > index]
        judged = index + 1 >= rule.after_periods and len(reached) >= rule.after_trials
        least.append(float(np.percentile(reached, rule.percentile)) if judged else None)
    return Thresholds(tuple(least))


def prune(
    rule: PruningRule, history: Sequence[Sequence[float]], gains: Sequence[float], periods: int
) -> bool:
    """Tell whether a trial of ``periods`` periods stops after those in ``gains``."""
    return thresholds_of(rule, history, periods).prunes(gains)
