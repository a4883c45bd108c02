"""What every target is: parameters in, one result a period out.

A period is a UTC day of the study, named ``YYYY-MM-DD``. A target is opened once
in each worker, over shared data that is read-only; a trial evaluates the periods
in order and may be pruned between two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

#: Values of one trial by parameter; a name may be dotted, ``capital_allocation.fraction``.
Params = Mapping[str, float | int | str | bool]


@dataclass(frozen=True, slots=True)
class PeriodResult:
    """What one period came to, in one value currency.

    ``returns`` are profits over ``balance`` in consecutive blocks of equal time,
    the same number a period for all trials of a study, so that trials can be
    compared block by block. ``measures`` are further figures by name (fill rate,
    steals, …), which add up over periods unless their name says a mean.
    """

    period: str
    balance: float
    profit: float
    trades: int
    wins: int
    returns: tuple[float, ...]
    measures: Mapping[str, float] = field(default_factory=dict)


class Target(Protocol):
    """What a study optimises."""

    def check(self, params: Params) -> None:
        """Refuse parameters the target does not have.

        Raises:
            ConfigError: a name is unknown or a value cannot be used.
        """
        ...

    def evaluate(self, params: Params, period: str) -> PeriodResult:
        """Measure one period; equal arguments give equal results, bit for bit."""
        ...
