"""What a session's broker tells its desk of orders, in the words of every broker."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.trading.events import (
    BrokerEvent,
    Cancelled,
    Ending,
    Order,
    OrderFill,
    Routed,
)


class BrokerNews:
    """News of orders in the order it became known; ``waits`` while some is not taken.

    Its times are the wall's, never before anything that was told: a clock may be set back.
    """

    def __init__(self, wall_ns: Callable[[], int]) -> None:
        self._wall_ns = wall_ns
        self._waiting: deque[BrokerEvent] = deque()
        self._ring = asyncio.Event()
        self._newest = 0

    @property
    def waits(self) -> bool:
        """Whether some of it has not been taken."""
        return bool(self._waiting)

    async def next(self) -> BrokerEvent:
        """Wait for the next piece."""
        while not self._waiting:
            self._ring.clear()
            await self._ring.wait()
        return self._waiting.popleft()

    def routed(self, order: Order) -> None:
        """Tell that an order leaves."""
        self._tell(Routed(order.client_id, self._now(order)))

    def filled(self, order: Order, booked: Booked, *, final: bool) -> None:
        """Tell what of an order was filled, if anything was."""
        if booked.size > 0:
            self._tell(
                OrderFill(
                    client_id=order.client_id,
                    ts=self._now(order),
                    symbol=order.symbol,
                    side=order.side,
                    size=float(booked.size),
                    funds=float(booked.funds),
                    spent=float(booked.spent),
                    received=float(booked.received),
                    fee=float(booked.fee),
                    fee_currency=booked.fee_currency,
                    final=final,
                )
            )

    def ended(self, order: Order, reason: str, ending: Ending) -> None:
        """Tell that an order ended before it was filled."""
        self._tell(Cancelled(order.client_id, self._now(order), reason, ending))

    def _now(self, order: Order) -> int:
        self._newest = max(self._newest, order.ts, self._wall_ns())
        return self._newest

    def _tell(self, event: BrokerEvent) -> None:
        self._waiting.append(event)
        self._ring.set()
