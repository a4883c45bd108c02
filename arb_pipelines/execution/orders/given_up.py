"""Orders that were taken for lost, and what the venue says of them when it does after all.

An order whose answer is lost, which the venue does not know for long, is told as one that
never arrived: what it was to trade is brought home. Should something of it turn up later,
the desk's books are closed on it; it is told on its own, as loudly as can be, and open
rests of it are taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.venues.base import Account, NewOrder, OrderReport

#: How often such an order is asked for, and how often at most: for ten minutes.
_EVERY_S, _MOST_TIMES = 5.0, 120


@dataclass(frozen=True, slots=True)
class LateFill:
    """An order traded that had been given up: no execution counts it, and no profit.

    ``size`` is in base and ``funds`` in quote, before fees; ``changes`` is what it did to
    the account's balances, by currency.
    """

    client_id: str
    symbol: str
    side: int
    size: Decimal
    funds: Decimal
    changes: Mapping[str, Decimal]


class GivenUp:
    """Asks for orders that were given up; ``found`` hears of each that has traded.

    ``room`` tells whether a question may be asked now.
    """

    def __init__(
        self,
        account: Account,
        room: Callable[[], bool],
        take_back: Callable[[NewOrder], Awaitable[None]],
        found: Callable[[OrderReport], object],
    ) -> None:
        self._account, self._room = account, room
        self._take_back, self._found = take_back, found
        self._left: dict[str, tuple[NewOrder, int]] = {}
        self._ring = asyncio.Event()

    def add(self, new: NewOrder) -> None:
        """Have an order asked for from now on."""
        self._left[new.client_id] = new, _MOST_TIMES
        self._ring.set()

    async def run(self) -> None:
        """Ask until cancelled.

        Raises:
            Fatal: the keys do not do.
            ProtocolViolation: the venue makes no sense.
        """
        while True:
            while not self._left:
                self._ring.clear()
                await self._ring.wait()
            await asyncio.sleep(_EVERY_S)
            for client_id in list(self._left):
                if self._room():
                    await self._ask(client_id)

    async def _ask(self, client_id: str) -> None:
        new, times = self._left.pop(client_id)
        try:
            report = await self._account.look_up(client_id, new.symbol)
        except (Transient, Rejected):
            report = None
        if report is not None and not report.active:
            if report.size > 0:
                self._found(report)
            return
        if report is not None:
            await self._take_back(new)
        if times > 1:
            self._left[client_id] = new, times - 1
