"""How much the best parameters can be trusted to stay good: over time, and nearby.

The distance between two sets of parameters is the mean over all parameters of how far
each moved: for a number, the difference of its positions between low (0) and high (1),
by logarithm where it is searched so; for a choice, or a parameter that exists in one of
them only, 0 if it is the same and 1 if not. A parameter that exists in neither, or that
has one value only, is left out.

Source: Gower, "A general coefficient of similarity and some of its properties",
Biometrics 27(4), 1971.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import fmean, median

from arb_pipelines.optimize.parameters import Categorical, Parameter, Value, same
from arb_pipelines.optimize.spaces import Space

Params = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the best parameters move from each window to the next, 0 (not) to 1.

    ``overall`` is the mean distance; ``by_parameter`` each one's own mean, over the
    pairs of windows in which it exists in one at least.
    """

    overall: float
    by_parameter: Mapping[str, float]


def drift(space: Space, bests: Sequence[Params]) -> Drift | None:
    """Measure how far the best parameters move; ``bests`` has one set a window, in order.

    None for fewer than two windows.
    """
    pairs = list(pairwise(bests))
    if not pairs:
        return None
    moves: dict[str, list[float]] = {}
    for left, right in pairs:
        for name, move in _moves(space, left, right).items():
            moves.setdefault(name, []).append(move)
    overall = fmean(distance(space, left, right) for left, right in pairs)
    return Drift(overall, {name: fmean(moves[name]) for name in space.root if name in moves})


def likeness(space: Space, sets: Sequence[Params]) -> float | None:
    """Say how alike several sets of parameters are: 1 less their mean distance, each to each.

    1 if they are the same; some 2/3 for draws at random from a space of numbers. None
    for fewer than two.
    """
    pairs = list(combinations(sets, 2))
    return 1.0 - fmean(distance(space, *pair) for pair in pairs) if pairs else None


def plateau(
    space: Space, sets: Sequence[Params], gains: Sequence[float], *, nearest: int = 5
) -> float | None:
    """Say how much of the best trial's lead its neighbours share: 1 on a plateau, 0 on a needle.

    The mean gain of the ``nearest`` trials around the best, less the median of all
    trials, over the best less that median; below 0 counts as 0. 1 if the best is no
    better than the median. Of equally near trials the earlier ones are taken. None
    for fewer than ``nearest`` others.
    """
    if len(sets) <= nearest:
        return None
    best = max(range(len(gains)), key=lambda index: gains[index])
    lead = gains[best] - median(gains)
    if lead <= 0:
        return 1.0
    others = sorted(
        (index for index in range(len(sets)) if index != best),
        key=lambda index: distance(space, sets[best], sets[index]),
    )
    around = fmean(gains[index] for index in others[:nearest])
    return max((around - median(gains)) / lead, 0.0)


def distance(space: Space, left: Params, right: Params) -> float:
    """Measure how far two sets of parameters are apart, from 0 to 1."""
    moves = _moves(space, left, right)
    return fmean(moves.values()) if moves else 0.0


def _moves(space: Space, left: Params, right: Params) -> dict[str, float]:
    return {
        name: _move(parameter, left[name], right[name]) if name in left and name in right else 1.0
        for name, parameter in space.root.items()
        if not parameter.single and (name in left or name in right)
    }


def _move(parameter: Parameter, left: Value, right: Value) -> float:
    if isinstance(parameter, Categorical):
        return 0.0 if same(left, right) else 1.0
    return abs(parameter.position(float(left)) - parameter.position(float(right)))
