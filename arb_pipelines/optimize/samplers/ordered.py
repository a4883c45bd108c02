"""The order of asks and tells, kept in one place for all samplers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.optimize.parameters import Value
from arb_pipelines.optimize.samplers.base import TrialState


@dataclass(frozen=True, slots=True)
class Told:
    """One result as ``Sampler.tell`` took it."""

    number: int
    params: dict[str, Value]
    gains: tuple[float, ...] | None
    state: TrialState
    violations: tuple[float, ...]


class OrderedSampler(ABC):
    """A sampler that learns each result just before the first ask that may see it."""

    def __init__(self) -> None:
        self._asked = 0
        self._told = 0
        self._learnt = 0
        self._running: deque[dict[str, Value]] = deque()
        self._unlearnt: deque[Told] = deque()

    @abstractmethod
    def told_before(self, number: int) -> int:
        """Say how many trials must have been told before ``number`` can be asked."""

    @abstractmethod
    def choose(self, number: int) -> dict[str, Value]:
        """Choose the parameters of the next trial, from what was learnt."""

    @abstractmethod
    def learn(self, result: Told) -> None:
        """Take in one result; they come in order of their numbers."""

    def ask(self, number: int) -> dict[str, Value]:
        """See ``Sampler.ask``."""
        if number != self._asked:
            raise InvariantBroken(f"trial {self._asked} is the next to ask, not {number}")
        visible = self.told_before(number)
        if self._told < visible:
            raise InvariantBroken(
                f"trial {number} is asked after {self._told} results; it needs {visible}"
            )
        while self._learnt < visible:
            self.learn(self._unlearnt.popleft())
            self._learnt += 1
        params = self.choose(number)
        self._asked += 1
        self._running.append(params)
        return dict(params)

    def tell(
        self,
        number: int,
        params: dict[str, Value],
        gains: Sequence[float] | None,
        state: TrialState,
        violations: Sequence[float] = (),
    ) -> None:
        """See ``Sampler.tell``."""
        if number != self._told or number >= self._asked:
            raise InvariantBroken(f"trial {self._told} is the next to tell, not {number}")
        if self._running[0] != params:
            raise InvariantBroken(
                f"trial {number} is told for {params}, but was asked as {self._running[0]}"
            )
        if (state is TrialState.COMPLETE) != (gains is not None):
            raise InvariantBroken(f"trial {number} is {state} with gains {gains}")
        self._running.popleft()
        self._told += 1
        self._unlearnt.append(
            Told(number, params, None if gains is None else tuple(gains), state, tuple(violations))
        )


class BlindSampler(OrderedSampler):
    """A sampler whose choices do not depend on results; any trial can be asked at any time."""

    def told_before(self, number: int) -> int:
        """Say that no result is needed."""
        return 0

    def learn(self, result: Told) -> None:
        """Never called: nothing is visible."""
        raise InvariantBroken("a sampler that needs no results was given one")
