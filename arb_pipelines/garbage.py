"""Collecting garbage when nobody waits for it.

Python looks for garbage in the middle of whatever makes many objects: 1 ms at a time, and 20
and more where it looks through all of them. In a process that trades this is done between
signals instead, and what was there when trading began is never looked through again.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_S = 0.02
#: By generation: seconds from one collection to the next where nobody waits, and at most. The
#: second's takes 1 ms for a busy second's objects, so it has a fifth of them.
_EVERY_S = ((0.02, 0.2), (0.2, 2.0), (60.0, 300.0))


@contextmanager
def collected_when_idle(is_idle: Callable[[], bool]) -> Iterator[None]:
    """Have garbage collected while ``is_idle`` says so, within the block, in the whole process.

    On a running loop, and one of these at a time: it is the process's collector that is switched.
    """
    loop = asyncio.get_running_loop()
    last = [loop.time()] * len(_EVERY_S)
    next_look: asyncio.TimerHandle

    def look() -> None:
        nonlocal next_look
        next_look = loop.call_later(_LOOK_S, look)
        now, idle = loop.time(), is_idle()
        for generation, (every_s, most_s) in reversed([*enumerate(_EVERY_S)]):
            if now - last[generation] >= (every_s if idle else most_s):
                gc.collect(generation)
                last[: generation + 1] = [now] * (generation + 1)
                break

    gc.collect()
    gc.freeze()
    gc.disable()
    next_look = loop.call_later(_LOOK_S, look)
    try:
        yield
    finally:
        next_look.cancel()
        gc.enable()
        gc.unfreeze()
