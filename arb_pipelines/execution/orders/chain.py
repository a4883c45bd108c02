"""One desk order that rests, as the venue orders that carry it: what comes next, what is left.

Pure: books and bookings in, orders out. The chain of desk order ``X`` is ``X``, ``X_1``,
``X_2``…; each leaves when the one before has ended. Together they never ask for more than
the desk's order, and none is priced beyond its limit. When one is sent, and what becomes of
it at the venue, belongs to ``limit_legs``.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext

from arb_pipelines.execution.orders.amounts import (
    EXACT,
    Booked,
    amount_of,
    exact_order,
    limit_of,
    payable,
)
from arb_pipelines.execution.orders.client_ids import link_id
from arb_pipelines.market.exact import limit_price, on_step
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import Book, Order, OrderKind, TimeInForce
from arb_pipelines.trading.session_rules import LimitOrders
from arb_pipelines.venues.base import NewOrder

_ZERO = Decimal(0)


class Chain:
    """The venue orders of one desk order. ``left`` is in quote for a buy, in base for a sell.

    ``sent`` counts its orders that left, ``repriced`` how often what is left was priced again,
    whether or not that moved it.
    """

    def __init__(
        self,
        order: Order,
        market: Market,
        fee: Decimal,
        rules: LimitOrders,
        in_hand: Decimal | None,
    ) -> None:
        self._order, self._market, self._fee, self._rules = order, market, fee, rules
        self.bound = limit_of(order, market)
        self._wanted = self.left = amount_of(order, market, fee, in_hand)
        self._size = self._funds = _ZERO
        self.sent = self.repriced = 0
        self.whole = False

    @property
    def filled(self) -> bool:
        """Whether anything of it filled."""
        return self._size > 0

    def next(self, book: Book, in_hand: Decimal | None) -> NewOrder | None:
        """Make the order that rests next; ``None`` without a price, or if too little is left."""
        price = self.price(book)
        if price is None:
            return None
        made = self._made(price, in_hand)
        if made is None:
            return None
        post_only = self._rules.post_only
        return replace(made, time_in_force=TimeInForce.GTC, post_only=post_only)

    def last(self, in_hand: Decimal | None) -> NewOrder | None:
        """Make the order that ends it at once, at its limit; ``None`` if too little is left."""
        return self._made(self.bound, in_hand)

    def price(self, book: Book) -> Decimal | None:
        """Where it would stand by this book, on the tick and within its limit.

        Its own order at rest is part of the book: who is the best of its side keeps its place.
        """
        buys = self._order.side == BUY
        if buys == (self._rules.price == "join"):
            px, sz = book.bid_px, book.bid_sz
        else:
            px, sz = book.ask_px, book.ask_sz
        tick = self._market.price_increment
        for there, size in zip(px.tolist(), sz.tolist(), strict=True):
            if not there > 0.0:
                return None
            if size > 0.0:
                price = limit_price(on_step(there, tick), tick, self._order.side)
                return min(price, self.bound) if buys else max(price, self.bound)
        return None

    def add(self, booked: Booked) -> None:
        """Count what the order that was sent last came to."""
        with localcontext(EXACT):
            self._size += booked.size
            self._funds += booked.funds
            self.left -= booked.funds if self._order.side == BUY else booked.size
        summed = replace(booked, size=self._size, funds=self._funds)
        self.whole = summed.fills_whole(self._asked(), self._market, float(self.bound))

    def _made(self, price: Decimal, in_hand: Decimal | None) -> NewOrder | None:
        left, side = self.left, self._order.side
        if in_hand is not None:
            left = min(left, payable(self._market, side, self._fee, in_hand))
        most, client_id = self._market.base_max_size, link_id(self._order.client_id, self.sent)
        made = exact_order(client_id, self._market, side, left, price)
        if made is None or made.size is None:
            return None
        return made if most is None else replace(made, size=min(made.size, most))

    def _asked(self) -> NewOrder:
        """What the desk asked for, as one order."""
        order, buys = self._order, self._order.side == BUY
        return NewOrder(
            order.client_id,
            order.symbol,
            order.side,
            OrderKind.MARKET,
            size=None if buys else self._wanted,
            funds=self._wanted if buys else None,
        )
