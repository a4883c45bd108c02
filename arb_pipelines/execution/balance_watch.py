"""Whether the venue's balances are what the session's orders made of them.

Asked when nothing is in flight: an order that is out has changed the venue's balance before,
or after, the session has booked it. What is left over is somebody else's doing, a fee that is
not what was thought, or an order that nobody knows of.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Protocol

from arb_pipelines.errors import Transient

_ZERO = Decimal(0)


class Bookings(Protocol):
    """What a session has booked so far; a ``SessionRecorder`` is one."""

    @property
    def in_flight(self) -> int:
        """Executions begun and not ended."""
        ...

    @property
    def orders(self) -> int:
        """Orders made so far."""
        ...

    def booked(self) -> Mapping[str, Decimal]:
        """Changes of the balances so far, by currency."""
        ...


def unexplained(
    before: Mapping[str, Decimal], now: Mapping[str, Decimal], booked: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Give by how much more each balance has changed than was booked; 0 where all is well.

    For the currencies that were booked, and any others whose balance has changed.
    """
    changed = {of for of in {*before, *now} if now.get(of, _ZERO) != before.get(of, _ZERO)}
    return {
        of: now.get(of, _ZERO) - before.get(of, _ZERO) - booked.get(of, _ZERO)
        for of in sorted({*booked, *changed})
    }


class Together:
    """The bookings of all who trade on one account; they are added as they come."""

    def __init__(self) -> None:
        self._each: list[Bookings] = []

    def add(self, bookings: Bookings) -> None:
        """Count one more; it goes on to count when it has ended."""
        self._each.append(bookings)

    @property
    def in_flight(self) -> int:
        """Executions begun and not ended, of all."""
        return sum(each.in_flight for each in self._each)

    @property
    def orders(self) -> int:
        """Orders made so far, by all."""
        return sum(each.orders for each in self._each)

    def booked(self) -> dict[str, Decimal]:
        """Changes of the balances so far by currency, by all."""
        total: defaultdict[str, Decimal] = defaultdict(Decimal)
        for each in self._each:
            for currency, change in each.booked().items():
                total[currency] += change
        return dict(total)


class BalanceWatch:
    """Compares now and then; ``unexplained`` is what the last comparison found, by currency.

    ``balances`` asks the venue what is free. Begin before the first order.
    """

    def __init__(
        self, balances: Callable[[], Awaitable[Mapping[str, Decimal]]], bookings: Bookings
    ) -> None:
        self._balances, self._bookings = balances, bookings
        self._before: Mapping[str, Decimal] = {}
        self.unexplained: Mapping[str, Decimal] = {}
        self.comparisons = 0

    async def begin(self) -> None:
        """Note the balances from which changes count.

        Raises:
            Transient, Fatal: the venue did not tell.
        """
        self._before = await self._balances()

    async def run(self, every_s: float) -> None:
        """Compare again and again, until cancelled.

        Raises:
            Fatal: the keys do not do.
        """
        while True:
            await asyncio.sleep(every_s)
            with suppress(Transient):
                await self.compare()

    async def compare(self) -> bool:
        """Compare, unless something is in flight or begins meanwhile; whether it was possible.

        Raises:
            Transient, Fatal: the venue did not tell.
        """
        if self._bookings.in_flight:
            return False
        orders = self._bookings.orders
        now = await self._balances()
        if self._bookings.in_flight or self._bookings.orders != orders:
            return False
        self.unexplained = unexplained(self._before, now, self._bookings.booked())
        self.comparisons += 1
        return True

    def gauge(self) -> dict[str, float]:
        """What is unexplained, as a session's metrics have it."""
        return {of: float(amount) for of, amount in self.unexplained.items()}
