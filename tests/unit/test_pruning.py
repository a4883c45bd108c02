"""The pruning rule: thresholds from earlier trials alone, and when they stop a trial."""

from __future__ import annotations

import statistics

from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.optimize.pruning import PruningRule, prune, thresholds_of

MEDIAN = PruningRule(after_trials=3, after_periods=1)
HISTORY = [(1.0, 2.0, 3.0), (2.0, 4.0, 6.0), (3.0, 6.0), (4.0,)]


def test_the_median_of_those_that_came_as_far() -> None:
    """Two trials reached the third day, which is fewer than three: it is not judged."""
    assert thresholds_of(MEDIAN, HISTORY, 3).least == (2.5, 4.0, None)


def test_a_trial_below_the_threshold_stops() -> None:
    """As good as the threshold goes on; after the last period there is nothing to stop."""
    assert prune(MEDIAN, HISTORY, [2.4], 3)
    assert not prune(MEDIAN, HISTORY, [2.5], 3)
    assert prune(MEDIAN, HISTORY, [9.0, 3.9], 3)
    assert not prune(MEDIAN, HISTORY, [9.0, 0.0], 2)
    assert not prune(MEDIAN, HISTORY, [], 3)


def test_early_trials_and_early_periods_are_not_judged() -> None:
    """Until enough trials are there, and enough periods are done, none stops."""
    assert not prune(MEDIAN, HISTORY[:2], [-100.0], 3)
    patient = PruningRule(after_trials=3, after_periods=2)
    assert not prune(patient, HISTORY, [-100.0], 3)
    assert prune(patient, HISTORY, [-100.0, -100.0], 3)


def test_a_low_percentile_stops_fewer() -> None:
    """A tenth as strict: only what is far below."""
    strict, mild = MEDIAN, PruningRule(percentile=10, after_trials=3)
    assert prune(strict, HISTORY, [2.0], 3)
    assert not prune(mild, HISTORY, [2.0], 3)


@given(
    st.lists(st.lists(st.integers(-5, 5).map(float), max_size=4), max_size=12),
    st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=4),
)
def test_the_median_rule_agrees_with_its_words(
    history: list[list[float]], gains: list[float]
) -> None:
    """Stop before the last period if below the median of at least three that came as far."""
    reached = [each[len(gains) - 1] for each in history if len(each) >= len(gains)]
    expected = len(gains) < 4 and len(reached) >= 3 and gains[-1] < statistics.median(reached)
    assert prune(MEDIAN, history, gains, 4) == expected
