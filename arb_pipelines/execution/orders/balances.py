"""What an account has free to trade, as the venue last told it.

A venue may tell of a fill before its proceeds can be spent. Whoever spends them asks here
first, and waits as long as the strategy allows. One of these is shared by all sessions of
an account, since an account's events have one consumer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.venues.base import Account, AccountEvent, BalanceChanged

_ZERO = Decimal(0)


class FreeBalances:
    """Follows the account's balances; ``run`` consumes its events."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._free: dict[str, Decimal] = {}
        self._told_ns: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[AccountEvent], object]] = []

    def listen(self, hear: Callable[[AccountEvent], object]) -> None:
        """Have somebody hear of every event of the account, as it comes."""
        self._listeners.append(hear)

    def leave(self, hear: Callable[[AccountEvent], object]) -> None:
        """Have somebody hear no more."""
        self._listeners.remove(hear)

    async def run(self) -> None:
        """Take in the account's events until cancelled."""
        while True:
            event = await self._account.next_event()
            if isinstance(event, BalanceChanged):
                self._take(event)
            for hear in tuple(self._listeners):
                hear(event)

    def free(self, currency: str) -> Decimal | None:
        """What is free of a currency; ``None`` if the venue has told of no balance at all."""
        return self._free.get(currency, _ZERO) if self._free else None

    def covers(self, currency: str, amount: Decimal) -> bool:
        """Whether ``amount`` is free, as far as is known."""
        free = self.free(currency)
        return free is None or free >= amount

    async def wait_for(self, currency: str, amount: Decimal, timeout_s: float) -> Decimal | None:
        """Wait until ``amount`` is free; after the time ask the venue. Gives what is free then.

        ``None`` if the venue has told nothing and does not answer.

        Raises:
            Fatal, ProtocolViolation: the venue turns us away, or makes no sense.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not self.covers(currency, amount):
                    self._changed.clear()
                    await self._changed.wait()
                return self.free(currency)
        except TimeoutError:
            return await self._ask(currency)

    async def _ask(self, currency: str) -> Decimal | None:
        before = self._told_ns.get(currency)
        try:
            free = (await self._account.balances()).get(currency, _ZERO)
        except (Transient, Rejected):
            return self.free(currency)
        if self._told_ns.get(currency) == before:
            self._free[currency] = free
        return self._free[currency]

    def _take(self, event: BalanceChanged) -> None:
        """Note a balance, unless a newer one came first: messages may overtake each other.

        What was looked up bears our time of receipt, and stands until the venue tells more.
        """
        looked_up = event.ts_event == event.ts_recv
        if looked_up or event.ts_event >= self._told_ns.get(event.currency, 0):
            self._told_ns[event.currency] = 0 if looked_up else event.ts_event
            self._free[event.currency] = event.available
            self._changed.set()
