"""The trading floor: what every call works on, and an order's life on it.

One object holds accounts, books, counters and kept orders, takes holds and gives them
back, and collects the events of the call in hand. How orders trade belongs to
``trades``, which calls there are to ``exchange``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from arb_pipelines.exchange.engine.accounts import Accounts
from arb_pipelines.exchange.engine.archive import Archive
from arb_pipelines.exchange.engine.book import Book
from arb_pipelines.exchange.engine.events import (
    Change,
    Event,
    Events,
    OrderChanged,
    Relation,
    Status,
)
from arb_pipelines.exchange.engine.holds import held_for, hold_rate, spends
from arb_pipelines.exchange.engine.money import ZERO
from arb_pipelines.exchange.engine.orders import Fill, NewOrder, WorkingOrder
from arb_pipelines.exchange.engine.refusals import suspended, unknown_symbol
from arb_pipelines.exchange.engine.symbols import FeeSchedule, ListedSymbol


class Floor:
    """Carry out what was decided, and note each step as an event."""

    def __init__(self, symbols: Sequence[ListedSymbol], fees: FeeSchedule) -> None:
        self.symbols = {listed.symbol: listed for listed in symbols}
        self.halted = {listed.symbol for listed in symbols if not listed.enabled}
        self.fees = fees
        self.accounts = Accounts()
        self.archive = Archive()
        self.books = {symbol: Book(symbol) for symbol in self.symbols}
        self.trade_ids = dict.fromkeys(self.symbols, 0)
        self.events: list[Event] = []
        self.now_ns = 0

    def begin(self, now_ns: int) -> None:
        """Start a call: what it does happens at ``now_ns``."""
        self.now_ns = now_ns
        self.events.clear()

    def collect(self, symbols: Iterable[str]) -> Events:
        """Publish the books of ``symbols`` and hand over the events of the call."""
        for symbol in symbols:
            changed = self.books[symbol].publish(self.now_ns)
            if changed is not None:
                self.events.append(changed)
        events = tuple(self.events)
        self.events.clear()
        return events

    def listed(self, symbol: str) -> ListedSymbol:
        """Find a symbol.

        Raises:
            Refused: it is not listed.
        """
        listed = self.symbols.get(symbol)
        if listed is None:
            raise unknown_symbol(symbol)
        return listed

    def tradable(self, symbol: str) -> ListedSymbol:
        """Find a symbol that takes orders.

        Raises:
            Refused: it is not listed, or halted.
        """
        listed = self.listed(symbol)
        if symbol in self.halted:
            raise suspended(symbol)
        return listed

    def receive(self, user: str, request: NewOrder, amount_held: Decimal) -> WorkingOrder:
        """Accept an order and hold what it may spend."""
        listed = self.symbols[request.symbol]
        number = self.archive.next_number()
        order = WorkingOrder(
            id=f"{number:024x}",
            number=number,
            user=user,
            request=request,
            created_ns=self.now_ns,
            updated_ns=self.now_ns,
            fee_currency=listed.quote,
            hold_rate=hold_rate(self.fees, listed),
        )
        self.archive.admit(order)
        self.note(Change.RECEIVED, Status.NEW, order)
        order.hold = amount_held
        if amount_held:
            self.move(order, spends(listed, request), -amount_held, amount_held, Relation.HOLD)
        return order

    def rest(self, order: WorkingOrder) -> None:
        """Put what remains of a limit order into the book."""
        order.in_book = True
        self.books[order.request.symbol].side(order.request.side).join(order)
        self.note(Change.OPEN, Status.OPEN, order)

    def lessen(self, order: WorkingOrder, size: Decimal) -> None:
        """Cancel ``size`` of a resting order, which keeps its place and some of its size."""
        old_size = order.remaining
        order.give_up(size)
        order.updated_ns = self.now_ns
        self.books[order.request.symbol].side(order.request.side).lessen(order, size)
        assert order.request.price is not None
        released = held_for(order, order.request.price, size)
        order.hold -= released
        self.note(Change.UPDATE, Status.OPEN, order, old_size=old_size)
        self._release(order, released)

    def finish(self, order: WorkingOrder, *, cancelled: bool) -> None:
        """End an order and give back what it still holds."""
        remaining = order.remaining
        if order.in_book:
            if remaining > ZERO:
                self.books[order.request.symbol].side(order.request.side).remove(order)
            order.in_book = False
        if cancelled:
            order.give_up(remaining)
        released, order.hold = order.hold, ZERO
        order.updated_ns = self.now_ns
        self.archive.finish(order)
        self.note(Change.CANCELED if cancelled else Change.FILLED, Status.DONE, order)
        if released:
            self._release(order, released)

    def note(
        self,
        change: Change,
        status: Status,
        order: WorkingOrder,
        *,
        fill: Fill | None = None,
        old_size: Decimal | None = None,
    ) -> None:
        """Note what happened to an order, and how it stands now."""
        self.events.append(
            OrderChanged(change, status, order.frozen(), self.now_ns, fill, old_size)
        )

    def move(
        self,
        order: WorkingOrder,
        currency: str,
        available: Decimal,
        hold: Decimal,
        relation: Relation,
        trade_id: int | None = None,
    ) -> None:
        """Add ``available`` and ``hold`` (either sign) to a balance, on account of an order."""
        self.events.append(
            self.accounts.move(
                order.user,
                currency,
                available,
                hold,
                relation,
                self.now_ns,
                symbol=order.request.symbol,
                order_id=order.id,
                trade_id=trade_id,
            )
        )

    def _release(self, order: WorkingOrder, amount: Decimal) -> None:
        currency = spends(self.symbols[order.request.symbol], order.request)
        self.move(order, currency, amount, -amount, Relation.RELEASE)
