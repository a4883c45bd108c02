"""Waiting awake: a loop that polls, rather than sleeps, while something is due at any moment.

A process that sleeps is woken tens of microseconds after what it waits for has arrived:
for each leg of a cycle twice at the trader and twice at the venue. Who waits for a
neighbour does not sleep.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

#: What takes longer than this does not come from next door: sleeping costs nothing then.
NEXT_DOOR_S: Final = 0.01


class Awake:
    """Keeps the running loop polling within ``with`` blocks, of any number at once.

    It sleeps all the same from ``most_s`` after the last block began (0: at once), so that
    a long wait costs no processor.
    """

    def __init__(self, most_s: float = NEXT_DOOR_S) -> None:
        self._most_s = most_s
        self._blocks = 0
        self._until_s = 0.0
        self._polls = False

    def stay(self) -> None:
        """Do not sleep for ``most_s`` from now, block or no block."""
        loop = asyncio.get_running_loop()
        self._until_s = loop.time() + self._most_s
        if not self._polls and self._most_s:
            self._poll(loop)

    def __enter__(self) -> Self:
        self._blocks += 1
        self.stay()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._blocks -= 1
        if not self._blocks:
            self._until_s = 0.0

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        """Be due again at once: a loop that has something to do does not sleep."""
        self._polls = loop.time() < self._until_s
        if self._polls:
            loop.call_soon(self._poll, loop)
