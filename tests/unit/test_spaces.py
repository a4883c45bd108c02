"""Spaces: bounds, steps, conditions, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from arb_pipelines.optimize.parameters import Categorical, Float, Int, same
from tests.fakes.studies import MIXED, space


def _float(**options: object) -> Float:
    return Float.model_validate({"type": "float", **options})


def test_steps_are_decimal() -> None:
    """Three steps of 0.1 are 0.3, not the nearest sum of binary fractions."""
    share = _float(low=0.0, high=0.35, step=0.1)
    assert [share.cell(index) for index in range(share.cells or 0)] == [0.0, 0.1, 0.2, 0.3]
    assert share.holds(0.3)
    assert not share.holds(0.25)
    assert not share.holds(0.35)


def test_a_logarithm_has_its_middle_at_the_geometric_mean() -> None:
    """Half-way between 0.01 and 100 by logarithm is 1."""
    rate = _float(low=0.01, high=100, log=True)
    assert rate.value_at(0.5) == pytest.approx(1.0)
    assert rate.position(1.0) == pytest.approx(0.5)
    assert (rate.value_at(0.0), rate.value_at(1.0)) == pytest.approx((0.01, 100.0))
    wide = _float(low=1e-300, high=1e300, log=True)
    assert wide.value_at(0.5) == pytest.approx(1.0)
    assert wide.position(1.0) == pytest.approx(0.5)


def test_every_whole_number_has_its_share_of_the_axis() -> None:
    """Three values take a third each, both ends included."""
    slots = Int.model_validate({"type": "int", "low": 1, "high": 3})
    assert [slots.value_at(p) for p in (0.0, 0.33, 0.34, 0.66, 0.67, 1.0)] == [1, 1, 2, 2, 3, 3]


def test_true_is_not_one() -> None:
    """Choices are told apart by type, as Python's equality does not."""
    mode = Categorical.model_validate({"type": "categorical", "choices": [True, 1, 1.0]})
    assert [type(mode.cell(i)) for i in range(3)] == [bool, int, float]
    assert not same(1, True)
    assert not mode.holds("1")


def test_order_is_by_name_with_parents_first() -> None:
    """Whatever the file's order: next comes the first name whose parents are there."""
    expected = ["mode", "rate", "scale", "share", "slots", "steps", "decay", "width", "window"]
    assert list(space(**MIXED).root) == expected
    assert list(space(**dict(reversed(MIXED.items()))).root) == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"a": {"type": "float", "low": 2, "high": 1}}, "low is greater than high"),
        ({"a": {"type": "float", "low": 0, "high": 1, "log": True}}, "low must be above 0"),
        ({"a": {"type": "int", "low": 1, "high": 9, "log": True, "step": 2}}, "log or step"),
        ({"a": {"type": "float", "low": 0, "high": float("inf")}}, "finite"),
        ({"a": {"type": "int", "low": 1, "high": 2.5}}, "valid integer"),
        ({"a": {"type": "categorical", "choices": []}}, "at least 1 item"),
        ({"a": {"type": "categorical", "choices": ["x", "y", "x"]}}, "'x' is given twice"),
        ({"a": {"type": "categorical", "choices": [float("nan")]}}, "not a finite number"),
        ({"a": {"type": "float", "low": 0, "high": 1, "whne": {}}}, "Extra inputs"),
        ({}, "at least 1 item"),
        (
            {"a": {"type": "float", "low": 0, "high": 1, "when": {"b": 1}}},
            "when names 'b', which is not a parameter",
        ),
        (
            {
                "a": {"type": "int", "low": 0, "high": 1, "when": {"b": 1}},
                "b": {"type": "int", "low": 0, "high": 1, "when": {"a": 1}},
            },
            "in a circle among a, b",
        ),
        ({"a": {"type": "int", "low": 0, "high": 1, "when": {"a": 1}}}, "in a circle among a"),
        (
            {
                "a": {"type": "int", "low": 0, "high": 1, "when": {"b": "z"}},
                "b": {"type": "categorical", "choices": ["x", "y"]},
            },
            "b is never 'z'",
        ),
        (
            {
                "a": {"type": "int", "low": 0, "high": 1, "when": {"b": 0.5}},
                "b": {"type": "float", "low": 0, "high": 1},
            },
            "a float cannot be asked for",
        ),
    ],
)
def test_refuses_a_space_that_makes_no_sense(
    changes: dict[str, dict[str, object]], words: str
) -> None:
    """Each mistake is named in the message."""
    with pytest.raises(ValidationError, match=words):
        space(**changes)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"mode": "x"}, "lacks n"),
        ({"mode": "y", "n": 1}, "should not have n"),
        ({"mode": "x", "n": 4}, "n cannot be 4"),
        ({"mode": "y", "z": 4}, "no parameter is named 'z'"),
    ],
)
def test_refuses_values_no_sampler_chooses(params: dict[str, int | str], words: str) -> None:
    """A value out of bounds, a missing and a superfluous one are each found."""
    small = space(
        mode={"type": "categorical", "choices": ["x", "y"]},
        n={"type": "int", "low": 1, "high": 3, "when": {"mode": "x"}},
    )
    small.check({"mode": "x", "n": 3})
    small.check({"mode": "y"})
    with pytest.raises(ValueError, match=words):
        small.check(params)
