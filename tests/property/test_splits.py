"""Splits of days: no test day is ever known in training, gap included."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.backtest.splits import Split, consecutive_splits, split_at
from arb_pipelines.errors import ConfigError

FIRST = date(2025, 1, 1)
some_days = st.sets(st.integers(0, 60), max_size=40).map(
    lambda offsets: [FIRST + timedelta(days=offset) for offset in sorted(offsets)]
)


def _days(*offsets: int) -> tuple[date, ...]:
    return tuple(FIRST + timedelta(days=offset) for offset in offsets)


@given(
    days=some_days,
    k=st.integers(-1, 8),
    gap_days=st.integers(0, 5),
    anchored=st.booleans(),
)
def test_consecutive_splits_never_leak(
    days: list[date], k: int, gap_days: int, anchored: bool
) -> None:
    """Each test day is later than each training day by more than the gap; each is tested once."""
    try:
        splits = consecutive_splits(days, k, gap_days=gap_days, anchored=anchored)
    except ConfigError:
        return
    assert len(splits) == k
    tested = [day for split in splits for day in split.test]
    assert tested == days[len(days) - len(tested) :]
    assert len({len(split.test) for split in splits}) == 1
    for split in splits:
        for train in split.train:
            for test in split.test:
                assert (test - train).days > gap_days
        kept = (split.test[0] - timedelta(days=gap_days + 1)).toordinal()
        known = [day for day in days if day.toordinal() <= kept]
        assert list(split.train) == (known if anchored else known[-len(split.train) :])


@given(days=some_days, at=st.integers(-2, 62), gap_days=st.integers(0, 5))
def test_a_split_at_a_day_loses_only_the_gap(days: list[date], at: int, gap_days: int) -> None:
    """Training, gap and test together are all the days that were given."""
    border = FIRST + timedelta(days=at)
    try:
        split = split_at(days, border, gap_days=gap_days)
    except ConfigError:
        before = [day for day in days if (border - day).days > gap_days]
        assert not before or not [day for day in days if day >= border]
        return
    gap = [day for day in days if 0 < (border - day).days <= gap_days]
    assert [*split.train, *gap, *split.test] == days


@given(
    train=st.lists(st.integers(0, 12), max_size=5),
    test=st.lists(st.integers(0, 12), max_size=5),
    gap_days=st.integers(-1, 4),
)
def test_a_split_that_leaks_cannot_be_made(
    train: list[int], test: list[int], gap_days: int
) -> None:
    """The constructor refuses overlap, too small a gap, empty parts and days out of order."""
    sound = (
        gap_days >= 0
        and bool(train and test)
        and all(a < b for part in (train, test) for a, b in pairwise(part))
        and all(b - a > gap_days for a in train for b in test)
    )
    if sound:
        assert Split(_days(*train), _days(*test), gap_days).test == _days(*test)
    else:
        with pytest.raises(ConfigError):
            Split(_days(*train), _days(*test), gap_days)


@pytest.mark.parametrize(
    ("train", "test", "gap_days", "message"),
    [
        ((0, 1), (1, 2), 0, "test day 2025-01-02 is before 2025-01-03"),
        ((0, 1), (3,), 2, "2 days must lie between"),
        ((), (3,), 0, "no training days"),
        ((1, 0), (3,), 0, "training days are out of order: 2025-01-01 after 2025-01-02"),
        ((0,), (3, 3), 0, "test days are out of order"),
        ((0,), (3,), -1, "give 0 or more"),
    ],
)
def test_the_refusal_says_what_leaks(
    train: tuple[int, ...], test: tuple[int, ...], gap_days: int, message: str
) -> None:
    """Each refusal names the days in question."""
    with pytest.raises(ConfigError, match=message):
        Split(_days(*train), _days(*test), gap_days)


def test_blocks_are_equal_and_the_rest_is_trained_on() -> None:
    """Eleven days in three consecutive splits: blocks of two, the first with what is over."""
    splits = consecutive_splits(_days(*range(11)), 3)
    assert [(len(split.train), len(split.test)) for split in splits] == [(5, 2), (2, 2), (2, 2)]
    grown = consecutive_splits(_days(*range(11)), 3, anchored=True)
    assert [len(split.train) for split in grown] == [5, 7, 9]


def test_too_few_days_say_how_many_are_needed() -> None:
    """Three days make no three consecutive splits."""
    with pytest.raises(ConfigError, match="need 4"):
        consecutive_splits(_days(0, 1, 2), 3)
