"""A loopback server that says what a test has it say in KuCoin's protocol, and notes what it hears.

No exchange: it matches nothing. Faults are set by the test before they are due.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import hmac
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from arb_pipelines.venues.kucoin.rest import Rest, Timeouts
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from arb_pipelines.venues.retry import Patience

KEY, SECRET, PASSPHRASE = "key-of-the-test", "secret-of-the-test", "phrase-of-the-test"
SOON = Patience(first_wait_s=0.001, longest_wait_s=0.01)


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test on a loop of its own, for 20 seconds at most."""

    @functools.wraps(test)
    def run(*args: object, **kwargs: object) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 20))

    return run


def signer() -> Signer:
    """The signer of the account that the server knows."""
    return Signer(Credentials(*map(SecretStr, (KEY, SECRET, PASSPHRASE))))


def sign(text: str) -> str:
    """Base64 of HMAC-SHA256, worked out here."""
    return base64.b64encode(hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256)).decode()


async def until(condition: Callable[[], bool]) -> None:
    """Give way to others until something has happened."""
    while not condition():
        await asyncio.sleep(0.001)


class FakeKucoin:
    """Answers as set; ``orders`` and ``requests`` are what came, ``topics`` what is subscribed."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        self.orders: list[dict[str, str]] = []
        self.bad_signatures = 0
        self.too_many: list[str] = []  # paths that are refused once, with a pause of 20 ms
        self.timestamp_status, self.timestamp_code = 200, "200000"
        self.now_ms: Callable[[], int] = lambda: 0
        self.permission = "General,Spot"
        self.listed: list[dict[str, Any]] = []
        self.own_fees: dict[str, str] = {}
        self.base_fee = "0.001"
        self.most_fee_requests = 1_000
        self.login_refusals: list[str] = []
        self.order_answers: deque[Callable[[web.Request], Awaitable[web.StreamResponse]]] = deque()
        self.before_reply: Callable[[dict[str, str]], Awaitable[None]] | None = None
        self.book: Callable[[str], dict[str, Any] | web.Response] = lambda symbol: {
            "sequence": "0",
            "bids": [],
            "asks": [],
        }
        self.tickers: list[dict[str, Any]] = []
        self.details: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.accounts: list[dict[str, str]] = []
        self.before_accounts: Callable[[], Awaitable[None]] | None = None
        self.tokens: list[str] = []
        self.good_tokens: set[str] = set()
        self.topics: list[str] = []
        self.gone: set[str] = set()  # no topic may name these
        self.sockets: list[web.WebSocketResponse] = []
        self.pings = 0
        self.mute = False
        self.ping_ms = (18_000, 10_000)
        self.lose_next_socket_order = False
        self.socket_refusal: dict[str, str] | None = None

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._note])
        app.add_routes(
            [
                web.get("/api/v1/timestamp", self._timestamp),
                web.get("/api/v1/user/api-key", self._api_key),
                web.get("/api/v2/symbols", self._symbols),
                web.get("/api/v1/base-fee", self._base_fee),
                web.get("/api/v1/trade-fees", self._trade_fees),
                web.post("/api/v1/bullet-public", self._bullet),
                web.post("/api/v1/bullet-private", self._bullet),
                web.get("/api/v3/market/orderbook/level2", self._book),
                web.get("/api/v1/market/orderbook/level2_20", self._book),
                web.get("/api/v1/market/orderbook/level2_100", self._book),
                web.get("/api/v1/market/allTickers", self._tickers),
                web.post("/api/v1/hf/orders", self._order),
                web.post("/api/v1/hf/orders/test", self._order),
                web.delete("/api/v1/hf/orders/client-order/{name}", self._cancel),
                web.get("/api/v1/hf/orders/client-order/{name}", self._look_up),
                web.get("/api/v1/hf/fills", self._fills),
                web.get("/api/v1/accounts", self._accounts),
                web.get("/stream", self._stream),
                web.get("/v1/private", self._order_entry),
            ]
        )
        return app

    @property
    def order_entry_url(self) -> str:
        return self.url.replace("http", "ws") + "/v1/private"

    def rest(self, **options: Any) -> Rest:
        """A client of this server."""
        options.setdefault("timeouts", Timeouts(connect_s=2.0, total_s=5.0))
        return Rest(self.url, signer(), **options)

    async def say(self, topic: str, subject: str, data: dict[str, Any]) -> None:
        """Send a message to every stream that is open."""
        message = {"type": "message", "topic": topic, "subject": subject, "data": data}
        for socket in list(self.sockets):
            if not socket.closed:
                await socket.send_str(json.dumps(message))

    async def cut(self) -> None:
        """Cut every stream without a word."""
        sockets, self.sockets, self.topics = self.sockets, [], []
        for socket in sockets:
            transport = socket._req.transport  # type: ignore[union-attr]
            if transport is not None:
                transport.abort()

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        if "KC-API-KEY" in request.headers:
            body = (await request.read()).decode()
            stamp = request.headers["KC-API-TIMESTAMP"]
            right = sign(f"{stamp}{request.method}{request.path_qs}{body}")
            self.bad_signatures += request.headers["KC-API-SIGN"] != right
        if request.path in self.too_many:
            self.too_many.remove(request.path)
            told = {"limit": "2000", "remaining": "0", "reset": "20"}
            headers = {f"gw-ratelimit-{name}": value for name, value in told.items()}
            return no("429000", "Too many requests", status=429, **headers)
        return await handler(request)

    async def _timestamp(self, request: web.Request) -> web.Response:
        if self.timestamp_status != 200:
            return web.Response(status=self.timestamp_status, text="<html>")
        return web.json_response({"code": self.timestamp_code, "data": self.now_ms()})

    async def _api_key(self, request: web.Request) -> web.Response:
        return yes({"permission": self.permission, "uid": 42, "apiVersion": 3})

    async def _symbols(self, request: web.Request) -> web.Response:
        return yes(self.listed)

    async def _base_fee(self, request: web.Request) -> web.Response:
        return yes({"takerFeeRate": self.base_fee, "makerFeeRate": self.base_fee})

    async def _trade_fees(self, request: web.Request) -> web.Response:
        if self.most_fee_requests == 0:
            return no("429000", "Too many requests", status=429)
        self.most_fee_requests -= 1
        if not set(request.query["symbols"].split(",")) <= set(self.own_fees):
            return no("400100", "symbol not exists")
        return yes(
            [
                {"symbol": symbol, "takerFeeRate": self.own_fees[symbol], "makerFeeRate": "0"}
                for symbol in request.query["symbols"].split(",")
            ]
        )

    async def _bullet(self, request: web.Request) -> web.Response:
        token = f"token{len(self.tokens)}"
        self.tokens.append(token)
        self.good_tokens.add(token)
        interval, timeout = self.ping_ms
        server = {
            "endpoint": self.url.replace("http", "ws") + "/stream",
            "encrypt": False,
            "protocol": "websocket",
            "pingInterval": interval,
            "pingTimeout": timeout,
        }
        return yes({"token": token, "instanceServers": [server]})

    async def _book(self, request: web.Request) -> web.Response:
        told = self.book(request.query["symbol"])
        return told if isinstance(told, web.Response) else yes(told)

    async def _tickers(self, request: web.Request) -> web.Response:
        return yes({"time": self.now_ms(), "ticker": self.tickers})

    async def _order(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.orders.append(body)
        if self.before_reply:
            await self.before_reply(body)
        if self.order_answers:
            return await self.order_answers.popleft()(request)
        return yes({"orderId": f"id-{body['clientOid']}", "clientOid": body["clientOid"]})

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        if self.order_answers:
            return await self.order_answers.popleft()(request)
        return yes({"clientOid": request.match_info["name"]})

    async def _look_up(self, request: web.Request) -> web.Response:
        detail = self.details.get(request.match_info["name"])
        return yes(detail) if detail else no("400100", "order does not exist")

    async def _fills(self, request: web.Request) -> web.Response:
        return yes({"items": self.fills, "lastId": 1})

    async def _accounts(self, request: web.Request) -> web.Response:
        rows = list(self.accounts)
        if self.before_accounts:
            await self.before_accounts()
        return yes(rows)

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if request.query["token"] not in self.good_tokens:
            await socket.send_json({"id": "", "type": "error", "code": 401, "data": "token"})
            await socket.close()
            return socket
        self.sockets.append(socket)
        await socket.send_json({"id": request.query["connectId"], "type": "welcome"})
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            asked = json.loads(message.data)
            if asked["type"] == "ping":
                self.pings += 1
                if not self.mute:
                    await socket.send_json({"id": asked["id"], "type": "pong"})
            elif asked["topic"].startswith("/nothing") or self.gone.intersection(
                asked["topic"].partition(":")[2].split(",")
            ):
                refusal = {"id": asked["id"], "type": "error", "code": 404, "data": "no topic"}
                await socket.send_json(refusal)
            else:
                self.topics.append(asked["topic"])
                await socket.send_json({"id": asked["id"], "type": "ack"})
        return socket

    async def _order_entry(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        query = request.query
        if query["sign"] != sign(query["apikey"] + query["timestamp"]):
            await socket.send_json({"code": "400005", "msg": "Invalid KC-API-SIGN"})
            return socket
        if self.login_refusals:
            await socket.send_json({"code": self.login_refusals.pop(), "msg": "not now"})
            return socket
        self.sockets.append(socket)
        challenge = '{"sessionId":"s1","timestamp":1700000000000}'
        await socket.send_str(challenge)
        assert (await socket.receive_str()) == sign(challenge)
        interval, timeout = self.ping_ms
        await socket.send_json(
            {"sessionId": "s1", "data": "welcome", "pingInterval": interval, "pingTimeout": timeout}
        )
        async for message in socket:
            asked = json.loads(message.data)
            if asked["op"] == "ping":
                self.pings += 1
                await socket.send_json({"id": asked["id"], "op": "pong"})
                continue
            self.orders.append(asked["args"])
            if self.lose_next_socket_order:
                self.lose_next_socket_order = False
                await self.cut()
                break
            name = asked["args"]["clientOid"]
            answer = {"code": "200000", "data": {"orderId": f"id-{name}", "clientOid": name}}
            await socket.send_json(
                {"id": asked["id"], "op": asked["op"], **(self.socket_refusal or answer)}
            )
        return socket


def yes(data: object, **headers: str) -> web.Response:
    """A success."""
    return web.json_response({"code": "200000", "data": data}, headers=headers)


def no(code: str, msg: str, status: int = 200, **headers: str) -> web.Response:
    """A refusal."""
    return web.json_response({"code": code, "msg": msg}, status=status, headers=headers)


@asynccontextmanager
async def fake_kucoin() -> AsyncIterator[FakeKucoin]:
    """Serve on a free port of loopback."""
    fake = FakeKucoin()
    server = TestServer(fake.app(), host="127.0.0.1")
    await server.start_server()
    fake.url = str(server.make_url("")).rstrip("/")
    try:
        yield fake
    finally:
        await fake.cut()
        await server.close()
