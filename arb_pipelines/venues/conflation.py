"""Latest wins: what a slow reader of market data gets, and what it missed, counted.

For states only, of which a newer one replaces the older. Orders and fills are
events, and never come here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LatestWins(Generic[K, V]):
    """Holds one value a key until it is taken; ``dropped`` counts those that were overtaken."""

    __slots__ = ("_dropped", "_there", "_values")

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        self._dropped: Counter[K] = Counter()
        self._there = asyncio.Event()

    @property
    def dropped(self) -> Mapping[K, int]:
        """Values by key that a newer one replaced before they were taken."""
        return self._dropped

    def put(self, key: K, value: V) -> None:
        """Note the newest value of ``key``. A key keeps its place until it is taken."""
        if key in self._values:
            self._dropped[key] += 1
        self._values[key] = value
        self._there.set()

    async def take(self) -> dict[K, V]:
        """Wait until there is any; take all, in the order in which the keys came."""
        await self._there.wait()
        self._there.clear()
        taken, self._values = self._values, {}
        return taken
