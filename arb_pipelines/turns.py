"""When a thread beside a loop that trades takes the interpreter's lock.

A thread that works in short pieces and pauses between them still holds the lock for most of a
cycle's legs, if it happens to work just then: each call of the loop to the system gives the lock
away, and it is had back when the other's piece is done. So the pauses last while something is
in flight, for as long as the work can wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: A wait of nothing would take the lock again before the loop has woken.
_PAUSE_S = 1e-4
#: How often it is looked whether the loop is idle: looking takes the lock, too.
_LOOK_S = 2e-3

#: Called before each piece of work.
Pause = Callable[[], object]


def brief_pause() -> None:
    """Let a loop that waits for the interpreter's lock have it."""
    time.sleep(_PAUSE_S)


def pauses(is_idle: Callable[[], bool], patience_s: float) -> Pause:
    """Give what to call before each piece: it waits until ``is_idle``.

    All of the work waits for ``patience_s`` from now at most; then pauses are brief.
    """
    latest_s = time.monotonic() + patience_s

    def pause() -> None:
        brief_pause()
        while not is_idle() and time.monotonic() < latest_s:
            time.sleep(_LOOK_S)

    return pause
