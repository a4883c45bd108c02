"""Walk-forward windows: no test day is trained on, and the days are used as promised."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.optimize.windows import Anchored, Rolling, Single, Window, windows_of

FIRST = date(2026, 1, 30)


def _cut(windows: Single | Rolling | Anchored, days: int) -> tuple[Window, ...]:
    return windows_of(windows, FIRST, FIRST + timedelta(days=days - 1))


def _numbers(days: tuple[date, ...]) -> list[int]:
    return [(day - FIRST).days for day in days]


walks = st.builds(
    lambda kind, train, test, step, gap: kind(
        kind=kind.__name__.lower(), train_days=train, test_days=test, step_days=step, gap_days=gap
    ),
    st.sampled_from([Rolling, Anchored]),
    st.integers(1, 6),
    st.integers(1, 4),
    st.one_of(st.none(), st.integers(1, 5)),
    st.integers(0, 3),
)


@given(walks, st.integers(0, 20))
def test_test_comes_after_train_and_gap(windows: Rolling | Anchored, extra: int) -> None:
    """Every test begins exactly one gap after its training, and all days are the study's."""
    days = windows.train_days + windows.gap_days + windows.test_days + extra
    found = _cut(windows, days)
    assert [window.name for window in found] == [f"w{i:02d}" for i in range(len(found))]
    for window in found:
        train, test = _numbers(window.train), _numbers(window.test)
        assert train == list(range(train[0], train[-1] + 1))
        assert test == list(range(test[0], test[-1] + 1))
        assert test[0] == train[-1] + 1 + windows.gap_days
        assert len(test) == windows.test_days
        assert 0 <= train[0] <= test[-1] < days


@given(walks, st.integers(0, 20))
def test_windows_step_on_and_leave_less_than_a_step(
    windows: Rolling | Anchored, extra: int
) -> None:
    """Tests begin a step apart; a further window would not fit; later days change none of them."""
    days = windows.train_days + windows.gap_days + windows.test_days + extra
    found, step = _cut(windows, days), windows.step_days or windows.test_days
    assert _cut(windows, days + 3)[: len(found)] == found
    for before, after in pairwise(found):
        assert after.test[0] - before.test[0] == timedelta(days=step)
        if windows.step_days is None:
            assert after.test[0] - before.test[-1] == timedelta(days=1)
    assert days - 1 - _numbers(found[-1].test)[-1] < step
    for index, window in enumerate(found):
        anchored = isinstance(windows, Anchored)
        assert len(window.train) == windows.train_days + (index * step if anchored else 0)
        assert _numbers(window.train)[0] == (0 if anchored else index * step)


@given(st.integers(1, 5), st.integers(0, 3), st.integers(0, 3), st.integers(0, 5))
def test_a_single_window_ends_with_the_study(train: int, test: int, gap: int, extra: int) -> None:
    """Its test is the last days; its training all before the gap, or as many as it says."""
    days = train + test + gap + extra
    rest = days - test - (gap if test else 0)
    (whole,) = _cut(Single(kind="single", test_days=test, gap_days=gap), days)
    assert _numbers(whole.train) == list(range(rest))
    assert _numbers(whole.test) == list(range(days - test, days))
    (short,) = _cut(Single(kind="single", train_days=train, test_days=test, gap_days=gap), days)
    assert _numbers(short.train) == list(range(rest - train, rest))
    assert short.test == whole.test


@pytest.mark.parametrize(
    ("windows", "days", "needed"),
    [
        (Rolling(kind="rolling", train_days=3, test_days=2, gap_days=1), 5, 6),
        (Anchored(kind="anchored", train_days=3, test_days=2), 4, 5),
        (Single(kind="single", test_days=2, gap_days=1), 3, 4),
        (Single(kind="single", train_days=4), 3, 4),
    ],
)
def test_too_few_days_say_how_many_it_takes(
    windows: Single | Rolling | Anchored, days: int, needed: int
) -> None:
    """One day less than a window takes is refused with the number."""
    with pytest.raises(ValueError, match=f"takes {needed} days, but the study has {days}"):
        _cut(windows, days)
    assert _cut(windows, needed)
