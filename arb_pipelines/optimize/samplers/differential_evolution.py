"""SciPy's differential evolution, driven by asks and tells.

SciPy calls an objective with a whole generation at a time. To stop it there, the
objective answers the generations whose results are told and breaks off at the
first that is not: that one is asked next. Each generation replays the ones before
from the same seed, which costs SciPy's own arithmetic and no trial; nothing of
SciPy's state has to be kept, and a continued study is the same by construction.

Source: Storn and Price, "Differential evolution", Journal of Global Optimization 11, 1997.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import differential_evolution
from scipy.stats.qmc import LatinHypercube

from arb_pipelines.optimize.parameters import Categorical, Float, Int, Value
from arb_pipelines.optimize.ranking import with_constraints
from arb_pipelines.optimize.samplers.ordered import OrderedSampler, Told
from arb_pipelines.optimize.samplers.settings import DifferentialEvolution
from arb_pipelines.optimize.spaces import Space

Axis = Float | Int
Points = npt.NDArray[np.float64]


class _GenerationWanted(Exception):
    def __init__(self, points: Points) -> None:
        self.points = points


class DifferentialEvolutionSampler(OrderedSampler):
    """Strategy best1bin with a new scale a generation, from a Latin hypercube.

    Stepped and whole numbers are searched as the index of their value with SciPy's
    ``integrality``; other ones, and whole numbers with a logarithm, by their position
    between low and high. It never counts as converged: a study has the trials it asks for.
    """

    def __init__(self, space: Space, settings: DifferentialEvolution, seed: int) -> None:
        super().__init__()
        self._axes: dict[str, Axis] = {
            name: p for name, p in space.root.items() if not isinstance(p, Categorical)
        }
        self._settings = settings
        self._energies: list[float] = []
        self._generation: list[dict[str, Value]] = []
        first, self._rng_seed = np.random.SeedSequence(seed).spawn(2)
        unit = LatinHypercube(len(self._axes), rng=np.random.default_rng(first))
        bounds = [_bounds(axis) for axis in self._axes.values()]
        low, high = np.array(bounds, dtype=np.float64).T
        self._bounds = bounds
        self._first = low + unit.random(settings.population) * (high - low)

    def told_before(self, number: int) -> int:
        """Say that every trial of the generations before must be told."""
        return number - number % self._settings.population

    def choose(self, number: int) -> dict[str, Value]:
        """Take the next of the generation, having made a new one if it is the first."""
        member = number % self._settings.population
        if member == 0:
            self._generation = [self._params(point) for point in self._next_generation().T]
        return self._generation[member]

    def learn(self, result: Told) -> None:
        """Keep the result as an energy, less is better; pruned and failed trials never win."""
        if result.gains is None:
            self._energies.append(math.inf)
        else:
            self._energies.append(-with_constraints(result.gains[0], result.violations))

    def _next_generation(self) -> Points:
        told = np.array(self._energies).reshape(-1, self._settings.population)
        answers = iter(told)

        def energies(points: Points) -> Points:
            answer: Points | None = next(answers, None)
            if answer is None:
                raise _GenerationWanted(points.copy())
            return answer

        try:
            differential_evolution(
                energies,
                self._bounds,
                init=self._first,
                mutation=(self._settings.mutation_low, self._settings.mutation_high),
                recombination=self._settings.recombination,
                rng=np.random.default_rng(self._rng_seed),
                integrality=[_by_cell(axis) for axis in self._axes.values()],
                vectorized=True,
                updating="deferred",
                polish=False,
                maxiter=len(told) + 1,
                tol=0,
                atol=-1,
            )
        except _GenerationWanted as wanted:
            return wanted.points
        raise AssertionError("the solver ended before it asked for a new generation")

    def _params(self, point: Points) -> dict[str, Value]:
        return {
            name: axis.cell(round(x)) if _by_cell(axis) else axis.value_at(x)
            for (name, axis), x in zip(self._axes.items(), point.tolist(), strict=True)
        }


def _by_cell(axis: Axis) -> bool:
    return axis.cells is not None and not axis.log


def _bounds(axis: Axis) -> tuple[float, float]:
    return (0.0, float((axis.cells or 1) - 1)) if _by_cell(axis) else (0.0, 1.0)
