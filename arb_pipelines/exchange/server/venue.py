"""The exchange as its server sees it: the engine, its clock, and whom to tell what happened.

Every call goes into the engine and comes out as messages before it returns, so
that a client knows of a fill before it reads the answer to its order.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from decimal import Decimal

from arb_pipelines.awake import Awake
from arb_pipelines.exchange.engine.events import (
    BalanceChanged,
    BookChanged,
    Change,
    Events,
    OrderChanged,
    Relation,
    Traded,
)
from arb_pipelines.exchange.engine.exchange import Exchange
from arb_pipelines.exchange.engine.money import ZERO
from arb_pipelines.exchange.engine.orders import NewOrder, Order, Side
from arb_pipelines.exchange.engine.refusals import order_not_found
from arb_pipelines.exchange.engine.symbols import ListedSymbol
from arb_pipelines.exchange.server.answers import Refusal
from arb_pipelines.exchange.server.faults import Faults, Kind, Service, SkewedClock
from arb_pipelines.exchange.server.market_data import MarketData
from arb_pipelines.exchange.server.messages import private_messages
from arb_pipelines.exchange.server.signing import Credentials, Keyring
from arb_pipelines.exchange.server.streams import Streams
from arb_pipelines.exchange.server.tokens import Tokens
from arb_pipelines.exchange.server.weights import Quotas

#: A cycle's next order comes this soon after the one before, if at all.
_NEXT_ORDER_S = 0.001

Levels = Sequence[tuple[Decimal, Decimal]]


class Venue:
    """One exchange being served. Calls of clients must come from one event loop."""

    def __init__(self, exchange: Exchange, keys: Sequence[Credentials], *, seed: int = 0) -> None:
        self.exchange = exchange
        self.clock = SkewedClock()
        self.service = Service()
        self.keyring = Keyring({key.key: key for key in keys})
        self.faults = Faults(seed)
        self.tokens = Tokens(self.clock.now_ns)
        self.quotas = Quotas(self.clock.now_ns)
        self.symbols: Mapping[str, ListedSymbol] = {s.symbol: s for s in exchange.symbols()}
        self.streams = Streams(self.tokens, self.faults, self.symbols.__contains__)
        self.market_data = MarketData(exchange, self.streams)
        self._awake = Awake(_NEXT_ORDER_S)

    def place(self, user: str, request: NewOrder) -> Order:
        """Place an order and tell everybody; gives the order as it stands then.

        Raises:
            Refused: the engine refuses it.
            Refusal: a fault does, or maintenance.
        """
        self._awake.stay()
        self.service.check(places=True)
        if self.faults.armed:
            self._strike(request)
        events = self.exchange.place(user, request, self.clock.now_ns())
        if self.faults.armed:
            events = (*events, *self._settle_late(user, request, events))
        self.tell(events)
        return self._order(user, _received(events))

    def try_order(self, user: str, request: NewOrder) -> str:
        """Check an order without placing it; gives an id that names nothing.

        Raises:
            Refused: the engine would refuse it.
        """
        self.exchange.place(user, request, self.clock.now_ns(), dry_run=True)
        return secrets.token_hex(12)

    def cancel(
        self, user: str, *, order_id: str | None = None, client_oid: str | None = None
    ) -> Order:
        """Cancel one order; gives it as it ended.

        Raises:
            Refused: no such active order.
        """
        now = self.clock.now_ns()
        self.tell(self.exchange.cancel(user, order_id=order_id, client_oid=client_oid, now_ns=now))
        return self._order(user, order_id, client_oid)

    def cancel_part(self, user: str, order_id: str, size: Decimal) -> None:
        """Cancel ``size`` of an active order.

        Raises:
            Refused: as ``Exchange.cancel_part``.
        """
        now = self.clock.now_ns()
        self.tell(self.exchange.cancel_part(user, order_id, size, now_ns=now))

    def cancel_all(self, user: str, symbol: str | None) -> list[str]:
        """Cancel the active orders of one symbol or of all; gives the symbols there were."""
        touched = {order.request.symbol for order in self.exchange.active_orders(user, symbol)}
        self.tell(self.exchange.cancel_all(user, symbol, now_ns=self.clock.now_ns()))
        return sorted(touched)

    def alter(
        self,
        user: str,
        *,
        order_id: str | None,
        client_oid: str | None,
        price: Decimal | None,
        size: Decimal | None,
    ) -> Order:
        """Replace an active order; gives the new one, or the old one if that was filled enough.

        Raises:
            Refused: as ``Exchange.alter``.
        """
        events = self.exchange.alter(
            user,
            order_id=order_id,
            client_oid=client_oid,
            price=price,
            size=size,
            now_ns=self.clock.now_ns(),
        )
        self.tell(events)
        placed = any(isinstance(e, OrderChanged) and e.change is Change.RECEIVED for e in events)
        if placed:
            return self._order(user, _received(events))
        return self._order(user, order_id, client_oid)

    def show(self, symbol: str, bids: Levels, asks: Levels) -> None:
        """Let the feed show a book.

        Raises:
            Refused: the symbol is not listed.
        """
        self.tell(self.exchange.show(symbol, bids, asks, self.clock.now_ns()))

    def expire(self) -> None:
        """End the orders whose time is over."""
        due = self.exchange.next_expiry_ns()
        if due is not None and due <= (now := self.clock.now_ns()):
            self.tell(self.exchange.expire(now))

    def tell(self, events: Events) -> None:
        """Send the messages of ``events``: to the accounts first, then to the public."""
        streams = self.streams
        for topic, subject, data, user in private_messages(events, streams.wanted):
            streams.publish(topic, subject, data, user)
        streams.flush()
        for event in events:
            if isinstance(event, Traded):
                self.market_data.traded(event)
            elif isinstance(event, BookChanged):
                self.market_data.changed(event)
        streams.flush()

    def _order(self, user: str, order_id: str | None, client_oid: str | None = None) -> Order:
        order = self.exchange.order(user, order_id=order_id, client_oid=client_oid)
        if order is None:
            raise order_not_found()
        return order

    def _settle_late(self, user: str, request: NewOrder, events: Events) -> Events:
        """Put what an order received on hold for a while, if a fault says so."""
        fault = self.faults.strike(Kind.LATE_BALANCE, _target(request))
        if fault is None:
            return ()
        listed = self.symbols[request.symbol]
        currency = listed.base if request.side is Side.BUY else listed.quote
        received = sum(
            (
                event.available_change
                for event in events
                if isinstance(event, BalanceChanged)
                and (event.user, event.currency, event.relation)
                == (user, currency, Relation.SETTLED)
            ),
            ZERO,
        )

        def free() -> None:
            self.tell(self.exchange.set_aside(user, currency, -received, self.clock.now_ns()))

        asyncio.get_running_loop().call_later(fault.ms / 1000, free)
        return self.exchange.set_aside(user, currency, received, self.clock.now_ns())

    def _strike(self, request: NewOrder) -> None:
        target = _target(request)
        if fault := self.faults.strike(Kind.REJECT, target):
            raise Refusal(fault.code, fault.msg)
        if request.symbol not in self.symbols:
            return
        if fault := self.faults.strike(Kind.PARTIAL_FILL, target):
            self._thin_out(request, Decimal(repr(fault.share)))

    def _thin_out(self, request: NewOrder, share: Decimal) -> None:
        """Leave at the best price what ``share`` of the order takes, and nothing behind it."""
        book = self.exchange.book(request.symbol, 1)
        buys = request.side is Side.BUY
        best = book.asks if buys else book.bids
        if not best:
            return
        price, there = best[0]
        size = request.size if request.size is not None else (request.funds or there) / price
        increment = self.symbols[request.symbol].base_increment
        left = min(size * share, there) // increment * increment
        thin = [(price, left)] if left else []
        self.show(request.symbol, book.bids if buys else thin, thin if buys else book.asks)


def _target(request: NewOrder) -> str:
    """What faults of orders are matched with."""
    return f"{request.symbol} {request.side.value}"


def _received(events: Events) -> str:
    """Id of the order that ``events`` tell was received."""
    return next(
        event.order.id
        for event in events
        if isinstance(event, OrderChanged) and event.change is Change.RECEIVED
    )
