"""Orders under way, by client id: what the private stream has told of each so far.

Pure: messages in, events out. An order is followed before it is sent, since a fill can come
before the venue's answer. Messages may repeat, and come in any order: an execution counts
once, by its trade, and an order is settled when it is done and its executions add up to
what the venue says was filled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Context, Decimal

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.errors import InvariantBroken
from arb_pipelines.venues.base import Done, Match, NewOrder, OrderReport, Resting
from arb_pipelines.venues.kucoin.codec_orders import FillRow, OrderChange, amount, side_of

OrderEvent = Match | Resting | Done
_ZERO = Decimal(0)
#: Products of amounts with 18 decimals, and sums of these, as they are.
_EXACT = Context(prec=80)


class FollowedOrder:
    """One order: its executions by trade, its end, and ``settled`` to wait for."""

    __slots__ = ("_matches", "done", "order", "order_id", "settled")

    def __init__(self, order: NewOrder) -> None:
        self.order = order
        self.order_id: str | None = None
        self._matches: dict[str, Match] = {}
        self.done: Done | None = None
        self.settled = asyncio.Event()

    @property
    def size(self) -> Decimal:
        """Base that was traded."""
        return sum((match.size for match in self._matches.values()), _ZERO)

    @property
    def funds(self) -> Decimal:
        """Value in quote of what was traded, before fees; exact, with 18 decimals on both too."""
        funds = _ZERO
        for match in self._matches.values():
            funds = _EXACT.add(funds, _EXACT.multiply(match.size, match.price))
        return funds

    def take(self, event: OrderEvent) -> bool:
        """Note what was told; ``False`` if it was known."""
        self.order_id = event.order_id
        if isinstance(event, Match):
            if event.trade_id in self._matches:
                return False
            self._matches[event.trade_id] = event
        elif isinstance(event, Done):
            if self.done is not None:
                return False
            self.done = event
        if self.done is not None and self.size == self.done.filled_size:
            self.settled.set()
        return True

    def report(self) -> OrderReport:
        """What is known without asking the venue: everything but the fee."""
        return OrderReport(
            client_id=self.order.client_id,
            order_id=self.order_id or "",
            symbol=self.order.symbol,
            side=self.order.side,
            active=self.done is None,
            cancelled=self.done is not None and self.done.cancelled,
            size=self.size,
            funds=self.funds,
            fee=None,
            fee_currency=None,
            ts_event=self.done.ts_event if self.done else 0,
        )


class FollowedOrders:
    """The orders that are followed. Events of others (of a person, say) pass through."""

    def __init__(self) -> None:
        self._orders: dict[str, FollowedOrder] = {}

    def follow(self, order: NewOrder) -> FollowedOrder:
        """Follow an order; before it is sent.

        Raises:
            InvariantBroken: its client id was used for another that is still followed.
        """
        if order.client_id in self._orders:
            raise InvariantBroken(f"order {order.client_id} is followed already: ids are used once")
        followed = self._orders[order.client_id] = FollowedOrder(order)
        return followed

    def forget(self, client_id: str) -> None:
        """Follow an order no longer: it never reached the venue, or all of it is booked."""
        self._orders.pop(client_id, None)

    def get(self, client_id: str) -> FollowedOrder:
        """A followed order.

        Raises:
            InvariantBroken: it is not followed.
        """
        if client_id not in self._orders:
            raise InvariantBroken(f"order {client_id} is not followed: follow it before it is sent")
        return self._orders[client_id]

    def unsettled(self) -> list[FollowedOrder]:
        """The orders of which something is still to come."""
        return [order for order in self._orders.values() if not order.settled.is_set()]

    def take(self, events: Iterable[OrderEvent]) -> list[OrderEvent]:
        """Note events; give those that say something new."""
        fresh = []
        for event in events:
            followed = self._orders.get(event.client_id)
            if followed is None or followed.take(event):
                fresh.append(event)
        return fresh


def events_of(change: OrderChange, ts_recv: int) -> list[OrderEvent]:
    """What a message of the private stream tells: nothing, an execution, rest, or the end.

    ``status: done`` is the end whatever the ``type``: a market order whose remainder
    cannot buy the minimum is ``canceled`` although it filled.

    Raises:
        ProtocolViolation: an amount or side that is none.
    """
    known = change.client_oid, change.order_id
    if change.type == "match":
        return [
            Match(
                *known,
                trade_id=change.trade_id,
                symbol=change.symbol,
                side=side_of(change.side),
                price=amount(change.match_price, "matchPrice"),
                size=amount(change.match_size, "matchSize"),
                taker=change.liquidity == "taker",
                ts_event=change.ts,
                ts_recv=ts_recv,
            )
        ]
    if change.status == "done":
        filled = amount(change.filled_size, "filledSize")
        cancelled = change.type != "filled"
        return [Done(*known, change.symbol, filled, cancelled, change.ts, ts_recv)]
    if change.type == "open":
        return [Resting(*known, change.symbol, change.ts, ts_recv)]
    return []


def events_found(report: OrderReport, fills: Iterable[FillRow], ts_recv: int) -> list[OrderEvent]:
    """The same from a look-up and its fills, where the stream may have lost them."""
    events: list[OrderEvent] = [
        Match(
            report.client_id,
            report.order_id,
            trade_id=str(fill.trade_id),
            symbol=report.symbol,
            side=report.side,
            price=amount(fill.price, "price"),
            size=amount(fill.size, "size"),
            taker=fill.liquidity == "taker",
            ts_event=fill.created_at * NS_PER_MS,
            ts_recv=ts_recv,
        )
        for fill in fills
    ]
    if not report.active:
        events.append(
            Done(
                report.client_id,
                report.order_id,
                report.symbol,
                report.size,
                report.cancelled,
                report.ts_event,
                ts_recv,
            )
        )
    return events
