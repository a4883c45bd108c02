"""What a panic sell asks the venue: books of single symbols, and all best prices at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from arb_pipelines.errors import Rejected
from arb_pipelines.market.book import Top
from arb_pipelines.trading.panic.routes import Chosen, Needs, Unsold, choose
from arb_pipelines.trading.panic.sight import Holding, Sight
from arb_pipelines.venues.base import VenueConnection
from arb_pipelines.venues.tasks import worst_error

_log = structlog.get_logger()
#: All best prices are a costly question: sales that ask within this time share an answer.
_SHARED_FOR_S = 0.5


class Prices:
    """Fetches what decisions need to know; sales of one account share it."""

    def __init__(self, connection: VenueConnection) -> None:
        self._connection = connection
        self._asking = asyncio.Lock()
        self._tops: Mapping[str, Top] = {}
        self._told_s = float("-inf")

    async def decide(self, sight: Sight, holding: Holding) -> Chosen | Unsold:
        """Choose where a holding goes, fetching what that takes.

        A symbol whose book the venue does not give counts as closed.

        Raises:
            Transient: the venue does not answer; nothing is decided.
            Fatal, ProtocolViolation: it turns us away, or makes no sense.
        """
        while True:
            found = choose(sight, holding)
            if not isinstance(found, Needs):
                return found
            if found.tops:
                sight.tops = await self._all_tops()
            else:
                await self._fetch(sight, found.symbols)

    async def _all_tops(self) -> Mapping[str, Top]:
        now_s = asyncio.get_running_loop().time
        async with self._asking:
            if now_s() - self._told_s > _SHARED_FOR_S:
                try:
                    self._tops = await self._connection.tops()
                except Rejected as none:  # there is no such call: direct ways need none
                    _log.info("panic.no_prices", why=str(none))
                self._told_s = now_s()
            return self._tops

    async def _fetch(self, sight: Sight, symbols: Sequence[str]) -> None:
        with worst_error():
            async with asyncio.TaskGroup() as tasks:
                for symbol in symbols:
                    tasks.create_task(self._fetch_one(sight, symbol))

    async def _fetch_one(self, sight: Sight, symbol: str) -> None:
        try:
            sight.books[symbol] = await self._connection.snapshot(symbol, sight.rules.depth)
        except Rejected:
            sight.closed |= {symbol}
