"""Distances between parameters, and what stability and importance make of trials."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from arb_pipelines.optimize.importance import LEAST_TRIALS, importance
from arb_pipelines.optimize.stability import distance, drift, likeness, plateau
from tests.fakes.studies import MIXED, NUMBERS, sequence, settings, space

OVER = space(
    rate={"type": "float", "low": 0.01, "high": 100, "log": True},
    slots={"type": "int", "low": 0, "high": 10},
    mode={"type": "categorical", "choices": ["a", "b"]},
    scale={"type": "float", "low": 0, "high": 4, "when": {"mode": "b"}},
    fixed={"type": "int", "low": 7, "high": 7},
)


def test_distance_is_the_mean_move() -> None:
    """A quarter of the logarithm, half of the range, the same choice: 0.75 over three."""
    left = {"rate": 0.01, "slots": 0, "mode": "a", "fixed": 7}
    right = {"rate": 0.1, "slots": 5, "mode": "a", "fixed": 7}
    assert distance(OVER, left, right) == pytest.approx((0.25 + 0.5 + 0) / 3)


def test_a_parameter_of_one_side_only_has_moved_all_the_way() -> None:
    """Another mode, and a scale that only one of them has."""
    left = {"rate": 1.0, "slots": 5, "mode": "a", "fixed": 7}
    right = {"rate": 1.0, "slots": 5, "mode": "b", "scale": 1.0, "fixed": 7}
    assert distance(OVER, left, right) == pytest.approx((0 + 0 + 1 + 1) / 4)


@hypothesis_settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000))
def test_distance_is_a_distance(seed: int) -> None:
    """Symmetric, 0 to itself, never above 1."""
    one, other = sequence(space(**MIXED), settings("random"), 2, seed=seed)
    over = space(**MIXED)
    assert distance(over, one, one) == 0.0
    assert distance(over, one, other) == distance(over, other, one)
    assert 0.0 <= distance(over, one, other) <= 1.0


def test_drift_follows_the_windows_in_order() -> None:
    """Two moves: slots by 0.2 and back by 0.4, the rate not at all."""
    bests = [{"rate": 1.0, "slots": slots, "mode": "a", "fixed": 7} for slots in (2, 4, 0)]
    found = drift(OVER, bests)
    assert found is not None
    assert found.by_parameter == pytest.approx({"mode": 0, "rate": 0, "slots": 0.3})
    assert found.overall == pytest.approx(0.3 / 3)
    assert drift(OVER, bests[:1]) is None


def test_likeness_of_draws_and_of_one_and_the_same() -> None:
    """Numbers drawn at random are a third apart on average; equals are not."""
    drawn = sequence(space(**NUMBERS), settings("random"), 80)
    assert likeness(space(**NUMBERS), drawn) == pytest.approx(2 / 3, abs=0.03)
    assert likeness(space(**NUMBERS), [drawn[0]] * 3) == 1.0
    assert likeness(space(**NUMBERS), drawn[:1]) is None


def test_a_plateau_is_told_from_a_needle() -> None:
    """Around the best either all are nearly as good, or it stands alone."""
    line = space(x={"type": "int", "low": 0, "high": 20})
    sets = [{"x": x} for x in range(21)]
    hill = [1.0 - (x != 10) / 100 if abs(x - 10) < 3 else 0.0 for x in range(21)]
    needle = [1.0 if x == 10 else 0.0 for x in range(21)]
    assert plateau(line, sets, hill, nearest=4) == pytest.approx(0.99)
    assert plateau(line, sets, needle, nearest=4) == 0.0
    assert plateau(line, sets, [5.0] * 21, nearest=4) == 1.0
    assert plateau(line, sets[:4], hill[:4], nearest=4) is None


def test_a_slope_keeps_part_of_its_lead() -> None:
    """Best 10, median 5, neighbours 9 and 8: 3.5 of 5."""
    line = space(x={"type": "int", "low": 0, "high": 10})
    sets, gains = [{"x": x} for x in range(11)], [float(x) for x in range(11)]
    assert plateau(line, sets, gains, nearest=2) == pytest.approx((8.5 - 5) / 5)


def test_importance_finds_what_the_gain_hangs_on() -> None:
    """One parameter decides; one with a single value has no share; the shares are all."""
    over = space(**MIXED, fixed={"type": "float", "low": 2, "high": 2})
    drawn = sequence(over, settings("random"), 200)
    found = importance(over, drawn, [-(float(params["width"]) ** 2) for params in drawn])
    assert found is not None
    assert list(found) == list(over.root)
    assert max(found, key=lambda name: found[name]) == "width"
    assert found["width"] > 0.5
    assert found["fixed"] == 0.0
    assert sum(found.values()) == pytest.approx(1.0)


def test_importance_sees_choices_and_what_hangs_on_them() -> None:
    """Where the mode decides it leads, though its choices are of mixed types."""
    over = space(**MIXED)
    drawn = sequence(over, settings("random"), 200)
    rng = np.random.default_rng(0)
    gains = [float(params["mode"] is True) + 0.1 * rng.random() for params in drawn]
    found = importance(over, drawn, gains)
    assert found is not None
    assert max(found, key=lambda name: found[name]) in ("mode", "steps")  # steps comes with it


def test_importance_says_nothing_of_nothing() -> None:
    """Too few trials, or all equally good: none, rather than equal shares."""
    over = space(**NUMBERS)
    drawn = sequence(over, settings("random"), 60)
    assert importance(over, drawn[: LEAST_TRIALS - 1], [1.0] * (LEAST_TRIALS - 1)) is None
    assert importance(over, drawn, [0.0] * 60) is None
