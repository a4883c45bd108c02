"""The fee that a venue really took, looked up when there is time for it.

An order is booked with the known taker rate at once, so that the next leg never waits for
a fee. What was taken is asked for afterwards, one order at a time, while no order is out
and the rate budget has room; what cannot be asked for in time is let go, oldest first. A
venue that does not know the fee yet is asked again, after pauses that double.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal

from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.venues.base import Account, OrderReport

#: Orders whose fee is still to be asked for, and how long to wait where there is no room.
_MOST_WAITING = 1_000
_PAUSE_S = 0.1
#: Longest pause before an order is asked about again of which the venue told no fee.
_LONGEST_PAUSE_S = 3.2
#: How soon it is noticed that nothing more is to be asked.
_LOOK_AGAIN_S = 0.02


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
    pause_s: float = _PAUSE_S


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
        self._pausing = 0
        self._asking = False

    def ask(self, client_id: str, symbol: str, assumed: Decimal, currency: str) -> None:
        """Have the fee of an order looked up in time."""
        self._wait(_Asked(client_id, symbol, assumed, currency))

    async def finish(self, within_s: float) -> None:
        """Wait until nothing is left to be asked, for so long at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._waiting or self._pausing or self._asking:
                    await asyncio.sleep(_LOOK_AGAIN_S)

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
            self._asking = True
            try:
                await self._ask(self._waiting.popleft())
            finally:
                self._asking = False

    async def _ask(self, asked: _Asked) -> None:
        try:
            report = await self._account.look_up(asked.client_id, asked.symbol)
        except Rejected:
            return  # it is booked as assumed; the balances tell if that was wrong
        except Transient:
            self._waiting.appendleft(asked)
            await asyncio.sleep(_PAUSE_S)
            return
        if report is None or report.fee is None:
            self._ask_later(asked)
            return
        currency = report.fee_currency or asked.currency
        self._found(
            report,
            FeeConfirmed(asked.client_id, report.fee, currency, asked.assumed, asked.currency),
        )

    def _ask_later(self, asked: _Asked) -> None:
        if asked.pause_s > _LONGEST_PAUSE_S:
            return  # as where it is refused
        again = replace(asked, pause_s=2 * asked.pause_s)

        def ask_again() -> None:
            self._pausing -= 1
            self._wait(again)

        self._pausing += 1
        asyncio.get_running_loop().call_later(asked.pause_s, ask_again)

    def _wait(self, asked: _Asked) -> None:
        self._waiting.append(asked)
        self._ring.set()
