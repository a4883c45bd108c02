"""The account at any exchange through ccxt: its orders and balances, watched and looked up.

What a stream of ccxt tells is a reason to look, and no more: the report of an order is
always what the exchange answers by REST, with its fee. Where a class has no streams, or
one is lost, orders are asked about again and again instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from decimal import Decimal
from importlib import import_module
from typing import Any

from arb_pipelines.clock import NS_PER_MS, now_ns
from arb_pipelines.errors import InvariantBroken, Rejected
from arb_pipelines.venues.base import (
    AccountEvent,
    BalanceChanged,
    Done,
    NewOrder,
    OrderReport,
    OwnFill,
    Resting,
)
from arb_pipelines.venues.ccxt_any.failures import asking
from arb_pipelines.venues.ccxt_any.history import ask_fills, ask_open_orders
from arb_pipelines.venues.ccxt_any.numbers import exact
from arb_pipelines.venues.ccxt_any.orders import Listed, has_ended, report_of, was_cancelled
from arb_pipelines.venues.retry import RECONNECT, Patience, reconnecting
from arb_pipelines.venues.tasks import worst_error

#: Between two looks at an order that no stream has told of: the first, and the longest.
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.1, 2.0
#: Where an order may be found that cannot be asked for by its client id.
_LISTS = {
    "fetchOpenOrders": "fetch_open_orders",
    "fetchClosedOrders": "fetch_closed_orders",
    "fetchCanceledOrders": "fetch_canceled_orders",
}


class _Followed:
    """An order under way; ``told`` is set when a stream says that it has ended."""

    __slots__ = ("order", "order_id", "rests", "told")

    def __init__(self, order: NewOrder) -> None:
        self.order, self.order_id, self.rests = order, "", False
        self.told = asyncio.Event()

    @property
    def names(self) -> tuple[str, str, str]:
        """Client id, the exchange's id, and symbol."""
        return self.order.client_id, self.order_id, self.order.symbol


