"""Keeping Ctrl-C and a run's cancellation out of what they would break.

How a command ends when it is interrupted belongs to ``commands.interrupts``.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold interrupts back within the block, an import, and let them in at its end.

    A handler that raises in the middle of Python's import machinery may leave the lock
    of all imports taken and its exception swallowed (CPython's ``_get_module_lock``): the
    interrupt is lost, and the next thread that imports anything waits for ever.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone is interrupted
        yield
        return
    held: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        held.append(number)

    before = {number: signal.signal(number, hold) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
        if held:
            signal.raise_signal(held[0])
