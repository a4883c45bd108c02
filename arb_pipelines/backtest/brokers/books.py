"""A venue modelled by its recorded books: taker orders fill against the levels at arrival.

An order leaves after the decision delay if it is the first of its execution, else
at once, and is at the venue a leg delay later. The n-th execution and the n-th
order take the n-th draw of two tables. On arrival it fills against the levels as
they then stand, up to its limit; the rest is cancelled. What it took of a level
stays gone until an update shows that price with another size, or no longer.

Books that arrive at the same nanosecond as an order come before it. The venue's
queue is not modelled, so an order that would rest is rejected.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.events import (
    Book,
    BrokerEvent,
    Cancelled,
    Ending,
    MarketEvent,
    Order,
    OrderFill,
    OrderKind,
    Routed,
    TimeInForce,
    currencies,
)
from arb_pipelines.trading.orders import Fill, fill
from arb_pipelines.trading.terms import Terms

Int64 = npt.NDArray[np.int64]
_LEAVES, _ARRIVES = range(2)


class BookBroker:
    """A simulated venue over books of one depth.

    ``symbols`` numbers the names that ``terms`` and ``shelf`` index; the shelf is
    the broker's own. Delays are in ns.
    """

    def __init__(
        self,
        symbols: Mapping[str, int],
        terms: Terms,
        shelf: BookShelf,
        *,
        decision_ns: Int64,
        leg_ns: Int64,
    ) -> None:
        self._symbols, self._terms, self._shelf = symbols, terms, shelf
        self._decision_ns, self._leg_ns = decision_ns, leg_ns
        self._coming: list[tuple[int, int, int, Order]] = []
        self._executions: set[str] = set()
        self._decisions = 0
        self._orders = 0

    def submit(self, order: Order) -> None:
        """Draw the order's delays and send it on its way."""
        leaves = order.ts
        if order.execution is None or order.execution not in self._executions:
            leaves += int(self._decision_ns[self._decisions % len(self._decision_ns)])
            self._decisions += 1
            if order.execution is not None:
                self._executions.add(order.execution)
        arrives = leaves + int(self._leg_ns[self._orders % len(self._leg_ns)])
        heapq.heappush(self._coming, (leaves, self._orders, _LEAVES, order))
        heapq.heappush(self._coming, (arrives, self._orders, _ARRIVES, order))
        self._orders += 1

    def cancel(self, client_id: str, ts: int) -> None:
        """Come too late: nothing rests here, and what is on its way arrives before this would."""

    def on_market(self, event: MarketEvent) -> Iterator[BrokerEvent]:
        """Fill what arrives before a book, then show the book."""
        if isinstance(event, Book):
            yield from self._until(event.ts_recv)
            if event.symbol in self._symbols:
                self._shelf.show(self._symbols[event.symbol], event)

    def close(self) -> Iterator[BrokerEvent]:
        """Let the orders still on their way meet the last books."""
        yield from self._until(None)

    def _until(self, ts: int | None) -> Iterator[BrokerEvent]:
        while self._coming and (ts is None or self._coming[0][0] < ts):
            now, _, step, order = heapq.heappop(self._coming)
            if step == _LEAVES:
                yield Routed(order.client_id, now)
            else:
                yield from self._arrive(order, now)

    def _arrive(self, order: Order, now: int) -> Iterator[BrokerEvent]:
        wrong = _unfit(order, self._symbols)
        if wrong is not None:
            yield Cancelled(order.client_id, now, wrong, Ending.REJECTED)
            return
        if order.expires is not None and now > order.expires:
            yield Cancelled(order.client_id, now, "it arrived too late", Ending.EXPIRED)
            return
        symbol = self._symbols[order.symbol]
        done = self._meet(order, symbol)
        if done.size > 0.0 and not (done.short and order.time_in_force is TimeInForce.FOK):
            self._shelf.take(symbol, order.side, done.size)
            yield _told(order, done, now)
            if not done.short:
                return
        yield Cancelled(order.client_id, now, "the levels within its limit ran out")

    def _meet(self, order: Order, symbol: int) -> Fill:
        amount = order.funds if order.side == BUY else order.size
        limit = order.limit_px
        if order.kind is OrderKind.MARKET:
            limit = math.inf if order.side == BUY else 0.0
        assert amount is not None
        assert limit is not None
        px, left = self._shelf.levels(symbol, order.side)
        return fill(self._terms, symbol, order.side, amount, limit, px, left)


def _unfit(order: Order, symbols: Mapping[str, int]) -> str | None:
    """Say why the model has no answer to an order; None if it has."""
    if order.symbol not in symbols:
        return f"no books of {order.symbol}; add it to the universe"
    if order.kind is OrderKind.STOP:
        return "stops need trades, which books do not show; use a bar broker"
    if order.kind is OrderKind.LIMIT and order.limit_px is None:
        return "a limit order without a price"
    if order.kind is OrderKind.LIMIT and order.time_in_force is TimeInForce.GTC:
        return "the queue is not modelled: send limit orders as ioc or fok"
    if order.oco is not None:
        return "orders that cancel each other rest, and the queue is not modelled"
    if order.side == BUY and order.funds is None:
        return "a buy on books carries funds, not a size"
    return None


def _told(order: Order, done: Fill, now: int) -> OrderFill:
    """Put a fill into the words every broker speaks; the fee is what is missing."""
    given, got = currencies(order)
    buys = order.side == BUY
    on_top = done.spent - done.funds if buys else 0.0
    fee = on_top or (done.size if buys else done.funds) - done.received
    return OrderFill(
        client_id=order.client_id,
        ts=now,
        symbol=order.symbol,
        side=order.side,
        size=done.size,
        funds=done.funds,
        spent=done.spent,
        received=done.received,
        fee=fee,
        fee_currency=given if on_top else got,
        final=not done.short,
    )
