"""Optuna's samplers behind ours: TPE, CMA-ES, NSGA-II.

Optuna keeps its trials in memory here. Each of our trials is one of its, asked and
told in our order, so that what it draws is a function of seed and results.
Stepped numbers and choices reach it as the index of a cell: no rounding of its own,
and no confusion of 1 with true.
"""

from __future__ import annotations

import optuna

from arb_pipelines.optimize.memory_study import maximising_study, quiet
from arb_pipelines.optimize.parameters import Categorical, Int, Parameter, Value
from arb_pipelines.optimize.ranking import with_constraints
from arb_pipelines.optimize.samplers.ordered import OrderedSampler, Told
from arb_pipelines.optimize.samplers.settings import CmaEs, NsgaII, Tpe
from arb_pipelines.optimize.spaces import Space


class OptunaSampler(OrderedSampler):
    """One of Optuna's samplers with a fixed look-back: never waits for a generation."""

    def __init__(
        self,
        space: Space,
        settings: Tpe | CmaEs | NsgaII,
        *,
        seed: int,
        look_back: int,
        objectives: int,
    ) -> None:
        super().__init__()
        self._space, self._look_back = space, look_back
        self._settings = settings
        self._open: dict[int, optuna.Trial] = {}
        with quiet():  # group=True is marked experimental; it is what makes conditions work
            sampler = _sampler_of(settings, space, seed)
        self._study = maximising_study(objectives, sampler)

    def told_before(self, number: int) -> int:
        """Say that trial ``k`` sees results up to ``k - look_back``."""
        return max(0, number - self._look_back + 1)

    def choose(self, number: int) -> dict[str, Value]:
        """Ask Optuna for the parameters that exist, parents first."""
        trial = self._open[number] = self._study.ask()
        chosen: dict[str, Value] = {}
        for name, parameter in self._space.root.items():
            if parameter.exists(chosen):
                chosen[name] = _suggest(trial, name, parameter)
        return chosen

    def learn(self, result: Told) -> None:
        """Tell Optuna one result; a failed trial counts as a pruned one, worse than complete."""
        trial = self._open.pop(result.number)
        gains = result.gains
        if isinstance(self._settings, CmaEs):
            # it knows no constraints, and of a gain just its place among others
            gains = gains and (with_constraints(gains[0], result.violations),)
        else:
            for index, violation in enumerate(result.violations):
                trial.set_constraint(str(index), violation)
        if gains is None:
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            self._study.tell(trial, gains)


def _sampler_of(
    settings: Tpe | CmaEs | NsgaII, space: Space, seed: int
) -> optuna.samplers.BaseSampler:
    match settings:
        case Tpe():
            return optuna.samplers.TPESampler(
                seed=seed,
                n_startup_trials=settings.startup_trials,
                n_ei_candidates=settings.candidates,
                multivariate=True,
                group=space.conditional,
            )
        case CmaEs():
            return optuna.samplers.CmaEsSampler(
                seed=seed,
                n_startup_trials=settings.startup_trials,
                popsize=settings.population,
                warn_independent_sampling=False,
            )
        case NsgaII():
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=settings.population)


def _suggest(trial: optuna.Trial, name: str, parameter: Parameter) -> Value:
    if isinstance(parameter, Categorical):
        return parameter.cell(trial.suggest_categorical(name, range(parameter.cells)))
    if isinstance(parameter, Int) and parameter.log:
        return trial.suggest_int(name, parameter.low, parameter.high, log=True)
    if parameter.cells is not None:
        return parameter.cell(trial.suggest_int(name, 0, parameter.cells - 1))
    return trial.suggest_float(name, parameter.low, parameter.high, log=parameter.log)
