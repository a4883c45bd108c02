"""Calls one after the other, in the caller's own thread."""

from __future__ import annotations

from collections import deque
from typing import Any

from arb_pipelines.containers.calls import Call, Done, Setup, attempt
from arb_pipelines.containers.memory import limited


class SerialExecutor:
    """Runs each call while the caller waits for it; KeyboardInterrupt passes through."""

    slots = 1

    def __init__(self, setup: Setup, memory_limit_mib: int | None) -> None:
        self._setup, self._limit_mib = setup, memory_limit_mib
        self._waiting: deque[tuple[int, Call, Any]] = deque()
        self._ready = False
        self._broken: str | None = None

    def submit(self, number: int, call: Call, argument: Any) -> None:
        """Put the call last; it runs within ``wait``."""
        self._waiting.append((number, call, argument))

    def wait(self) -> list[Done]:
        """Run the next call; [] if there is none."""
        if not self._waiting:
            return []
        if not self._ready:
            self._ready, self._broken = True, self._setup.run()
        number, call, argument = self._waiting.popleft()

        def within_limit(argument: Any) -> Any:
            with limited(self._limit_mib):
                return call(argument)

        return [attempt(number, within_limit, argument, self._broken)]

    def close(self) -> None:
        """Forget the calls that have not run."""
        self._waiting.clear()
