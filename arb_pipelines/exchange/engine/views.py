"""What may be asked of an exchange; asking changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from arb_pipelines.exchange.engine.accounts import Balance
from arb_pipelines.exchange.engine.archive import ANY, DonePage, FillsPage, HistoryFilter
from arb_pipelines.exchange.engine.book import Level
from arb_pipelines.exchange.engine.floor import Floor
from arb_pipelines.exchange.engine.orders import Order, WorkingOrder
from arb_pipelines.exchange.engine.symbols import FeeSchedule, ListedSymbol


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """A book as it stands: (price, size) best first, and the sequence it stands at."""

    symbol: str
    sequence: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class ExchangeView:
    """An exchange to those who only look: symbols, books, balances, orders and fills."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._archive = floor.archive

    def symbols(self) -> tuple[ListedSymbol, ...]:
        """List what is listed; ``enabled`` tells whether it trades now."""
        return tuple(
            replace(listed, enabled=listed.symbol not in self._floor.halted)
            for listed in self._floor.symbols.values()
        )

    def fees(self) -> FeeSchedule:
        """Give the schedule of fee rates."""
        return self._floor.fees

    def book(self, symbol: str, depth: int | None = None) -> BookSnapshot:
        """Show a book, whole or its ``depth`` best levels a side.

        Raises:
            Refused: the symbol is not listed.
        """
        book = self._floor.books[self._floor.listed(symbol).symbol]
        bids, asks = book.bids.levels(depth), book.asks.levels(depth)
        return BookSnapshot(symbol, book.sequence, tuple(bids), tuple(asks))

    def users(self) -> tuple[str, ...]:
        """Name the open accounts."""
        return tuple(self._floor.accounts.users)

    def balances(self, user: str) -> Mapping[str, Balance]:
        """Give all balances of an account by currency."""
        return dict(self._floor.accounts.users.get(user, {}))

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

    def next_expiry_ns(self) -> int | None:
        """Time by which ``expire`` should next be called; ``None`` if nothing waits for it."""
        return self._archive.next_expiry_ns()
