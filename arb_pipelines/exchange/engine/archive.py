"""The venue's memory of orders and fills: look-ups by id, active orders, pages of history.

Active orders are kept until they end. Of what is over only the newest ``HISTORY`` are,
so that a long session does not grow; the state file has them all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TypeVar

from arb_pipelines.exchange.engine.orders import (
    Fill,
    Order,
    OrderType,
    Side,
    WorkingOrder,
)

#: Finished orders, and fills, that stay in memory.
HISTORY = 20_000


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which orders or fills a page shows; ``None`` means any. Times are ns, inclusive."""

    symbol: str | None = None
    side: Side | None = None
    type: OrderType | None = None
    order_id: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None


ANY = HistoryFilter()


@dataclass(frozen=True, slots=True)
class DonePage:
    """Finished orders, newest first; ``last_id`` asks for the next page, 0 at the end."""

    items: tuple[Order, ...]
    last_id: int


@dataclass(frozen=True, slots=True)
class FillsPage:
    """Fills, newest first; ``last_id`` asks for the next page, 0 at the end."""

    items: tuple[Fill, ...]
    last_id: int


class Archive:
    """Orders and fills of all accounts."""

    def __init__(self) -> None:
        self.orders_seen = self.orders_done = self.fills_seen = 0
        self.done: deque[Order] = deque()
        self.fills: deque[Fill] = deque(maxlen=HISTORY)
        self._active: dict[int, WorkingOrder] = {}
        self._of_user: dict[str, dict[str, dict[int, WorkingOrder]]] = {}
        self._by_id: dict[str, WorkingOrder | Order] = {}
        self._by_client_oid: dict[tuple[str, str], str] = {}
        self._expiries: list[tuple[int, int]] = []

    def next_number(self) -> int:
        """Count one more order."""
        self.orders_seen += 1
        return self.orders_seen

    def next_fill_id(self) -> int:
        """Count one more fill."""
        self.fills_seen += 1
        return self.fills_seen

    def admit(self, order: WorkingOrder) -> None:
        """Know a new, or restored, active order."""
        self._active[order.number] = order
        of_symbol = self._of_user.setdefault(order.user, {}).setdefault(order.request.symbol, {})
        of_symbol[order.number] = order
        self._by_id[order.id] = order
        if order.request.client_oid is not None:
            self._by_client_oid[order.user, order.request.client_oid] = order.id
        if order.request.cancel_after_s is not None:
            expires_ns = order.created_ns + order.request.cancel_after_s * 1_000_000_000
            heappush(self._expiries, (expires_ns, order.number))

    def finish(self, order: WorkingOrder) -> None:
        """Move an order from the active to the finished, forgetting the oldest if there are many.

        Its figures must be final.
        """
        self.orders_done += 1
        order.done_number = self.orders_done
        del self._active[order.number]
        del self._of_user[order.user][order.request.symbol][order.number]
        self.keep_done(order.frozen())

    def keep_done(self, order: Order) -> None:
        """Remember a finished order."""
        self._by_id[order.id] = order
        client_oid = order.request.client_oid
        if client_oid is not None:
            # An altered order hands its client id to the one that took its place.
            key = (order.user, client_oid)
            self._by_client_oid[key] = max(order.id, self._by_client_oid.get(key, ""))
        self.done.append(order)
        if len(self.done) > HISTORY:
            self._forget(self.done.popleft())

    def keep_fill(self, fill: Fill) -> None:
        """Remember a fill."""
        self.fills.append(fill)

    def find(
        self, user: str, order_id: str | None, client_oid: str | None
    ) -> WorkingOrder | Order | None:
        """Find a user's order, active or remembered, by either id."""
        if order_id is None:
            order_id = self._by_client_oid.get((user, client_oid or ""))
        order = None if order_id is None else self._by_id.get(order_id)
        return order if order is not None and order.user == user else None

    def uses(self, user: str, client_oid: str) -> bool:
        """Tell whether a client id was used before."""
        return (user, client_oid) in self._by_client_oid

    def active(self, user: str, symbol: str | None = None) -> list[WorkingOrder]:
        """List a user's active orders, oldest first."""
        of_user = self._of_user.get(user, {})
        if symbol is not None:
            return list(of_user.get(symbol, {}).values())
        orders = [order for of_symbol in of_user.values() for order in of_symbol.values()]
        return sorted(orders, key=lambda order: order.number)

    def active_count(self, user: str, symbol: str) -> int:
        """Count a user's active orders on a symbol."""
        return len(self._of_user.get(user, {}).get(symbol, ()))

    def all_active(self) -> Iterator[WorkingOrder]:
        """Walk the active orders of everybody, oldest first."""
        return iter(self._active.values())

    def expired(self, now_ns: int) -> Iterator[WorkingOrder]:
        """Give the orders whose time is over, those due first, and forget their time."""
        while self._expiries and self._expiries[0][0] <= now_ns:
            order = self._active.get(heappop(self._expiries)[1])
            if order is not None:
                yield order

    def next_expiry_ns(self) -> int | None:
        """Time at which ``expired`` may next have something to give."""
        return self._expiries[0][0] if self._expiries else None

    def done_page(self, user: str, only: HistoryFilter, last_id: int, limit: int) -> DonePage:
        """Page a user's finished orders; ``last_id`` 0 starts with the newest."""
        items, more = _page(
            reversed(self.done),
            lambda order: (
                (not last_id or order.done_number < last_id)
                and order.user == user
                and only.symbol in (None, order.request.symbol)
                and only.side in (None, order.request.side)
                and only.type in (None, order.request.type)
                and only.order_id in (None, order.id)
                and _within(order.created_ns, only)
            ),
            limit,
        )
        return DonePage(tuple(items), items[-1].done_number if more else 0)

    def fills_page(self, user: str, only: HistoryFilter, last_id: int, limit: int) -> FillsPage:
        """Page a user's fills; ``last_id`` 0 starts with the newest."""
        items, more = _page(
            reversed(self.fills),
            lambda fill: (
                (not last_id or fill.id < last_id)
                and fill.user == user
                and only.symbol in (None, fill.symbol)
                and only.side in (None, fill.side)
                and only.type in (None, fill.type)
                and only.order_id in (None, fill.order_id)
                and _within(fill.time_ns, only)
            ),
            limit,
        )
        return FillsPage(tuple(items), items[-1].id if more else 0)

    def _forget(self, order: Order) -> None:
        del self._by_id[order.id]
        client_oid = order.request.client_oid
        if client_oid is not None:
            key = (order.user, client_oid)
            if self._by_client_oid.get(key) == order.id:
                del self._by_client_oid[key]


Item = TypeVar("Item")


def _page(
    newest_first: Iterable[Item], wanted: Callable[[Item], bool], limit: int
) -> tuple[list[Item], bool]:
    """Take up to ``limit`` items, and tell whether there is one more."""
    items: list[Item] = []
    for item in newest_first:
        if wanted(item):
            if len(items) == limit:
                return items, True
            items.append(item)
    return items, False


def _within(time_ns: int, only: HistoryFilter) -> bool:
    after = only.start_ns is None or time_ns >= only.start_ns
    return after and (only.end_ns is None or time_ns <= only.end_ns)
