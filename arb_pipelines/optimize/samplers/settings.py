"""What a study file may say about its sampler, one model a kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Grid(_Settings):
    """Every combination, in the order of ``samplers.grid``; conditional parameters allowed."""

    kind: Literal["grid"]
    points: int = Field(
        5,
        ge=2,
        description="Values of a number without a step: evenly spaced from low to high, "
        "geometrically where log is true. A whole number has no more than there are.",
    )


class Random(_Settings):
    """Independent draws, uniform along each parameter's axis."""

    kind: Literal["random"]


class Tpe(_Settings):
    """Optuna's multivariate tree-structured Parzen estimator; one or several objectives."""

    kind: Literal["tpe"]
    startup_trials: int = Field(
        10, ge=1, description="Trials told before the model is used; those before are random."
    )
    candidates: int = Field(24, ge=1, description="Draws a trial, of which the best is taken.")


class CmaEs(_Settings):
    """Optuna's CMA-ES: numbers that always exist, one objective.

    It knows no constraints: a trial that breaks one is told as worse than any that
    does not, the more the worse.
    """

    kind: Literal["cmaes"]
    startup_trials: int = Field(
        1, ge=1, description="Trials told before the model is used; those before are random."
    )
    population: int | None = Field(
        None, ge=4, description="Trials a generation; 4 + floor(3 ln(parameters)) if unset."
    )


class NsgaII(_Settings):
    """Optuna's NSGA-II for several objectives, with constraints."""

    kind: Literal["nsga2"]
    population: int = Field(20, ge=4, description="Trials a generation.")


class DifferentialEvolution(_Settings):
    """SciPy's differential evolution: numbers that always exist, one objective.

    All of a generation is asked before any of it is told, so a generation is a
    barrier of the method: ``look_back`` does not apply.
    """

    kind: Literal["differential_evolution"]
    population: int = Field(20, ge=5, description="Trials a generation.")
    mutation_low: float = Field(0.5, ge=0, lt=2, description="Least scale of a difference.")
    mutation_high: float = Field(
        1.0, ge=0, lt=2, description="Greatest scale of a difference; drawn anew a generation."
    )
    recombination: float = Field(
        0.7, ge=0, le=1, description="Probability that a parameter is taken from the mutant."
    )


SamplerSettings = Annotated[
    Grid | Random | Tpe | CmaEs | NsgaII | DifferentialEvolution, Field(discriminator="kind")
]
