"""KuCoin's clock as this machine knows it: signatures carry the venue's time, not ours.

A timestamp more than 5 s off is refused (400002), so a session measures how far off this
machine is and corrects its signatures. Times of receipt stay our own.

Source: https://www.kucoin.com/docs-new/rest/spot-trading/market-data/get-server-time
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from arb_pipelines.clock import NS_PER_MS, NS_PER_S, now_ns
from arb_pipelines.errors import Transient
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.codec import Reader
from arb_pipelines.venues.kucoin.rest import Rest

_TIME = Reader(int, "the venue's time")
_QUESTIONS = 3
_EVERY_S = 10.0
#: Off by more than this the venue refuses what is signed.
WINDOW_NS = 5 * NS_PER_S
_log = structlog.get_logger()


class VenueClock:
    """The venue's time: this machine's and what it is off by (``skew_ns``)."""

    def __init__(self, wall_ns: Callable[[], int] = now_ns) -> None:
        self._wall_ns = wall_ns
        self.skew_ns = 0

    def now_ns(self) -> int:
        """Give the venue's time, ns since the epoch."""
        return self._wall_ns() + self.skew_ns

    async def measure(self, client: Rest, questions: int = _QUESTIONS) -> None:
        """Ask for the time; the quickest answer counts, as of the middle of its way.

        Raises:
            VenueError: no answer.
        """
        measured = [await self._ask(client) for _ in range(questions)]
        _, skew_ns = min(measured)
        if abs(skew_ns) > WINDOW_NS and abs(self.skew_ns) <= WINDOW_NS:
            _log.warning("kucoin.clock_off", skew_s=round(skew_ns / NS_PER_S, 3), corrected=True)
        self.skew_ns = skew_ns

    async def keep(self, client: Rest) -> None:
        """Measure again and again until cancelled, which keeps a connection open as well."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await self.measure(client, 1)
            except Transient:
                continue  # whoever needs the venue next is told

    async def _ask(self, client: Rest) -> tuple[int, int]:
        began = time.monotonic_ns()
        venue_ms = _TIME.read(await client.call(rest.TIMESTAMP))
        took = time.monotonic_ns() - began
        return took, venue_ms * NS_PER_MS + took // 2 - self._wall_ns()
