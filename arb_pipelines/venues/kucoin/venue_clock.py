"""KuCoin's clock as this machine knows it: signatures carry the venue's time, not ours.

A timestamp more than 5 s off is refused (400002), so a session asks for the venue's time
and goes on from there by a clock that nobody sets and that goes on while the machine
sleeps: neither that nor a step of the wall clock changes a signature. Times of receipt
stay our own.

Source: https://www.kucoin.com/docs-new/rest/spot-trading/market-data/get-server-time
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from arb_pipelines.clock import NS_PER_MS, NS_PER_S, now_ns, since_boot_ns
from arb_pipelines.errors import Fatal, VenueError
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.codec import Reader
from arb_pipelines.venues.kucoin.rest import Rest

_TIME = Reader(int, "the venue's time")
_QUESTIONS = 3
#: Off by more than this the venue refuses what is signed.
WINDOW_NS = 5 * NS_PER_S
_log = structlog.get_logger()


class VenueClock:
    """The venue's time: a steady clock and an offset, measured each ``every_s`` s; ours until then.

    Where the machine has no clock that goes on while it sleeps, the venue's is behind after
    that, until the next measurement.
    """

    def __init__(
        self,
        wall_ns: Callable[[], int] = now_ns,
        steady_ns: Callable[[], int] = since_boot_ns,
        *,
        every_s: float = 10.0,
    ) -> None:
        self._wall_ns, self._steady_ns = wall_ns, steady_ns
        self._every_s = every_s
        self._offset_ns = wall_ns() - steady_ns()
        self._is_off = False

    def now_ns(self) -> int:
        """Give the venue's time, ns since the epoch."""
        return self._steady_ns() + self._offset_ns

    @property
    def skew_ns(self) -> int:
        """The venue's time less this machine's wall clock, ns."""
        return self.now_ns() - self._wall_ns()

    async def measure(self, client: Rest, questions: int = _QUESTIONS) -> None:
        """Ask for the time; the quickest answer counts, as of the middle of its way.

        Raises:
            VenueError: no answer.
        """
        measured = [await self._ask(client) for _ in range(questions)]
        _, self._offset_ns = min(measured)
        was_off, self._is_off = self._is_off, abs(self.skew_ns) > WINDOW_NS
        if self._is_off and not was_off:
            skew_s = round(self.skew_ns / NS_PER_S, 3)
            _log.warning("kucoin.clock_off", skew_s=skew_s, corrected=True)

    async def keep(self, client: Rest) -> None:
        """Measure again and again until cancelled, which keeps a connection open as well.

        Whatever else fails is tried again, be it a page of a proxy: the time goes on by
        the last answer, and whoever needs the venue next is told.

        Raises:
            Fatal: the venue turns us away, with its code for it.
        """
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.measure(client, 1)
            except VenueError as error:
                if isinstance(error, Fatal) and error.code:
                    raise

    async def _ask(self, client: Rest) -> tuple[int, int]:
        """Give how long an answer took, and the offset that it tells."""
        began = self._steady_ns()
        venue_ms = _TIME.read(await client.call(rest.TIMESTAMP))
        took = self._steady_ns() - began
        return took, venue_ms * NS_PER_MS - (began + took // 2)
