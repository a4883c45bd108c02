"""Which parameters a study's result hangs on.

PED-ANOVA asks, for each parameter, how differently its values are spread among the
best tenth of the trials than among all. It needs no regression forest, and it knows
conditional parameters. It says where the good trials lie, not how much money a
parameter is worth, and nothing about how parameters act together.

Source: Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter
Importance in Arbitrary Subspaces", IJCAI 2023, as Optuna has it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from arb_pipelines.optimize.memory_study import maximising_study
from arb_pipelines.optimize.parameters import Categorical, Int, Parameter, Value, same
from arb_pipelines.optimize.spaces import Space

#: With fewer complete trials the best tenth is fewer than two, and says nothing.
LEAST_TRIALS = 20


def importance(
    space: Space, sets: Sequence[Mapping[str, Value]], gains: Sequence[float]
) -> dict[str, float] | None:
    """Give each parameter's share of the importance of all, in the space's order; the sum is 1.

    A parameter with a single value has none. None for fewer than ``LEAST_TRIALS``
    complete trials, or if as many as all share the best gain: nothing hangs on anything.
    """
    if len(sets) < LEAST_TRIALS:
        return None
    study = maximising_study(1)
    for params, gain in zip(sets, gains, strict=True):
        study.add_trial(
            optuna.trial.create_trial(
                value=gain,
                params={n: _encoded(space.root[n], value) for n, value in params.items()},
                distributions={n: _distribution(space.root[n]) for n in params},
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of rare conditions: they count as 0
        found = optuna.importance.PedAnovaImportanceEvaluator().evaluate(study)
    total = math.fsum(found.values())
    if total <= 0:
        return None
    return {name: found.get(name, 0.0) / total for name in space.root}


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Categorical):
        return CategoricalDistribution(range(parameter.cells))
    if isinstance(parameter, Int):
        return IntDistribution(parameter.low, parameter.high, log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _encoded(parameter: Parameter, value: Value) -> Value:
    if not isinstance(parameter, Categorical):
        return value
    return next(i for i, choice in enumerate(parameter.choices) if same(choice, value))