class CcxtAccount:
    """Follows orders and balances of one key (``Account``); ``client`` is an exact one."""

    def __init__(
        self,
        client: Any,
        listed: Mapping[str, Listed],
        *,
        patience: Patience = RECONNECT,
        wall_ns: Callable[[], int] = now_ns,
    ) -> None:
        self._client, self._listed = client, listed
        self._patience, self._wall_ns = patience, wall_ns
        self._orders: dict[str, _Followed] = {}
        self._events: asyncio.Queue[AccountEvent] = asyncio.Queue()
        self._balances: dict[str, tuple[Decimal, Decimal]] = {}

    def follow(self, order: NewOrder) -> None:
        """Follow an order from now on; before it is sent.

        Raises:
            InvariantBroken: its client id was used for another that is still followed.
        """
        if order.client_id in self._orders:
            raise InvariantBroken(f"order {order.client_id} is followed already: ids are used once")
        self._orders[order.client_id] = _Followed(order)

    def placed(self, client_id: str, order_id: str) -> None:
        """Note the exchange's id of an order."""
        if client_id in self._orders:
            self._orders[client_id].order_id = order_id

    def order_id(self, client_id: str) -> str:
        """The exchange's id of a followed order, '' if it is not known."""
        followed = self._orders.get(client_id)
        return followed.order_id if followed else ""

    def forget(self, client_id: str) -> None:
        """Follow an order no longer."""
        self._orders.pop(client_id, None)

    async def run(self) -> None:
        """Watch what the class has streams of, until cancelled.

        Raises:
            Fatal: the exchange turns us away.
            ProtocolViolation: a message without sense.
        """
        watched: list[tuple[str, Callable[[], Awaitable[Any]], Callable[[Any], None]]] = []
        if self._client.has.get("watchOrders"):
            watched.append(("orders", self._client.watch_orders, self._take_orders))
        if self._client.has.get("watchBalance"):
            watched.append(("balances", self._client.watch_balance, self._take_balance))
        with worst_error():
            async with asyncio.TaskGroup() as tasks:
                for what, watch, take in watched:
                    tasks.create_task(self._watch(what, watch, take))
                await asyncio.get_running_loop().create_future()

    async def next_event(self) -> AccountEvent:
        """Wait for the next event, in order of receipt. Executions come with the report alone."""
        return await self._events.get()

    async def settled(self, client_id: str, timeout_s: float) -> OrderReport | None:
        """Wait for the end of a followed order; give what the exchange answers about it.

        Raises:
            Transient, Fatal: the look-up failed.
        """
        followed = self._orders.get(client_id)
        if followed is None:
            raise InvariantBroken(f"order {client_id} is not followed: follow it before it is sent")
        symbol, pause_s, report = followed.order.symbol, _FIRST_LOOK_S, None
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            left_s = deadline - asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(max(min(pause_s, left_s), 0.0)):
                    await followed.told.wait()
            except TimeoutError:
                pause_s = min(2 * pause_s, _LONGEST_LOOK_S)
            report = await self.look_up(client_id, symbol)
            if left_s <= 0.0 or (report is not None and not report.active):
                return report
            followed.told.clear()

    async def look_up(self, client_id: str, symbol: str) -> OrderReport | None:
        """Ask the exchange what became of an order; ``None`` if it does not know it."""
        listed, known_id = self._listed[symbol], self.order_id(client_id)
        what = f"look-up of order {client_id}"
        with asking(what, acts=False):
            order = await self._find(client_id, known_id, listed.name)
            return None if order is None else report_of(order, symbol)

    async def balances(self) -> Mapping[str, Decimal]:
        """Ask the exchange what is free to trade, by currency."""
        with asking("balances", acts=False):
            told = await self._client.fetch_balance()
            return {currency: exact(free) for currency, free in told["free"].items() if free}

    async def open_orders(self, symbols: Collection[str]) -> list[OrderReport]:
        """Ask for the orders on some symbols that may still fill, whoever made them."""
        return await ask_open_orders(self._client, self._listed, symbols)

    async def fills(self, since_ns: int, symbols: Collection[str]) -> list[OwnFill]:
        """Ask for the account's executions on some symbols since a time, the oldest first."""
        return await ask_fills(self._client, self._listed, since_ns, self._wall_ns(), symbols)

    async def _find(self, client_id: str, order_id: str, name: str) -> Any:
        """Find an order by the exchange's id, else by ours, else in the lists of orders."""
        missing = import_module("ccxt.base.errors").OrderNotFound
        if self._client.has.get("fetchOrder"):
            try:
                if order_id:
                    return await self._client.fetch_order(order_id, name)
                order = await self._client.fetch_order_with_client_order_id(client_id, name)
            except missing:
                return None
            if order.get("clientOrderId") == client_id:
                return order
        lists = [method for able, method in _LISTS.items() if self._client.has.get(able)]
        if len(lists) < 2:
            raise Rejected(f"ccxt's {self._client.id} cannot look orders up by their client id")
        for method in lists:
            for order in await getattr(self._client, method)(name):
                if order.get("clientOrderId") == client_id:
                    return order
        return None

    # -- streams -----------------------------------------------------------------------

    async def _watch(
        self, what: str, watch: Callable[[], Awaitable[Any]], take: Callable[[Any], None]
    ) -> None:
        async def hear(heard: Callable[[], None]) -> None:
            with asking(f"stream of {what}", acts=False):
                take(await watch())
            heard()

        await reconnecting(hear, self._patience)  # look-ups find what a loss keeps from us

    def _take_orders(self, orders: list[Mapping[str, Any]]) -> None:
        for order in orders:
            followed = self._orders.get(str(order.get("clientOrderId") or ""))
            if followed is None:
                continue
            followed.order_id = str(order["id"])
            if has_ended(order):
                followed.told.set()
                self._tell(self._done(followed, order))
            elif not followed.rests:
                followed.rests = True
                self._tell(Resting(*followed.names, _ns(order), self._wall_ns()))

    def _done(self, followed: _Followed, order: Mapping[str, Any]) -> Done:
        size, cancelled = exact(order.get("filled") or 0), was_cancelled(order)
        return Done(*followed.names, size, cancelled, _ns(order), self._wall_ns())

    def _take_balance(self, told: Mapping[str, Any]) -> None:
        for currency, free in told["free"].items():
            now = exact(free or 0), exact(told["used"].get(currency) or 0)
            if self._balances.get(currency) != now:
                self._balances[currency] = now
                self._tell(BalanceChanged(currency, *now, None, _ns(told), self._wall_ns()))

    def _tell(self, event: AccountEvent) -> None:
        self._events.put_nowait(event)


def _ns(told: Mapping[str, Any]) -> int:
    """The exchange's time of what it told, 0 where it did not say."""
    return int(told.get("lastUpdateTimestamp") or told.get("timestamp") or 0) * NS_PER_MS
