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

from arb_pipelines.errors import Fatal, ProtocolViolation, Rejected, Transient

#: Time between comparisons, and between the last ones.
EVERY_S, _AGAIN_S = 5.0, 0.1
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


class _Ended:
    """Whoever trades no more: what was in flight at its end keeps nobody from comparing."""

    in_flight = 0

    def __init__(self, bookings: Bookings) -> None:
        self._bookings = bookings
        self.booked = bookings.booked  # what is told late still counts

    @property
    def orders(self) -> int:
        return self._bookings.orders


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


def _unheard(free: Mapping[str, Decimal]) -> None:
    return None


class BalanceWatch:
    """Compares now and then; ``unexplained`` is what the last comparison found, by currency.

    ``trouble`` is why the venue did not tell its balances when it was asked last, if so.
    ``balances`` asks the venue what is free, ``before`` is what it said before the first
    order. All who trade on the account are added, since its balances are one.
    """

    def __init__(
        self,
        balances: Callable[[], Awaitable[Mapping[str, Decimal]]],
        before: Mapping[str, Decimal],
    ) -> None:
        self._balances, self._before = balances, dict(before)
        self._traders: list[Bookings] = []
        self._hear: Callable[[Mapping[str, Decimal]], object] = _unheard
        self.unexplained: Mapping[str, Decimal] = {}
        self.trouble: str | None = None
        self.comparisons = 0

    def add(self, bookings: Bookings) -> None:
        """Count one more who trades on the account; it goes on to count when it has ended."""
        self._traders.append(bookings)

    def end(self, bookings: Bookings) -> None:
        """Note that one of them trades no more; what it left shows as unexplained, if it does."""
        self._traders = [_Ended(one) if one is bookings else one for one in self._traders]

    def begin_again(self, before: Mapping[str, Decimal]) -> None:
        """Compare with what the venue says now; nobody has traded yet whom this has to explain."""
        self._before, self.unexplained = dict(before), {}

    def tell(self, hear: Callable[[Mapping[str, Decimal]], object]) -> None:
        """Have somebody hear of what the venue says is free: now as it was before, then each time.

        Nothing was in flight then. Said again when it is the same.
        """
        self._hear = hear
        hear(self._before)

    async def run(self, every_s: float = EVERY_S) -> None:
        """Compare again and again, until cancelled.

        Raises:
            Fatal: the keys do not do.
        """
        while True:
            await asyncio.sleep(every_s)
            await self.compare()

    async def conclude(self, within_s: float) -> None:
        """Compare until all is explained, for so long at most: a venue may settle late.

        A venue that turns us away ends this early: there is nothing more to be stopped by it.
        """
        with suppress(TimeoutError, Fatal):
            async with asyncio.timeout(within_s):
                while not await self.compare() or any(self.unexplained.values()):
                    await asyncio.sleep(_AGAIN_S)

    async def compare(self) -> bool:
        """Compare, unless something is in flight or begins meanwhile; whether that was possible.

        Raises:
            Fatal: the keys do not do.
        """
        orders = self._orders_made()
        if orders is None:
            return False
        try:
            now = await self._balances()
        except (Transient, Rejected, ProtocolViolation, Fatal) as untold:
            self.trouble = f"not told, so not compared: {untold}"
            if isinstance(untold, Fatal):
                raise
            return False
        self.trouble = None
        if self._orders_made() != orders:
            return False
        self._hear(now)
        self.unexplained = unexplained(self._before, now, self._booked())
        self.comparisons += 1
        return True

    def gauge(self) -> dict[str, float]:
        """What is unexplained, as a session's metrics have it."""
        return {of: float(amount) for of, amount in self.unexplained.items()}

    def _orders_made(self) -> int | None:
        """Orders made so far by all; ``None`` while anything is in flight, or nobody trades."""
        if not self._traders or any(each.in_flight for each in self._traders):
            return None
        return sum(each.orders for each in self._traders)

    def _booked(self) -> dict[str, Decimal]:
        total: defaultdict[str, Decimal] = defaultdict(Decimal)
        for each in self._traders:
            for currency, change in each.booked().items():
                total[currency] += change
        return total
