"""Collecting garbage when nobody waits for it.

Python looks for garbage in the middle of whatever makes many objects: 1 ms at a time, and 20
and more where it looks through all of them. In a process that trades this is done between
signals instead, and what was there when trading began is never looked through again.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_LOOK_S = 0.02
#: By generation: seconds from one collection to the next where nobody waits, and at most.
_EVERY_S = ((0.02, 0.2), (1.0, 5.0), (60.0, 300.0))


@asynccontextmanager
async def collected_when_idle(is_idle: Callable[[], bool]) -> AsyncIterator[None]:
    """Have garbage collected while ``is_idle`` says so, within the block, in the whole process.

    One of these at a time: it is the process's collector that is switched.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    collecting = asyncio.create_task(_collect(is_idle), name="garbage")
    try:
        yield
    finally:
        collecting.cancel()
        gc.enable()  # a task that never began has not done it
        gc.unfreeze()


async def _collect(is_idle: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    last = [loop.time()] * len(_EVERY_S)
    try:
        while True:
            await asyncio.sleep(_LOOK_S)
            now, idle = loop.time(), is_idle()
            for generation, (every_s, most_s) in reversed([*enumerate(_EVERY_S)]):
                since = now - last[generation]
                if since >= (every_s if idle else most_s):
                    gc.collect(generation)
                    last[: generation + 1] = [now] * (generation + 1)
                    break
    finally:  # whatever ended it
        gc.enable()
