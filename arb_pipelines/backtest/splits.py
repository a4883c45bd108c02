"""Splits of a range of days into what is trained on and what is tested on, that cannot leak.

A test lies wholly after its training days, and at least ``gap_days`` days lie
between them (an embargo: what was learnt late in training must not be measured on
what it still influences). A ``Split`` that breaks this cannot be made.

Source: M. López de Prado, Advances in Financial Machine Learning (2018), chapter 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from arb_pipelines.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Split:
    """Training days and the test days after them; both rise, and may have holes.

    Raises:
        ConfigError: a part is empty or out of order, or a test day is not later
            than every training day by more than ``gap_days``.
    """

    train: tuple[date, ...]
    test: tuple[date, ...]
    gap_days: int = 0

    def __post_init__(self) -> None:
        if self.gap_days < 0:
            raise ConfigError(f"a gap of {self.gap_days} days is none; give 0 or more")
        for name, days in (("training", self.train), ("test", self.test)):
            if not days:
                raise ConfigError(f"the split has no {name} days; give it more days")
            _rising(days, name)
        earliest = self.train[-1] + timedelta(days=self.gap_days + 1)
        if self.test[0] < earliest:
            raise ConfigError(
                f"test day {self.test[0]} is before {earliest}: training ends on "
                f"{self.train[-1]} and {self.gap_days} days must lie between"
            )


def split_at(days: Sequence[date], first_test_day: date, *, gap_days: int = 0) -> Split:
    """Train on the days before ``first_test_day`` less the gap, test on it and all after.

    Raises:
        ConfigError: as ``Split``.
    """
    _rising(days, "given")
    last_train = first_test_day - timedelta(days=gap_days + 1)
    return Split(
        tuple(day for day in days if day <= last_train),
        tuple(day for day in days if day >= first_test_day),
        gap_days,
    )


def consecutive_splits(
    days: Sequence[date], k: int, *, gap_days: int = 0, anchored: bool = False
) -> tuple[Split, ...]:
    """Cut the days into ``k + 1`` blocks; the i-th split tests on block ``i + 1``.

    It trains on the block before, or on all before if ``anchored``, less the
    days of the gap. Blocks are equal; the days that are over belong to the first.

    Raises:
        ConfigError: ``k`` is below 1, the days are too few, or as ``Split``.
    """
    _rising(days, "given")
    length, over = divmod(len(days), k + 1) if k > 0 else (0, 0)
    if length == 0:
        raise ConfigError(f"{len(days)} days do not make {k} consecutive splits; need {k + 1}")
    edges = [0, *range(length + over, len(days) + 1, length)]
    splits = []
    for (first, middle), (_, last) in pairwise(pairwise(edges)):
        known = split_at(days[0 if anchored else first : last], days[middle], gap_days=gap_days)
        splits.append(known)
    return tuple(splits)


def _rising(days: Sequence[date], name: str) -> None:
    for day, after in pairwise(days):
        if after <= day:
            raise ConfigError(f"{name} days are out of order: {after} after {day}; sort them")
