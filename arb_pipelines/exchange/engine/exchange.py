"""The exchange: every call that a client, a feed or an operator can make.

A call takes the time it happens at and returns its events in order, or raises
``Refused`` and has changed nothing. The same calls give the same events. Nothing here
knows of wires, files or clocks. What may be asked without a call is in ``views``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal, localcontext

from msgspec.structs import replace

from arb_pipelines.exchange.engine.book import Level
from arb_pipelines.exchange.engine.discount import price_to_pay
from arb_pipelines.exchange.engine.events import Events, Relation
from arb_pipelines.exchange.engine.floor import Floor
from arb_pipelines.exchange.engine.holds import hold_rate, spends, to_hold
from arb_pipelines.exchange.engine.journal import Journal, Kept
from arb_pipelines.exchange.engine.keeping import picture, restore
from arb_pipelines.exchange.engine.matching import Plan, may_rest, must_not_trade, plan
from arb_pipelines.exchange.engine.money import EXACT, ZERO, admissible
from arb_pipelines.exchange.engine.orders import NewOrder, WorkingOrder
from arb_pipelines.exchange.engine.refusals import order_not_found, parameter, too_many_orders
from arb_pipelines.exchange.engine.symbols import FeeSchedule, ListedSymbol
from arb_pipelines.exchange.engine.trades import Trades
from arb_pipelines.exchange.engine.validation import check
from arb_pipelines.exchange.engine.views import ExchangeView

#: Active orders an account may have on one symbol.
MAX_ACTIVE_ORDERS = 200


class Exchange(ExchangeView):
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
        super().__init__(Floor(symbols, fees or FeeSchedule()))
        self._trades = Trades(self._floor)
        self._journal = journal
        if kept is not None:
            with localcontext(EXACT):
                restore(self._floor, kept)

    def kept(self) -> Kept:
        """Give all that another exchange needs to go on where this one stands."""
        return picture(self._floor)

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

    def set_aside(self, user: str, currency: str, amount: Decimal, now_ns: int) -> Events:
        """Put ``amount`` of what is available on hold; below zero, free it again."""
        with self._call(now_ns):
            relation = Relation.HOLD if amount > ZERO else Relation.RELEASE
            accounts = self._floor.accounts
            self._floor.events.append(
                accounts.move(user, currency, -amount, amount, relation, now_ns)
            )
            return self._events()

    # Orders

    def place(self, user: str, request: NewOrder, now_ns: int, *, dry_run: bool = False) -> Events:
        """Place an order: match what meets it, rest or cancel the rest.

        A dry run is checked alike, balance included, and nothing happens: no events.

        Raises:
            Refused: see ``validation.check``; 400600 unknown symbol, 200001 halted,
                200003 too many active orders, 200004 balance insufficient.
        """
        with self._call(now_ns):
            listed = self._floor.tradable(request.symbol)
            check(request, listed)
            if request.client_oid is not None and self._archive.uses(user, request.client_oid):
                raise parameter("clientOid was used before")
            if self._archive.active_count(user, request.symbol) >= MAX_ACTIVE_ORDERS:
                raise too_many_orders(MAX_ACTIVE_ORDERS)
            planned = plan(self._floor.books[request.symbol], listed, user, request)
            held = to_hold(request, planned, hold_rate(self._floor.fees, listed))
            self._floor.accounts.require(user, spends(listed, request), held)
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
            listed = self._floor.tradable(order.request.symbol)
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
            held = to_hold(request, None, hold_rate(self._floor.fees, listed))
            self._floor.accounts.require(user, spends(listed, request), held - order.hold)
            self._floor.finish(order, cancelled=True)
            planned = plan(self._floor.books[listed.symbol], listed, user, request)
            self._execute(user, request, planned, held)
            return self._events(listed.symbol)

    def expire(self, now_ns: int) -> Events:
        """Cancel the good-till-time orders whose time is over."""
        with self._call(now_ns):
            return self._cancel_each(self._archive.expired(now_ns))

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
            self._floor.listed(symbol)
            if symbol in self._floor.halted or _crossed(bids, asks):
                bids = asks = ()
            self._show(symbol, bids, asks)
            return self._events(symbol)

    def halt(self, symbol: str, now_ns: int) -> Events:
        """Stop trading on a symbol: orders are refused, cancels are not, the feed is gone."""
        with self._call(now_ns):
            self._floor.listed(symbol)
            self._floor.halted.add(symbol)
            self._show(symbol, (), ())
            return self._events(symbol)

    def resume(self, symbol: str) -> None:
        """Let a symbol trade again; its liquidity is back when the feed next shows it.

        Raises:
            Refused: the symbol is not listed.
        """
        self._floor.listed(symbol)
        self._floor.halted.discard(symbol)

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

    def _show(self, symbol: str, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Replace a book's feed liquidity and fill the orders it crosses."""
        book = self._floor.books[symbol]
        book.bids.show(bids)
        book.asks.show(asks)
        self._trades.cross(book)

    def _execute(self, user: str, request: NewOrder, planned: Plan, held: Decimal) -> None:
        order = self._floor.receive(user, request, held)
        order.kcs_price = price_to_pay(self._floor, order, planned)
        if must_not_trade(request, planned):
            self._floor.finish(order, cancelled=True)
            return
        self._trades.carry_out(order, planned)
        if order.remaining == ZERO and not order.cancel_exist:
            self._floor.finish(order, cancelled=False)
        elif order.remaining == ZERO or planned.stopped or not may_rest(request):
            self._floor.finish(order, cancelled=True)
        else:
            self._floor.rest(order)

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


def _crossed(bids: Sequence[Level], asks: Sequence[Level]) -> bool:
    highest_bid = max((price for price, size in bids if size > ZERO), default=None)
    lowest_ask = min((price for price, size in asks if size > ZERO), default=None)
    return highest_bid is not None and lowest_ask is not None and highest_bid >= lowest_ask
