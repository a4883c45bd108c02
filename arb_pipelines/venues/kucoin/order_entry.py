"""Orders to KuCoin, by REST or by a WebSocket of their own: two ways behind one protocol.

An order is followed before it leaves (``account``), is sent once, and its end is told by
``errors``. There is no retry here and none belongs around it: what may have happened is
looked up by its client id.

Source: https://www.kucoin.com/docs-new/rest/spot-trading/orders/add-order and
https://www.kucoin.com/docs-new/websocket-api/base-info/introduction-uta (order entry)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import count

import msgspec

from arb_pipelines.clock import steady_ns
from arb_pipelines.errors import (
    Fatal,
    OutcomeUnknown,
    ProtocolViolation,
    Rejected,
    Transient,
    VenueError,
)
from arb_pipelines.venues.base import Accepted, NewOrder
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.codec import Reader
from arb_pipelines.venues.kucoin.codec_orders import Placed, SocketAnswer, order_fields
from arb_pipelines.venues.kucoin.connections import (
    keep_alive,
    lost,
    open_socket,
    receive_text,
    send_text,
)
from arb_pipelines.venues.kucoin.replies import OK, refusal
from arb_pipelines.venues.kucoin.rest import Call, Rest
from arb_pipelines.venues.retry import RECONNECT, Patience, reconnecting
from arb_pipelines.venues.tasks import worst_error
from arb_pipelines.venues.text_socket import TextSocket

_PLACED = Reader(Placed, "the answer to an order")
_ANSWER = Reader(SocketAnswer, "an answer to order entry")
_WHAT = "order entry"
_LOGIN_S = 10.0
#: It is known that nothing came of the order.
_NOTHING_HAPPENED = (Rejected, Transient, Fatal)


class RestOrderEntry:
    """Sends orders by REST (``OrderEntry``)."""

    def __init__(
        self, client: Rest, account: KucoinAccount, *, wall_ns: Callable[[], int] = steady_ns
    ) -> None:
        self._client, self._account, self._wall_ns = client, account, wall_ns

    async def place(self, order: NewOrder) -> Accepted:
        """Send an order once; follow it from before it leaves."""
        self._account.follow(order)
        sent = self._wall_ns()
        try:
            with self._account.awake:
                answer = await self._client.call(rest.ORDER, body=order_fields(order))
        except _NOTHING_HAPPENED:
            self._account.forget(order.client_id)
            raise
        return _accepted(order, answer, sent, self._wall_ns())

    async def cancel(self, client_id: str, symbol: str) -> None:
        """Ask once to take an order back."""
        await self._client.call(rest.CANCEL, name=client_id, query={"symbol": symbol})

    async def test(self, order: NewOrder) -> None:
        """Have the venue check an order; nothing reaches the market."""
        await self._client.call(rest.ORDER_TEST, body=order_fields(order))


class SocketOrderEntry:
    """Sends orders over a connection of its own at ``url`` (``OrderEntry``).

    ``run`` keeps the connection; without one an order is ``Transient``, not sent. Orders
    and cancels without an answer when it is lost are ``OutcomeUnknown``. There is no test
    of orders over it: that goes by REST.
    """

    def __init__(
        self,
        client: Rest,
        account: KucoinAccount,
        url: str,
        *,
        answer_s: float = 5.0,
        patience: Patience = RECONNECT,
        wall_ns: Callable[[], int] = steady_ns,
    ) -> None:
        self._client, self._account, self._url = client, account, url
        self._answer_s, self._patience, self._wall_ns = answer_s, patience, wall_ns
        self._rest = RestOrderEntry(client, account, wall_ns=wall_ns)
        self._socket: TextSocket | None = None
        self._ids = count(1)
        self._heard = 0
        self._answers: dict[str, asyncio.Future[SocketAnswer]] = {}
        self.in_service = asyncio.Event()

    async def run(self) -> None:
        """Keep the connection until cancelled. ``in_service`` is set while it takes orders.

        Raises:
            Fatal: the keys do not do.
            ProtocolViolation: a message without sense.
        """
        await reconnecting(self._connection, self._patience)

    async def place(self, order: NewOrder) -> Accepted:
        """Send an order once; follow it from before it leaves."""
        self._account.follow(order)
        sent = self._wall_ns()
        try:
            with self._account.awake:
                answer = await self._ask("spot.order", rest.ORDER, order_fields(order))
        except _NOTHING_HAPPENED:
            self._account.forget(order.client_id)
            raise
        return _accepted(order, answer, sent, self._wall_ns())

    async def cancel(self, client_id: str, symbol: str) -> None:
        """Ask once to take an order back."""
        await self._ask("spot.cancel", rest.CANCEL, {"clientOid": client_id, "symbol": symbol})

    async def test(self, order: NewOrder) -> None:
        """Have the venue check an order, by REST; nothing reaches the market."""
        await self._rest.test(order)

    async def _ask(
        self, operation: str, call: Call, fields: Mapping[str, str | bool]
    ) -> msgspec.Raw:
        what = f"{_WHAT} {operation} {fields['clientOid']}"
        socket = self._socket
        if socket is None:
            raise Transient(f"{what}: no connection; not sent")
        self._client.take(call)
        quota, number = None, str(next(self._ids))
        loop = asyncio.get_running_loop()
        future: asyncio.Future[SocketAnswer] = loop.create_future()
        self._answers[number] = future
        late = loop.call_later(self._answer_s, _give_up, future)
        try:
            request = {"id": number, "op": operation, "args": fields}
            send_text(socket, msgspec.json.encode(request), what)
            answer = await future
            quota = answer.quota()
        except (Transient, TimeoutError) as error:
            raise OutcomeUnknown(
                f"{what}: {type(error).__name__} after it left; look it up, never send it again"
            ) from None
        finally:
            late.cancel()
            self._answers.pop(number, None)
            self._client.settle(call, quota)
        if answer.code != OK:
            raise refusal(answer.code, answer.msg, status=200, quota=quota, acts=True, what=what)
        return answer.data

    async def _connection(self, in_service: Callable[[], None]) -> None:
        signer = self._client.signer
        query = signer.connection_query(self._client.timestamp_ms())
        with await open_socket(self._client.session, f"{self._url}?{query}", _WHAT) as socket:
            challenge = await receive_text(socket, _LOGIN_S, _WHAT)
            if _ANSWER.read(challenge).code:
                raise _turned_away(challenge)
            send_text(socket, signer.sign(challenge).encode(), _WHAT)
            text = await receive_text(socket, _LOGIN_S, _WHAT)
            welcome = _ANSWER.read(text)
            if welcome.code or not welcome.ping_interval:
                raise _turned_away(text)
            try:
                with worst_error():
                    async with asyncio.TaskGroup() as tasks:
                        socket.hand_on(self._take)
                        tasks.create_task(lost(socket, _WHAT))
                        tasks.create_task(self._keep_alive(socket, welcome))
                        self._socket = socket
                        in_service()
                        self.in_service.set()
            finally:
                self._socket = None
                self.in_service.clear()
                self._leave_unanswered()

    def _take(self, text: bytes) -> None:
        self._heard += 1
        answer = _ANSWER.read(text)
        future = self._answers.pop(answer.id, None)
        if future is not None and not future.done():
            future.set_result(answer)

    def _leave_unanswered(self) -> None:
        for future in self._answers.values():
            if not future.done():
                future.set_exception(Transient("the connection was lost"))
        self._answers.clear()

    async def _keep_alive(self, socket: TextSocket, welcome: SocketAnswer) -> None:
        await keep_alive(
            socket,
            interval_ms=welcome.ping_interval,
            timeout_ms=welcome.ping_timeout,
            ping=self._ping,
            heard=lambda: self._heard,
            what=_WHAT,
        )

    def _ping(self) -> bytes:
        now_ms = self._client.timestamp_ms()
        return b'{"id":"%d","op":"ping","timestamp":%d}' % (next(self._ids), now_ms)


def _give_up(waiting: asyncio.Future[SocketAnswer]) -> None:
    if not waiting.done():
        waiting.set_exception(TimeoutError())


def _turned_away(text: bytes) -> VenueError:
    """Say why the venue let nobody in: for a person, or it has too much to do just now."""
    answer = _ANSWER.read(text)
    why = refusal(answer.code, answer.msg, status=200, quota=None, acts=False, what=_WHAT)
    return Fatal(str(why), code=why.code) if isinstance(why, Rejected) else why


def _accepted(order: NewOrder, answer: msgspec.Raw, sent: int, now: int) -> Accepted:
    """Read the venue's yes.

    Raises:
        OutcomeUnknown: it cannot be read, or is for another order.
    """
    try:
        placed = _PLACED.read(answer)
    except ProtocolViolation as error:
        raise OutcomeUnknown(f"order {order.client_id}: {error}; look it up") from None
    if placed.client_oid not in ("", order.client_id):
        raise OutcomeUnknown(
            f"order {order.client_id}: answered as {placed.client_oid[:40]!r}; look it up"
        )
    return Accepted(order.client_id, placed.order_id, sent, now)
