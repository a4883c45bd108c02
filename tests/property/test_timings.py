"""Percentiles from a histogram of fixed memory, against those of the sorted values."""

from __future__ import annotations

import math
import sys

from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.execution.records.timings import PRECISION, Histogram, Stage, Timings

durations = st.lists(
    st.one_of(st.integers(0, 200), st.integers(0, 10**6), st.integers(0, 2**40 - 1)), min_size=1
)


@given(values=durations, share=st.floats(0.0, 1.0))
def test_a_percentile_is_right_to_within_the_precision(values: list[int], share: float) -> None:
    """It is never below the value that so many do not exceed, and hardly above."""
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    (found,) = histogram.percentiles_ns(share)
    true = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    assert true <= found <= true * (1 + PRECISION)
    spread = histogram.spread()
    assert spread.count == len(values)
    assert spread.max_us == max(values) / 1e3
    assert spread.p50_us <= spread.p99_us <= spread.max_us


@given(value=st.integers(-(2**40), -1) | st.integers(2**40, 2**62))
def test_what_lies_outside_is_counted_at_the_end_it_lies_on(value: int) -> None:
    """A clock that was set back makes no time below 0, and an age is the longest there is."""
    histogram = Histogram()
    histogram.add(value)
    assert histogram.spread().max_us == max(value, 0) / 1e3
    (found,) = histogram.percentiles_ns(0.5)
    assert found == (0 if value < 0 else 2**40 - 1)


def test_memory_does_not_grow_with_what_is_counted() -> None:
    """A session of half an hour at 50 signals a second holds what it held at its start."""
    histogram = Histogram()

    def held() -> int:
        return sys.getsizeof(histogram._buckets) + sum(map(sys.getsizeof, histogram._buckets))

    before = held()
    for value in range(90_000):
        histogram.add(value * 1_000)
    assert held() <= before + 28 * len(histogram._buckets)  # a count beyond 256 is an object


def test_a_stage_without_both_moments_is_not_counted() -> None:
    """What the venue does not tell makes no zero."""
    timings = Timings()
    timings.add(Stage.BOOK, None, 5)
    timings.add(Stage.ANSWER, 5, None)
    timings.add(Stage.CYCLE, 1_000, 4_000)
    assert list(timings.spreads()) == [Stage.CYCLE]
    assert timings.spreads()[Stage.CYCLE].max_us == 3.0
