"""What every sampler is: asked for a trial's parameters, told what came of it.

A sampler is a pure function of its space, settings and seed and of what it is
told. Trials are asked in order of their number, each once, and told in the same
order. ``ask(number)`` looks at the first ``told_before(number)`` results and at no
later one, even where more have been told; so it makes no difference how many
workers run the trials between. A study that was interrupted is continued by asking
and telling again from the beginning, with the results in hand.

Objectives reach a sampler as gains: the more the better (``objectives.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from arb_pipelines.optimize.parameters import Value


class TrialState(StrEnum):
    """How a trial ended."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"


class Sampler(Protocol):
    """Where the next trial's parameters come from."""

    def told_before(self, number: int) -> int:
        """Say how many trials must have been told before ``number`` can be asked."""
        ...

    def ask(self, number: int) -> dict[str, Value]:
        """Choose the parameters of trial ``number``: those that exist, parents first.

        Raises:
            InvariantBroken: it is not the next number, or too few are told.
        """
        ...

    def tell(
        self,
        number: int,
        params: dict[str, Value],
        gains: Sequence[float] | None,
        state: TrialState,
        violations: Sequence[float] = (),
    ) -> None:
        """Take the result of trial ``number``.

        ``gains`` are there if it is complete, one an objective; ``violations`` one
        a constraint, above 0 where it is broken.

        Raises:
            InvariantBroken: it is not the next number to tell, or ``params`` are
                not what ``ask`` chose.
        """
        ...
