"""Going first where two want a core.

A thread that never sleeps has used up its share, so whoever wakes on its core is let in before
it, for most of a millisecond. With a lower nice value it goes on, and they go to another core.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: The others get a tenth of a core that both want.
NICE = -10


@contextmanager
def going_first() -> Iterator[bool]:
    """Have this thread go before others within the block; gives whether the system lets it.

    It needs root, ``CAP_SYS_NICE`` or ``RLIMIT_NICE``. What begins within the block by this
    thread, threads and processes, goes first as well. Where a nice value is a process's, as on
    macOS, all its threads do.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    try:
        os.setpriority(os.PRIO_PROCESS, 0, min(before, NICE))
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        with suppress(OSError):  # the limit was taken away meanwhile
            os.setpriority(os.PRIO_PROCESS, 0, before)
