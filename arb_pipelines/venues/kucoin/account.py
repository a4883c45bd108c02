"""The account at KuCoin: orders, executions and balances as they happen, or looked up.

The private stream tells first; what it may have lost with its connection is looked up by
REST as soon as it is back, so that ``next_event`` misses nothing of the orders followed.
The stream tells no fee: a look-up does.

Source: https://www.kucoin.com/docs-new/3470227w0 (orders V2), 3470231w0 (balances)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal

from arb_pipelines.awake import Awake
from arb_pipelines.clock import NS_PER_MS, now_ns
from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.venues.base import (
    AccountEvent,
    BalanceChanged,
    NewOrder,
    OrderReport,
    OwnFill,
)
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.codec import Frame, Reader
from arb_pipelines.venues.kucoin.codec_orders import (
    AccountRow,
    BalanceMessage,
    FillRow,
    OrderChange,
    OrderDetail,
    amount,
    report_of,
)
from arb_pipelines.venues.kucoin.history import ask_fill_rows, ask_fills, ask_open_orders
from arb_pipelines.venues.kucoin.orders_followed import (
    FollowedOrder,
    FollowedOrders,
    events_found,
    events_of,
)
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.streams import Stream
from arb_pipelines.venues.retry import RECONNECT, Patience, reconnecting
from arb_pipelines.venues.tasks import worst_error

TOPICS = ("/spotMarket/tradeOrdersV2", "/account/balance")
_CHANGE = Reader(OrderChange, "an order's message")
_BALANCE = Reader(BalanceMessage, "a balance's message")
_DETAIL = Reader(OrderDetail, "an order")
_ROWS = Reader(list[AccountRow], "balances")
#: The account that trades; deposits arrive in ``main``.
_TRADING = "trade"
#: Codes of other refusals, too: the message tells them apart.
_NO_SUCH_ORDER = frozenset({"100001", "400100"})


class KucoinAccount:
    """Follows orders and balances of one key (``Account``)."""

    def __init__(
        self,
        client: Rest,
        *,
        patience: Patience = RECONNECT,
        wall_ns: Callable[[], int] = now_ns,
        awake: Awake | None = None,
    ) -> None:
        self._client, self._patience, self._wall_ns = client, patience, wall_ns
        self._orders = FollowedOrders()
        self._events: asyncio.Queue[AccountEvent] = asyncio.Queue()
        self._returned = asyncio.Event()
        self._told: dict[str, int] = {}
        self.in_service = asyncio.Event()
        self.awake = awake or Awake()

    def follow(self, order: NewOrder) -> FollowedOrder:
        """Follow an order from now on; before it is sent."""
        return self._orders.follow(order)

    def forget(self, client_id: str) -> None:
        """Follow an order no longer."""
        self._orders.forget(client_id)

    async def run(self) -> None:
        """Follow the account until cancelled. ``in_service`` is set while the stream is.

        Raises:
            Fatal: the keys do not do.
            ProtocolViolation: a message without sense.
        """
        stream = Stream(
            self._client,
            TOPICS,
            private=True,
            on_message=self._on_message,
            on_up=self._on_up,
            on_down=self.in_service.clear,
            patience=self._patience,
            wall_ns=self._wall_ns,
        )
        with worst_error():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(stream.run())
                tasks.create_task(reconnecting(self._recover, self._patience))

    async def next_event(self) -> AccountEvent:
        """Wait for the next event, in order of receipt; none is ever dropped."""
        return await self._events.get()

    async def settled(self, client_id: str, timeout_s: float) -> OrderReport | None:
        """Wait until all of a followed order is known; after ``timeout_s`` ask by REST.

        An answer from the stream has no fee. After the time an order may still be active,
        or ``None``: the venue does not know it (yet).

        Raises:
            Transient, Fatal: the look-up failed.
        """
        followed = self._orders.get(client_id)
        if followed.settled.is_set():
            return followed.report()
        try:
            with self.awake:
                async with asyncio.timeout(timeout_s):
                    await followed.settled.wait()
        except TimeoutError:
            return await self.look_up(client_id, followed.order.symbol)
        return followed.report()

    async def look_up(self, client_id: str, symbol: str) -> OrderReport | None:
        """Ask the venue what became of an order; ``None`` if it does not know it."""
        try:
            answer = await self._client.call(rest.LOOK_UP, name=client_id, query={"symbol": symbol})
        except Rejected as refused:
            if refused.code in _NO_SUCH_ORDER and "exist" in str(refused).lower():
                return None
            raise
        if bytes(answer) == b"null":
            return None
        return report_of(_DETAIL.read(answer))

    async def executions(self, order_id: str, symbol: str) -> list[FillRow]:
        """Ask for the executions of an order, with their fees."""
        return await ask_fill_rows(
            self._client, rest.FILLS, {"symbol": symbol, "orderId": order_id}
        )

    async def open_orders(self, symbols: Collection[str]) -> list[OrderReport]:
        """Ask for the orders on some symbols that may still fill, whoever made them."""
        return await ask_open_orders(self._client, symbols)

    async def fills(self, since_ns: int, symbols: Collection[str]) -> list[OwnFill]:
        """Ask for the account's executions on some symbols since a time, the oldest first."""
        return await ask_fills(self._client, since_ns, self._wall_ns(), symbols)

    async def balances(self) -> Mapping[str, Decimal]:
        """Ask the venue what is free to trade, by currency."""
        return {row.currency: amount(row.available, "available") for row in await self._rows()}

    async def _rows(self) -> list[AccountRow]:
        rows = _ROWS.read(await self._client.call(rest.ACCOUNTS, query={"type": _TRADING}))
        return [row for row in rows if row.type == _TRADING]

    def _on_message(self, frame: Frame, ts_recv: int) -> None:
        if frame.subject == "orderChange":
            for event in self._orders.take(events_of(_CHANGE.read(frame.data), ts_recv)):
                self._events.put_nowait(event)
        elif frame.subject == "account.balance":
            message = _BALANCE.read(frame.data)
            if message.relation_event.startswith(_TRADING):
                self._tell(message, ts_recv)

    def _tell(self, message: BalanceMessage, ts_recv: int) -> None:
        context = message.relation_context
        self._told[message.currency] = self._told.get(message.currency, 0) + 1
        self._events.put_nowait(
            BalanceChanged(
                message.currency,
                amount(message.available, "available"),
                amount(message.hold, "hold"),
                context.order_id if context else None,
                message.time * NS_PER_MS,
                ts_recv,
            )
        )

    def _on_up(self) -> None:
        self._returned.set()
        self.in_service.set()

    async def _recover(self, recovered: Callable[[], None]) -> None:
        """When the stream is back, tell what it may have missed."""
        await self._returned.wait()
        self._returned.clear()
        try:
            await self._find_balances()
            for followed in self._orders.unsettled():
                await self._find(followed)
        except Transient:
            self._returned.set()
            raise
        recovered()

    async def _find(self, followed: FollowedOrder) -> None:
        order = followed.order
        report = await self.look_up(order.client_id, order.symbol)
        if report is not None:
            fills = await self.executions(report.order_id, order.symbol)
            for event in self._orders.take(events_found(report, fills, self._wall_ns())):
                self._events.put_nowait(event)

    async def _find_balances(self) -> None:
        """Tell all balances, but those the stream told while they were asked for."""
        before = dict(self._told)
        for row in await self._rows():
            if self._told.get(row.currency) == before.get(row.currency):
                available, hold = amount(row.available, "available"), amount(row.holds, "holds")
                now = self._wall_ns()
                self._events.put_nowait(
                    BalanceChanged(row.currency, available, hold, None, now, now)
                )
