"""Running many calls at once, and hearing of each as it ends.

The one way trials and containers are spread over threads, processes or a cluster.
What is run, and in which order results count, belongs to the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Done:
    """A call that ended: its number, and its result or one line on what went wrong."""

    number: int
    result: Any = None
    error: str | None = None


class Executor(Protocol):
    """Runs up to ``slots`` calls at once; further ones wait in order."""

    slots: int

    def submit(self, number: int, call: Callable[[Any], Any], argument: Any) -> None:
        """Run ``call(argument)`` and report it under ``number``."""
        ...

    def wait(self) -> list[Done]:
        """Block until at least one call has ended; give all that have."""
        ...

    def close(self) -> None:
        """Stop the calls that have not ended, and leave nothing running."""
        ...
