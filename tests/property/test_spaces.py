"""Parameters along their axis: every position is a value, and every value has its position."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from arb_pipelines.optimize.parameters import Float, Int

bounds = st.tuples(
    st.floats(-1e6, 1e6, allow_subnormal=False), st.floats(-1e6, 1e6, allow_subnormal=False)
).map(sorted)
positive = st.tuples(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6)).map(sorted)
position = st.floats(0, 1)


@given(bounds, position, position)
def test_an_even_axis_rises_within_its_bounds(
    ends: list[float], first: float, second: float
) -> None:
    """Farther along is never less, and no value is out of bounds."""
    axis = Float(type="float", low=ends[0], high=ends[1])
    near, far = sorted([first, second])
    assert axis.holds(axis.value_at(near))
    assert axis.value_at(near) <= axis.value_at(far)
    assert axis.value_at(0.0) == ends[0]
    assert axis.value_at(1.0) == pytest.approx(ends[1])


@given(positive, position)
def test_a_logarithmic_axis_goes_back_and_forth(ends: list[float], along: float) -> None:
    """The position of the value at a position is that position."""
    axis = Float(type="float", low=ends[0], high=ends[1], log=True)
    value = axis.value_at(along)
    assert axis.holds(value)
    if ends[1] > ends[0] * (1 + 1e-6):
        assert axis.position(value) == pytest.approx(along, abs=1e-6)


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 7), position)
def test_whole_numbers_keep_to_their_steps(low: int, width: int, step: int, along: float) -> None:
    """Every cell is in bounds, the next one would not be, and each has its share of the axis."""
    axis = Int(type="int", low=low, high=low + width, step=step)
    values = [axis.cell(index) for index in range(axis.cells)]
    assert values == list(range(low, low + width + 1, step))
    assert axis.value_at(along) == values[min(math.floor(along * len(values)), len(values) - 1)]
    assert all(axis.holds(value) for value in values)


@given(st.integers(1, 500), st.integers(0, 500), position)
def test_whole_numbers_by_logarithm_reach_both_ends(low: int, width: int, along: float) -> None:
    """The ends of the axis are the ends of the range, and all between is within."""
    axis = Int(type="int", low=low, high=low + width, log=True)
    assert (axis.value_at(0.0), axis.value_at(1.0)) == (low, low + width)
    assert axis.holds(axis.value_at(along))


@given(st.integers(-30, 30), st.integers(0, 40), st.integers(1, 30), position)
def test_decimal_steps_are_as_a_person_writes_them(
    low: int, width: int, step: int, along: float
) -> None:
    """In hundredths: each value is the float nearest to its decimal, and is one the axis holds."""
    axis = Float(type="float", low=low / 100, high=(low + width) / 100, step=step / 100)
    expected = [float(f"{h / 100:.2f}") for h in range(low, low + width + 1, step)]
    assert [axis.cell(index) for index in range(axis.cells or 0)] == expected
    assert all(axis.holds(value) for value in expected)
    assert axis.value_at(along) in expected


@pytest.mark.parametrize(
    "content",
    [
        {"type": "float", "low": -1.7e308, "high": 1.7e308},
        {"type": "float", "low": 0, "high": 1, "step": 1e-300},
        {"type": "int", "low": 0, "high": 2**60},
    ],
)
def test_refuses_axes_that_no_float_counts(content: dict[str, object]) -> None:
    """A range or a number of steps beyond double precision is said to be too much."""
    model = Float if content["type"] == "float" else Int
    with pytest.raises(ValidationError, match=r"too far apart|less than or equal"):
        model.model_validate(content)
