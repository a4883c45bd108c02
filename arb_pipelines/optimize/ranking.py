"""Which trial is best: by gains (more is better) among those that keep every constraint."""

from __future__ import annotations

from collections.abc import Sequence

from arb_pipelines.optimize.objectives import feasible

#: Gains of trials that broke a constraint lie below this; no objective comes near it.
_FLOOR = -1e150


def best_trial(
    gains: Sequence[Sequence[float] | None], violations: Sequence[Sequence[float]]
) -> int | None:
    """Give the index of the feasible trial with the greatest first gain, the earliest of equals.

    A trial without gains (pruned, failed) is never the best. None if no trial is feasible.
    """
    best: int | None = None
    greatest = 0.0
    for index, (gain, broken) in enumerate(zip(gains, violations, strict=True)):
        if gain is None or not feasible(broken):
            continue
        if best is None or gain[0] > greatest:
            best, greatest = index, gain[0]
    return best


def pareto_front(
    gains: Sequence[Sequence[float] | None], violations: Sequence[Sequence[float]]
) -> list[int]:
    """Give the indices, rising, of the feasible trials that no feasible trial dominates.

    One dominates another if it is as good in every objective and better in one.
    """
    able = [
        (tuple(gain), index)
        for index, (gain, broken) in enumerate(zip(gains, violations, strict=True))
        if gain is not None and feasible(broken)
    ]
    front: list[tuple[tuple[float, ...], int]] = []
    for gain, index in sorted(able, reverse=True):  # none is dominated by one that comes later
        if not any(_dominates(other, gain) for other, _ in front):
            front.append((gain, index))
    return sorted(index for _, index in front)


def with_constraints(gain: float, violations: Sequence[float]) -> float:
    """Fold constraints into one gain, for samplers that only compare.

    The gain itself where all are kept; else a number below any such gain, the lower
    the more is broken in all. Only the order of the numbers means anything.

    Source: Deb, "An efficient constraint handling method for genetic algorithms",
    Computer Methods in Applied Mechanics and Engineering 186, 2000.
    """
    if feasible(violations):
        return gain
    broken = sum(max(violation, 0.0) for violation in violations)
    return _FLOOR * (1.0 + broken / (1.0 + broken))


def _dominates(left: Sequence[float], right: Sequence[float]) -> bool:
    return left != right and all(a >= b for a, b in zip(left, right, strict=True))
