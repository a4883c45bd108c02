"""The fee that a venue really took, looked up when there is time for it.

An order is booked with the known taker rate at once, so that the next leg never waits for
a fee. What was taken is asked for afterwards, one order at a time, while no order is out
and the rate budget has room; what cannot be asked for in time is let go, oldest first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.venues.base import Account, OrderReport

#: Orders whose fee is still to be asked for, and how long to wait where there is no room.
_MOST_WAITING = 1_000
_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class FeeConfirmed:
    """The venue took ``fee`` for an order that was booked with ``assumed``.

    ``assumed`` is in ``assumed_currency``: the venue may have taken another one than that
    (a currency of its own, at a discount).
    """

    client_id: str
    fee: Decimal
    fee_currency: str
    assumed: Decimal
    assumed_currency: str


@dataclass(frozen=True, slots=True)
class _Asked:
    client_id: str
    symbol: str
    assumed: Decimal
    currency: str


class FeeLookUps:
    """Asks for the fees of orders that are booked; ``found`` hears of each with the answer.

    ``room`` tells whether a question may be asked now.
    """

    def __init__(
        self,
        account: Account,
        room: Callable[[], bool],
        found: Callable[[OrderReport, FeeConfirmed], object],
    ) -> None:
        self._account, self._room, self._found = account, room, found
        self._waiting: deque[_Asked] = deque(maxlen=_MOST_WAITING)
        self._ring = asyncio.Event()

    def ask(self, client_id: str, symbol: str, assumed: Decimal, currency: str) -> None:
        """Have the fee of an order looked up in time."""
        self._waiting.append(_Asked(client_id, symbol, assumed, currency))
        self._ring.set()

    async def run(self) -> None:
        """Ask until cancelled.

        Raises:
            Fatal: the keys do not do.
            ProtocolViolation: the venue makes no sense.
        """
        while True:
            while not self._waiting:
                self._ring.clear()
                await self._ring.wait()
            if not self._room():
                await asyncio.sleep(_PAUSE_S)
                continue
            asked = self._waiting.popleft()
            try:
                report = await self._account.look_up(asked.client_id, asked.symbol)
            except Rejected:
                continue  # it is booked as assumed; the balances tell if that was wrong
            except Transient:
                self._waiting.appendleft(asked)
                await asyncio.sleep(_PAUSE_S)
                continue
            if report is not None and report.fee is not None:
                currency = report.fee_currency or asked.currency
                self._found(
                    report,
                    FeeConfirmed(
                        asked.client_id, report.fee, currency, asked.assumed, asked.currency
                    ),
                )
