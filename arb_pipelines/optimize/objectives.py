"""What a study wants: objectives to be made large (or small), constraints to be kept.

How a metric is computed belongs to ``scores``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from arb_pipelines.errors import DataError
from arb_pipelines.optimize.scores import check_metric


class _Metric(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(
        description="A metric of docs/optimisation.md, or measure:<name> for one of the target's."
    )

    @field_validator("metric", mode="after")
    @classmethod
    def _known(cls, metric: str) -> str:
        check_metric(metric)
        return metric


class Objective(_Metric):
    """A metric and which way it should go. A bare metric is maximised."""

    direction: Literal["maximise", "minimise"] = Field(
        "maximise", description="Samplers always maximise: of one to minimise, the negative."
    )


class Constraint(_Metric):
    """Bounds of a metric; a trial outside of them is infeasible and never the best."""

    at_least: float | None = Field(
        None, allow_inf_nan=False, description="Least value allowed, in the metric's unit."
    )
    at_most: float | None = Field(
        None, allow_inf_nan=False, description="Greatest value allowed, in the metric's unit."
    )

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is greater than at_most")
        return self

    def violation(self, value: float) -> float:
        """Say by how much ``value`` is out of bounds, in the metric's unit; 0 or less within."""
        below = -math.inf if self.at_least is None else self.at_least - value
        above = -math.inf if self.at_most is None else value - self.at_most
        return max(below, above)


def _bare_metric(value: Any) -> Any:
    return {"metric": value} if isinstance(value, str) else value


Objectives = Annotated[
    tuple[Annotated[Objective, BeforeValidator(_bare_metric)], ...], Field(min_length=1)
]


def values_of(objectives: Sequence[Objective], metrics: Mapping[str, float]) -> tuple[float, ...]:
    """Give a trial's values, one an objective, each in its metric's unit.

    Raises:
        DataError: the target reports no such measure, or the value is not finite.
    """
    return tuple(_finite(metrics, objective.metric) for objective in objectives)


def gains_of(objectives: Sequence[Objective], values: Sequence[float]) -> tuple[float, ...]:
    """Turn values into what samplers maximise: the negative where less is better."""
    return tuple(
        value if objective.direction == "maximise" else -value
        for objective, value in zip(objectives, values, strict=True)
    )


def violations_of(
    constraints: Sequence[Constraint], metrics: Mapping[str, float]
) -> tuple[float, ...]:
    """Say by how much each constraint is broken, in its metric's unit; 0 or less if kept.

    Raises:
        DataError: the target reports no such measure, or the value is not finite.
    """
    return tuple(c.violation(_finite(metrics, c.metric)) for c in constraints)


def feasible(violations: Sequence[float]) -> bool:
    """Tell whether every constraint is kept."""
    return all(violation <= 0 for violation in violations)


def _finite(metrics: Mapping[str, float], metric: str) -> float:
    if metric not in metrics:
        known = ", ".join(sorted(metrics))
        raise DataError(f"the target reports no {metric}; it reports {known}")
    value = metrics[metric]
    if not math.isfinite(value):
        raise DataError(f"{metric} is {value}, which cannot be compared")
    return value
