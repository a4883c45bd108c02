"""The kinds of parameters a search chooses: numbers and choices, their bounds and conditions.

How they make up a space belongs to ``spaces``, how values are chosen to ``samplers``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

Value: TypeAlias = float | int | str | bool
Choice = StrictBool | StrictInt | StrictFloat | StrictStr
Finite = Annotated[float, Field(allow_inf_nan=False)]
#: Up to here a float counts every whole number.
_MOST_CELLS = 2**53
_Whole = Annotated[StrictInt, Field(ge=-_MOST_CELLS // 2, le=_MOST_CELLS // 2)]
Conditions = dict[str, Choice | Annotated[tuple[Choice, ...], Field(min_length=1)]]


class _Parameter(BaseModel):
    """What every kind of parameter may say; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Conditions = Field(
        {},
        description="Other parameters and the value, or list of values, of each with which this "
        "one exists; without it, it always does.",
    )

    def exists(self, params: Mapping[str, Value]) -> bool:
        """Tell whether this parameter exists beside the values chosen so far."""
        return all(
            name in params and any(same(params[name], value) for value in listed(values))
            for name, values in self.when.items()
        )


class Float(_Parameter):
    """A real number in ``[low, high]``."""

    type: Literal["float"]
    low: Finite = Field(description="Least value, in the parameter's own unit.")
    high: Finite = Field(description="Greatest value, in the parameter's own unit.")
    log: bool = Field(False, description="Search the logarithm; low must be above 0.")
    step: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Only low, low + step, … up to high; any value if unset.",
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        _check_bounds(self.low, self.high, self.log, self.step)
        return self

    @property
    def single(self) -> bool:
        """Whether there is one value only."""
        return self.cells == 1 or self.low == self.high

    @property
    def cells(self) -> int | None:
        """Number of values there are; none if they are continuous."""
        if self.step is None:
            return None
        return int((_exact(self.high) - _exact(self.low)) // _exact(self.step)) + 1

    def cell(self, index: int) -> float:
        """Give the value of a step, in decimal arithmetic: 0.1 and two of 0.1 is 0.3."""
        return float(_exact(self.low) + index * _exact(self.step or 0.0))

    def value_at(self, position: float) -> float:
        """Give the value at a position in ``[0, 1]`` along the axis that is searched."""
        if self.cells is not None:
            return self.cell(_cell_of(position, self.cells))
        if self.log:
            value = _along_logarithm(self.low, self.high, position)
        else:
            value = self.low + position * (self.high - self.low)
        return min(max(value, self.low), self.high)

    def position(self, value: float) -> float:
        """Give the place of a value between ``low`` (0) and ``high`` (1); 0 if they are one."""
        return _position(value, self.low, self.high, self.log)

    def holds(self, value: Value) -> bool:
        """Tell whether the parameter may be ``value``."""
        if isinstance(value, bool | str) or not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        return value == self.cell(round((value - self.low) / self.step))


class Int(_Parameter):
    """A whole number in ``[low, high]``."""

    type: Literal["int"]
    low: _Whole = Field(description="Least value, in the parameter's own unit.")
    high: _Whole = Field(description="Greatest value, in the parameter's own unit.")
    log: bool = Field(False, description="Search the logarithm; low must be above 0.")
    step: StrictInt | None = Field(
        None, ge=1, description="Only low, low + step, … up to high; any whole number if unset."
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        _check_bounds(self.low, self.high, self.log, self.step)
        return self

    @property
    def single(self) -> bool:
        """Whether there is one value only."""
        return self.cells == 1

    @property
    def cells(self) -> int:
        """Number of values there are."""
        return (self.high - self.low) // (self.step or 1) + 1

    def cell(self, index: int) -> int:
        """Give the value of a step."""
        return self.low + index * (self.step or 1)

    def value_at(self, position: float) -> int:
        """Give the value at a position in ``[0, 1]`` along the axis that is searched."""
        if not self.log:
            return self.cell(_cell_of(position, self.cells))
        # each value reaches half-way to its neighbours, the outer ones too
        low, high = self.low - 0.5, self.high + 0.5
        value = round(_along_logarithm(low, high, position))
        return min(max(value, self.low), self.high)

    def position(self, value: float) -> float:
        """Give the place of a value between ``low`` (0) and ``high`` (1); 0 if they are one."""
        return _position(value, self.low, self.high, self.log)

    def holds(self, value: Value) -> bool:
        """Tell whether the parameter may be ``value``."""
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.low <= value <= self.high and (value - self.low) % (self.step or 1) == 0


class Categorical(_Parameter):
    """One of several values without an order."""

    type: Literal["categorical"]
    choices: tuple[Choice, ...] = Field(min_length=1, description="Values, each once.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for index, choice in enumerate(self.choices):
            if isinstance(choice, float) and not math.isfinite(choice):
                raise ValueError(f"choice {choice} is not a finite number")
            if any(same(choice, earlier) for earlier in self.choices[:index]):
                raise ValueError(f"choice {choice!r} is given twice")
        return self

    @property
    def single(self) -> bool:
        """Whether there is one value only."""
        return self.cells == 1

    @property
    def cells(self) -> int:
        """Number of choices."""
        return len(self.choices)

    def cell(self, index: int) -> Value:
        """Give a choice by its place in the file."""
        return self.choices[index]

    def value_at(self, position: float) -> Value:
        """Give the choice at a position in ``[0, 1]``: all are equally wide."""
        return self.choices[_cell_of(position, self.cells)]

    def holds(self, value: Value) -> bool:
        """Tell whether the parameter may be ``value``."""
        return any(same(value, choice) for choice in self.choices)


Parameter = Annotated[Float | Int | Categorical, Field(discriminator="type")]


def same(left: Value, right: Value) -> bool:
    """Tell whether two values are one: unlike ``==``, true is not 1 and 1 is not 1.0."""
    return type(left) is type(right) and left == right


def listed(values: Choice | tuple[Choice, ...]) -> tuple[Choice, ...]:
    """Give the values of a condition, also of one that names a single value."""
    return values if isinstance(values, tuple) else (values,)


def _check_bounds(low: float, high: float, log: bool, step: float | None) -> None:
    if low > high:
        raise ValueError("low is greater than high")
    if log and low <= 0:
        raise ValueError("low must be above 0 where log is true")
    if log and step is not None:
        raise ValueError("give log or step, not both")
    if not math.isfinite(high - low) or (step is not None and (high - low) / step > _MOST_CELLS):
        raise ValueError("high and low are too far apart")


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))


def _cell_of(position: float, cells: int) -> int:
    return min(int(position * cells), cells - 1)


def _along_logarithm(low: float, high: float, position: float) -> float:
    return math.exp((1.0 - position) * math.log(low) + position * math.log(high))


def _position(value: float, low: float, high: float, log: bool) -> float:
    if low == high:
        return 0.0
    if log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)
