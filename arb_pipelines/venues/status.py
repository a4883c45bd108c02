"""Whether a venue takes orders now, or is closed for maintenance: asked on and on, for all to see.

How a venue tells it belongs in its folder; what is done about it in ``execution``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from arb_pipelines.errors import Closed, VenueError

#: Seconds between questions while it is open, and while it is closed; each at random up to twice
#: as long, so that not everybody comes back in the same moment.
_EVERY_S, _EVERY_CLOSED_S = 5.0, 1.0
#: Least pause, however often somebody has it asked.
_LEAST_S = 0.25

_log = structlog.get_logger()
Ask = Callable[[], Awaitable[str | None]]


class VenueStatus:
    """``closed`` names why the venue takes no orders; ``None`` while it does.

    ``ask`` gives just that; where there is none, the venue counts as open.
    """

    def __init__(
        self,
        venue: str,
        ask: Ask | None = None,
        *,
        every_s: float = _EVERY_S,
        every_closed_s: float = _EVERY_CLOSED_S,
    ) -> None:
        self._venue, self._ask = venue, ask
        self._every_s, self._every_closed_s = every_s, every_closed_s
        self._look = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self.closed: str | None = None

    def look(self) -> None:
        """Have the venue asked soon: somebody met an answer that maintenance would explain."""
        self._look.set()

    async def reopened(self) -> None:
        """Wait until the venue takes orders."""
        await self._open.wait()

    async def run(self) -> None:
        """Ask until cancelled; without an answer it is as it was."""
        while self._ask is not None:
            every_s = self._every_s if self.closed is None else self._every_closed_s
            with suppress(TimeoutError):
                async with asyncio.timeout(every_s * random.uniform(1.0, 2.0)):  # noqa: S311
                    await self._look.wait()
            try:
                self.tell(await self._ask())
            except Closed as closed:
                self.tell(str(closed))
            except VenueError:
                pass  # whoever needs the venue next is told
            await asyncio.sleep(_LEAST_S)
            self._look.clear()

    def tell(self, closed: str | None) -> None:
        """Note whether the venue is closed, and why."""
        if (closed is None) != (self.closed is None):
            event = "venue.open" if closed is None else "venue.closed"
            _log.warning(event, venue=self._venue, reason=closed or self.closed)
        self.closed = closed
        if closed is None:
            self._open.set()
        else:
            self._open.clear()
