"""From a sampler's settings to the sampler."""

from __future__ import annotations

from arb_pipelines.interrupts import undisturbed
from arb_pipelines.optimize.parameters import Categorical
from arb_pipelines.optimize.samplers.base import Sampler
from arb_pipelines.optimize.samplers.grid import GridSampler
from arb_pipelines.optimize.samplers.random import RandomSampler
from arb_pipelines.optimize.samplers.settings import (
    CmaEs,
    DifferentialEvolution,
    Grid,
    NsgaII,
    Random,
    SamplerSettings,
    Tpe,
)
from arb_pipelines.optimize.spaces import Space


def check_sampler(space: Space, settings: SamplerSettings, *, objectives: int) -> None:
    """Refuse a sampler that cannot search this space for these objectives.

    Raises:
        ValueError: it cannot; the message says what could.
    """
    if objectives > 1 and isinstance(settings, CmaEs | DifferentialEvolution):
        raise ValueError(f"sampler {settings.kind} takes one objective; use nsga2, tpe or random")
    if isinstance(settings, CmaEs | DifferentialEvolution):
        for name, parameter in space.root.items():
            if isinstance(parameter, Categorical) or parameter.when:
                what = "conditional" if parameter.when else "categorical"
                raise ValueError(
                    f"sampler {settings.kind} takes numbers that always exist, and {name} is "
                    f"{what}; use tpe, nsga2 or random"
                )


def open_sampler(
    space: Space, settings: SamplerSettings, *, seed: int, look_back: int, objectives: int
) -> Sampler:
    """Make the sampler that ``settings`` name; equal arguments give equal sequences."""
    match settings:
        case Grid():
            return GridSampler(space, settings.points)
        case Random():
            return RandomSampler(space, seed)
        case Tpe() | CmaEs() | NsgaII():
            # Optuna and SciPy take most of a second to import, and most commands need neither
            with undisturbed():
                from arb_pipelines.optimize.samplers.optuna import OptunaSampler

            return OptunaSampler(
                space, settings, seed=seed, look_back=look_back, objectives=objectives
            )
        case DifferentialEvolution():
            with undisturbed():
                from arb_pipelines.optimize.samplers.differential_evolution import (
                    DifferentialEvolutionSampler,
                )

            return DifferentialEvolutionSampler(space, settings, seed)
