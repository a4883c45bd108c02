"""Spaces, samplers and trials for tests of searches that measure nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from arb_pipelines.optimize.parameters import Value
from arb_pipelines.optimize.samplers.base import TrialState
from arb_pipelines.optimize.samplers.factory import open_sampler
from arb_pipelines.optimize.samplers.settings import SamplerSettings
from arb_pipelines.optimize.spaces import Space

NUMBERS = {
    "rate": {"type": "float", "low": 0.001, "high": 10.0, "log": True},
    "share": {"type": "float", "low": 0.0, "high": 1.0, "step": 0.1},
    "slots": {"type": "int", "low": 1, "high": 9},
    "window": {"type": "int", "low": 1, "high": 1000, "log": True},
    "width": {"type": "float", "low": -2.0, "high": 3.0},
}
MIXED = NUMBERS | {
    "mode": {"type": "categorical", "choices": ["fixed", "scaled", True, 1]},
    "scale": {"type": "float", "low": 0.5, "high": 2.0, "when": {"mode": "scaled"}},
    "steps": {"type": "int", "low": 2, "high": 4, "when": {"mode": [True, "scaled"]}},
    "decay": {"type": "float", "low": 0.0, "high": 1.0, "when": {"mode": "scaled", "steps": 3}},
}


def space(**parameters: Mapping[str, object]) -> Space:
    """Make a space of parameters by name."""
    return Space.model_validate(parameters)


def settings(kind: str, **options: object) -> SamplerSettings:
    """Make a sampler's settings."""
    checked: SamplerSettings = TypeAdapter(SamplerSettings).validate_python(
        {"kind": kind, **options}
    )
    return checked


@dataclass(frozen=True)
class Outcome:
    """What a trial comes to; ``values`` of an incomplete one are none."""

    gains: tuple[float, ...] | None
    state: TrialState = TrialState.COMPLETE
    violations: tuple[float, ...] = ()


def bowl(params: Mapping[str, Value], objectives: int = 1) -> Outcome:
    """Best in the middle of every number; some trials fail, and some break a constraint."""
    gain = -sum(
        (math.log1p(abs(value)) - 0.5) ** 2
        for value in params.values()
        if not isinstance(value, str)
    )
    if gain < -25:
        return Outcome(None, TrialState.FAILED)
    if -12 < gain < -11:
        return Outcome(None, TrialState.PRUNED)
    gains = (gain, -abs(float(params.get("width", 0.0))))[:objectives]
    return Outcome(gains, violations=(float(params.get("share", 0.0)) - 0.7,))


def sequence(
    over: Space,
    kind: SamplerSettings,
    trials: int,
    *,
    seed: int = 1,
    look_back: int = 4,
    objectives: int = 1,
    outcomes: Sequence[Outcome] | Callable[[Mapping[str, Value]], Outcome] | None = None,
    delays: Sequence[int] = (0,),
) -> list[dict[str, Value]]:
    """Give the parameters of all trials, of which as many wait to be told as ``delays`` say.

    A delay is how many asks a result is held back where the sampler does not need
    it; they are taken in turn. ``outcomes``, by number or by parameters, replace ``bowl``.
    """
    sampler = open_sampler(over, kind, seed=seed, look_back=look_back, objectives=objectives)
    asked: list[dict[str, Value]] = []
    told = 0

    def tell() -> None:
        nonlocal told
        params = asked[told]
        if outcomes is None:
            outcome = bowl(params, objectives)
        else:
            outcome = outcomes(params) if callable(outcomes) else outcomes[told]
        sampler.tell(told, params, outcome.gains, outcome.state, outcome.violations)
        told += 1

    for number in range(trials):
        while told < sampler.told_before(number):
            tell()
        while told < number - delays[number % len(delays)]:
            tell()
        asked.append(sampler.ask(number))
    return asked
