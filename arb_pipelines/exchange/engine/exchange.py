"""The exchange: every call a client, a feed or an operator can make, and every look-up.

A call takes the time it happens at and returns its events in order, or raises
``Refused`` and has changed nothing. The same calls give the same events. Nothing here
knows of wires, files or clocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from arb_pipelines.exchange.engine.accounts import Balance
from arb_pipelines.exchange.engine.archive import ANY, DonePage, FillsPage, HistoryFilter
from arb_pipelines.exchange.engine.book import Level
from arb_pipelines.exchange.engine.events import Events, Relation
from arb_pipelines.exchange.engine.floor import Floor, spends
from arb_pipelines.exchange.engine.journal import Journal, Kept
from arb_pipelines.exchange.engine.matching import Plan, plan
from arb_pipelines.exchange.engine.money import EXACT, ONE, ZERO, admissible
from arb_pipelines.exchange.engine.orders import (
    NewOrder,
    Order,
    OrderType,
    Side,
    TimeInForce,
    WorkingOrder,
)
from arb_pipelines.exchange.engine.refusals import (
    order_not_found,
    parameter,
    suspended,
    too_many_orders,
    unknown_symbol,
)
from arb_pipelines.exchange.engine.symbols import FeeSchedule, ListedSymbol
from arb_pipelines.exchange.engine.validation import check

#: Active orders an account may have on one symbol.
MAX_ACTIVE_ORDERS = 200


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """A book as it stands: (price, size) best first, and the sequence it stands at."""

    symbol: str
    sequence: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class Exchange:
    """A spot exchange with one matching engine for all its symbols."""

    def __init__(
        self,
        symbols: Sequence[ListedSymbol],
        fees: FeeSchedule | None = None,
        *,
        kept: Kept | None = None,
        journal: Journal | None = None,
    ) -> None:
        """Open with ``kept`` of an earlier exchange, if any; ``journal`` is told of every call.

        Raises:
            ConfigError: an order that was kept rests on a symbol that is not listed.
        """
        self._floor = Floor(symbols, fees or FeeSchedule())
        self._archive = self._floor.archive
        self._halted = {listed.symbol for listed in symbols if not listed.enabled}
        self._journal = journal
        if kept is not None:
            with localcontext(EXACT):
                self._floor.restore(kept)

    def kept(self) -> Kept:
        """Give all that another exchange needs to go on where this one stands."""
        return self._floor.kept()

    # Accounts

    def open_account(self, user: str, balances: Mapping[str, Decimal], now_ns: int = 0) -> Events:
        """Open an account with ``balances``, or pay them into one that is open."""
        with self._call(now_ns):
            if any(not admissible(amount) or amount < ZERO for amount in balances.values()):
                raise parameter("a deposit cannot be negative or have more than 18 decimals")
            accounts = self._floor.accounts
            accounts.users.setdefault(user, {})
            for currency, amount in balances.items():
                self._floor.events.append(
                    accounts.move(user, currency, amount, ZERO, Relation.DEPOSIT, now_ns)
                )
            return self._events()

    def users(self) -> tuple[str, ...]:
        """Name the open accounts."""
        return tuple(self._floor.accounts.users)

    def balances(self, user: str) -> Mapping[str, Balance]:
        """Give all balances of an account by currency."""
        return dict(self._floor.accounts.users.get(user, {}))

    # Orders

    def place(self, user: str, request: NewOrder, now_ns: int, *, dry_run: bool = False) -> Events:
        """Place an order: match what meets it, rest or cancel the rest.

        A dry run is checked alike, balance included, and nothing happens: no events.

        Raises:
            Refused: see ``validation.check``; 400600 unknown symbol, 200001 halted,
                200003 too many active orders, 200004 balance insufficient.
        """
        with self._call(now_ns):
            listed = self._tradable(request.symbol)
            check(request, listed)
            if request.client_oid is not None and self._archive.uses(user, request.client_oid):
                raise parameter("clientOid was used before")
            if self._archive.active_count(user, request.symbol) >= MAX_ACTIVE_ORDERS:
                raise too_many_orders(MAX_ACTIVE_ORDERS)
            planned = plan(self._floor.books[request.symbol], listed, user, request)
            held = self._to_hold(listed, request, planned)
            self._require(user, spends(listed, request), held)
            if dry_run:
                return ()
            self._execute(user, request, planned, held)
            return self._events(request.symbol)

    def cancel(
        self,
        user: str,
        *,
        order_id: str | None = None,
        client_oid: str | None = None,
        now_ns: int,
    ) -> Events:
        """Take back what remains of an active order.

        Raises:
            Refused: there is no such active order.
        """
        with self._call(now_ns):
            order = self._active(user, order_id, client_oid)
            self._floor.finish(order, cancelled=True)
            return self._events(order.request.symbol)

    def cancel_all(self, user: str, symbol: str | None = None, *, now_ns: int) -> Events:
        """Take back all active orders of an account, on one symbol or on all."""
        with self._call(now_ns):
            return self._cancel_each(self._archive.active(user, symbol))

    def cancel_part(self, user: str, order_id: str, size: Decimal, *, now_ns: int) -> Events:
        """Take back ``size`` of an active order; what stays keeps its place in the queue.

        All of what remains, or more, ends the order.

        Raises:
            Refused: no such active order, or ``size`` is no multiple of the increment.
        """
        with self._call(now_ns):
            order = self._active(user, order_id, None)
            listed = self._floor.symbols[order.request.symbol]
            if not admissible(size) or size <= ZERO or size % listed.base_increment:
                raise parameter("cancelSize must be a positive multiple of the base increment")
            if size >= order.remaining:
                self._floor.finish(order, cancelled=True)
            else:
                self._floor.lessen(order, size)
            return self._events(order.request.symbol)

    def alter(
        self,
        user: str,
        *,
        order_id: str | None = None,
        client_oid: str | None = None,
        price: Decimal | None = None,
        size: Decimal | None = None,
        now_ns: int,
    ) -> Events:
        """Cancel an active order and place it anew at another price or size.

        ``size`` counts what has filled already; at or below that the order just ends.
        The new order takes over the client id. A refusal leaves the old one as it was.

        Raises:
            Refused: as ``cancel`` and ``place`` do.
        """
        with self._call(now_ns):
            order = self._active(user, order_id, client_oid)
            listed = self._tradable(order.request.symbol)
            size = order.request.size if size is None else size
            assert size is not None
            if size <= order.deal_size:
                self._floor.finish(order, cancelled=True)
                return self._events(listed.symbol)
            request = replace(
                order.request,
                price=order.request.price if price is None else price,
                size=size - order.deal_size,
            )
            check(request, listed)
            held = self._to_hold(listed, request, None)
            self._require(user, spends(listed, request), held - order.hold)
            self._floor.finish(order, cancelled=True)
            planned = plan(self._floor.books[listed.symbol], listed, user, request)
            self._execute(user, request, planned, held)
            return self._events(listed.symbol)

    def expire(self, now_ns: int) -> Events:
        """Cancel the good-till-time orders whose time is over."""
        with self._call(now_ns):
            return self._cancel_each(self._archive.expired(now_ns))

    def next_expiry_ns(self) -> int | None:
        """Time by which ``expire`` should next be called; ``None`` if nothing waits for it."""
        return self._archive.next_expiry_ns()

    # The venue's own side

    def show(
        self,
        symbol: str,
        bids: Sequence[Level],
        asks: Sequence[Level],
        now_ns: int,
    ) -> Events:
        """Replace the feed's liquidity with the levels (price, size) it shows now.

        What clients took of a level stays gone until the feed shows the level with
        another size, or a book without it. A feed's ask at or below a resting buy, or
        bid at or above a resting sell, fills it at the order's own price, up to the size
        shown. A feed that is crossed in itself, or of a halted symbol, shows nothing.

        Raises:
            Refused: the symbol is not listed.
        """
        with self._call(now_ns):
            if symbol not in self._floor.symbols:
                raise unknown_symbol(symbol)
            if symbol in self._halted or _crossed(bids, asks):
                bids = asks = ()
            self._floor.show(symbol, bids, asks)
            return self._events(symbol)

    def halt(self, symbol: str, now_ns: int) -> Events:
        """Stop trading on a symbol: orders are refused, cancels are not, the feed is gone."""
        with self._call(now_ns):
            if symbol not in self._floor.symbols:
                raise unknown_symbol(symbol)
            self._halted.add(symbol)
            self._floor.show(symbol, (), ())
            return self._events(symbol)

    def resume(self, symbol: str) -> None:
        """Let a symbol trade again; its liquidity is back when the feed next shows it.

        Raises:
            Refused: the symbol is not listed.
        """
        if symbol not in self._floor.symbols:
            raise unknown_symbol(symbol)
        self._halted.discard(symbol)

    # Look-ups

    def symbols(self) -> tuple[ListedSymbol, ...]:
        """List what is listed; ``enabled`` tells whether it trades now."""
        return tuple(
            replace(listed, enabled=listed.symbol not in self._halted)
            for listed in self._floor.symbols.values()
        )

    def fees(self) -> FeeSchedule:
        """Give the schedule of fee rates."""
        return self._floor.fees

    def order(
        self, user: str, *, order_id: str | None = None, client_oid: str | None = None
    ) -> Order | None:
        """Find an account's order by either id, active or done."""
        order = self._archive.find(user, order_id, client_oid)
        return order.frozen() if isinstance(order, WorkingOrder) else order

    def active_orders(self, user: str, symbol: str | None = None) -> tuple[Order, ...]:
        """List an account's active orders, oldest first."""
        return tuple(order.frozen() for order in self._archive.active(user, symbol))

    def done_orders(
        self, user: str, only: HistoryFilter = ANY, *, last_id: int = 0, limit: int = 20
    ) -> DonePage:
        """Page an account's finished orders, newest first."""
        return self._archive.done_page(user, only, last_id, limit)

    def fills(
        self, user: str, only: HistoryFilter = ANY, *, last_id: int = 0, limit: int = 20
    ) -> FillsPage:
        """Page an account's fills, newest first."""
        return self._archive.fills_page(user, only, last_id, limit)

    def book(self, symbol: str, depth: int | None = None) -> BookSnapshot:
        """Show a book, whole or its ``depth`` best levels a side.

        Raises:
            Refused: the symbol is not listed.
        """
        book = self._floor.books.get(symbol)
        if book is None:
            raise unknown_symbol(symbol)
        bids, asks = book.bids.levels(depth), book.asks.levels(depth)
        return BookSnapshot(symbol, book.sequence, tuple(bids), tuple(asks))

    # How it is done

    @contextmanager
    def _call(self, now_ns: int) -> Iterator[None]:
        with localcontext(EXACT):
            self._floor.begin(now_ns)
            yield

    def _events(self, *symbols: str) -> Events:
        """End a call: publish the books of ``symbols``, have it kept, hand out its events."""
        events = self._floor.collect(symbols)
        if self._journal is not None and events:
            self._journal.keep(events, self._floor.accounts)
        return events

    def _execute(self, user: str, request: NewOrder, planned: Plan, held: Decimal) -> None:
        order = self._floor.receive(user, request, held)
        if _must_not_trade(request, planned):
            self._floor.finish(order, cancelled=True)
            return
        self._floor.carry_out(order, planned)
        if order.remaining == ZERO and not order.cancel_exist:
            self._floor.finish(order, cancelled=False)
        elif order.remaining == ZERO or planned.stopped or not _may_rest(request):
            self._floor.finish(order, cancelled=True)
        else:
            self._floor.rest(order)

    def _to_hold(self, listed: ListedSymbol, request: NewOrder, planned: Plan | None) -> Decimal:
        """Give what an order holds: of base for a sell, of quote with the fee for a buy."""
        if request.side is Side.SELL:
            if request.size is not None:
                return request.size
            return ZERO if planned is None else planned.size
        if request.type is OrderType.LIMIT:
            assert request.price is not None
            assert request.size is not None
            funds = request.price * request.size
        elif request.funds is not None:
            funds = request.funds
        else:
            funds = ZERO if planned is None else planned.funds
        return funds * (ONE + self._floor.hold_rate(listed))

    def _require(self, user: str, currency: str, amount: Decimal) -> None:
        if user not in self._floor.accounts.users:
            raise parameter(f"there is no account {user}")
        self._floor.accounts.require(user, currency, amount)

    def _tradable(self, symbol: str) -> ListedSymbol:
        listed = self._floor.symbols.get(symbol)
        if listed is None:
            raise unknown_symbol(symbol)
        if symbol in self._halted:
            raise suspended(symbol)
        return listed

    def _active(self, user: str, order_id: str | None, client_oid: str | None) -> WorkingOrder:
        order = self._archive.find(user, order_id, client_oid)
        if not isinstance(order, WorkingOrder):
            raise order_not_found()
        return order

    def _cancel_each(self, orders: Iterable[WorkingOrder]) -> Events:
        touched: dict[str, None] = {}
        for order in orders:
            self._floor.finish(order, cancelled=True)
            touched[order.request.symbol] = None
        return self._events(*touched)


def _must_not_trade(request: NewOrder, planned: Plan) -> bool:
    """Tell whether an order is cancelled before anything of it trades."""
    if request.post_only:
        return bool(planned.steps) or planned.stopped
    whole_or_not = request.type is OrderType.LIMIT and request.time_in_force is TimeInForce.FOK
    return whole_or_not and planned.size != request.size


def _may_rest(request: NewOrder) -> bool:
    return request.type is OrderType.LIMIT and request.time_in_force in (
        TimeInForce.GTC,
        TimeInForce.GTT,
    )


def _crossed(bids: Sequence[Level], asks: Sequence[Level]) -> bool:
    highest_bid = max((price for price, size in bids if size > ZERO), default=None)
    lowest_ask = min((price for price, size in asks if size > ZERO), default=None)
    return highest_bid is not None and lowest_ask is not None and highest_bid >= lowest_ask
