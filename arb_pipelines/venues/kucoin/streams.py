"""KuCoin's streams of messages: token, connection, subscriptions, and all of it again after a loss.

A stream hands on every message of its topics, in order, and tells when it is in service
and when it no longer is: what was lost in between is for its owner to make good.

Source: https://www.kucoin.com/docs-new/websocket-api/base-info/introduction
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import msgspec

from arb_pipelines.clock import NS_PER_S, steady_ns
from arb_pipelines.errors import Fatal, ProtocolViolation, Rejected, Transient
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.codec import Bullet, Frame, InstanceServer, Reader
from arb_pipelines.venues.kucoin.connections import (
    keep_alive,
    lost,
    open_socket,
    receive_text,
    send_text,
)
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.retry import RECONNECT, Patience, reconnecting
from arb_pipelines.venues.tasks import worst_error
from arb_pipelines.venues.text_socket import TextSocket

#: What one request and one connection may subscribe to, in symbols.
SYMBOLS_A_REQUEST = 100
SYMBOLS_A_CONNECTION = 300
_TOKEN_LIFE_NS = 23 * 3600 * NS_PER_S
_ANSWER_S = 10.0
_BAD_TOKEN = 401
_FRAME = Reader(Frame, "a message of a stream")
_BULLET = Reader(Bullet, "a token for a stream")


def topics_of(prefix: str, symbols: Sequence[str]) -> Iterator[str]:
    """``/market/level2:BTC-USDT,ETH-USDT`` and so on, as few as the venue takes."""
    for start in range(0, len(symbols), SYMBOLS_A_REQUEST):
        yield f"{prefix}:{','.join(symbols[start : start + SYMBOLS_A_REQUEST])}"


class Stream:
    """One connection, public or private, and its topics.

    ``on_message`` gets each message of a topic with its time of receipt (ns); ``on_up``
    is called when all topics are subscribed, ``on_down`` when the connection is lost.
    None of them may wait.
    """

    def __init__(
        self,
        client: Rest,
        topics: Sequence[str],
        *,
        private: bool,
        on_message: Callable[[Frame, int], None],
        on_up: Callable[[], None],
        on_down: Callable[[], None],
        patience: Patience = RECONNECT,
        wall_ns: Callable[[], int] = steady_ns,
    ) -> None:
        self._client, self._topics, self._private = client, tuple(topics), private
        self._on_message, self._on_up, self._on_down = on_message, on_up, on_down
        self._patience, self._wall_ns = patience, wall_ns
        self._what = "private stream" if private else "public stream"
        self._ids = count(1)
        self._heard = 0
        self._answers: dict[str, asyncio.Future[None]] = {}
        self._bullet: tuple[Bullet, int] | None = None

    async def run(self) -> None:
        """Keep the stream in service until cancelled.

        Raises:
            Rejected: the venue refuses a topic.
            Fatal: the keys do not do.
            ProtocolViolation: a message without sense.
        """
        await reconnecting(self._connection, self._patience)

    async def _connection(self, in_service: Callable[[], None]) -> None:
        bullet = await self._token()
        server = bullet.instance_servers[0]
        url = f"{server.endpoint}?token={bullet.token}&connectId={next(self._ids)}"
        try:
            socket = await open_socket(self._client.session, url, self._what)
        except Fatal as refused:
            raise self._without_token(str(refused)) from None
        with socket:
            await self._welcome(socket)
            try:
                with worst_error():
                    async with asyncio.TaskGroup() as tasks:
                        socket.hand_on(self._take)
                        tasks.create_task(lost(socket, self._what))
                        tasks.create_task(self._keep_alive(socket, server))
                        await self._subscribe(socket)
                        in_service()
                        self._on_up()
            finally:
                self._answers.clear()
                self._on_down()

    async def _token(self) -> Bullet:
        """Give the token at hand while it lives: it serves for more than one connection."""
        now = time.monotonic_ns()
        if self._bullet is None or now - self._bullet[1] > _TOKEN_LIFE_NS:
            call = rest.BULLET_PRIVATE if self._private else rest.BULLET_PUBLIC
            self._bullet = (_BULLET.read(await self._client.call(call)), now)
        return self._bullet[0]

    def _without_token(self, why: str) -> Transient:
        """The token does not do: the next attempt asks for another."""
        self._bullet = None
        return Transient(f"{why}; the token is no longer good")

    async def _welcome(self, socket: TextSocket) -> None:
        frame = _FRAME.read(await receive_text(socket, _ANSWER_S, self._what))
        if frame.type == "error":
            raise self._refusal(frame)
        if frame.type != "welcome":
            raise ProtocolViolation(f"{self._what}: began with {frame.type[:20]!r}, not welcome")

    async def _subscribe(self, socket: TextSocket) -> None:
        answers = []
        for topic in self._topics:
            number = str(next(self._ids))
            answers.append(asyncio.get_running_loop().create_future())
            self._answers[number] = answers[-1]
            request = {
                "id": number,
                "type": "subscribe",
                "topic": topic,
                "privateChannel": self._private,
                "response": True,
            }
            send_text(socket, msgspec.json.encode(request), self._what)
        try:
            async with asyncio.timeout(_ANSWER_S):
                await asyncio.gather(*answers)
        except TimeoutError:
            raise Transient(f"{self._what}: no answer to a subscription") from None

    def _take(self, text: bytes) -> None:
        self._heard += 1
        frame = _FRAME.read(text)
        match frame.type:
            case "message":
                self._on_message(frame, self._wall_ns())
            case "ack":
                answer = self._answers.pop(frame.id, None)
                if answer is not None and not answer.done():
                    answer.set_result(None)
            case "error":
                raise self._refusal(frame)
            case _:
                pass  # a pong counts as heard

    def _refusal(self, frame: Frame) -> Exception:
        said = bytes(frame.data).decode(errors="replace")[:200]
        told = f"{self._what}: error {frame.code} {said}"
        if frame.code == _BAD_TOKEN:
            return self._without_token(told)
        if frame.id in self._answers:
            return Rejected(told, code=str(frame.code))
        return Transient(told, code=str(frame.code))

    async def _keep_alive(self, socket: TextSocket, server: InstanceServer) -> None:
        await keep_alive(
            socket,
            interval_ms=server.ping_interval,
            timeout_ms=server.ping_timeout,
            ping=lambda: b'{"id":"%d","type":"ping"}' % next(self._ids),
            heard=lambda: self._heard,
            what=self._what,
        )
