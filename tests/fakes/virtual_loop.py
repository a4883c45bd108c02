"""An event loop whose time passes only when nobody has anything to do: no test waits for it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
#: Virtual time after which a test that waits for nothing is given up.
_LONGEST_S = 3_600.0


class _Selector(selectors.DefaultSelector):
    """Never waits: what the loop would sleep is added to its time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or (timeout > 0 and self.now_s > _LONGEST_S):
            raise TimeoutError(f"everybody waits for nothing at {self.now_s} s")
        if timeout > 0:
            self.now_s += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time, which begins at 0 s."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s


def run_virtually(body: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on virtual time; raises what it raises."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(body)


def wall_ns() -> int:
    """The loop's time as a wall clock that began long ago."""
    return 1_700_000_000_000_000_000 + round(asyncio.get_running_loop().time() * 1e9)
