"""A client of the local exchange apart from ours: as little as signs, orders and subscribes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import aiohttp

from tests.e2e.exchange_process import ExchangeProcess

T = TypeVar("T")
SYMBOL = "BTC-USDT"
TIMEOUT_S = 20.0
ORDERS = "/api/v1/hf/orders"


class Client:
    """REST, topics and order entry with the account of ``exchange``."""

    def __init__(self, exchange: ExchangeProcess, session: aiohttp.ClientSession) -> None:
        self.exchange, self.session = exchange, session
        self.headers: dict[str, str] = {}

    def b64(self, payload: str) -> str:
        digest = hmac.new(self.exchange.secret.encode(), payload.encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()

    async def call(self, method: str, path: str, body: dict[str, object] | None = None) -> Any:
        """A signed request; gives the whole answer with its HTTP status as ``http``."""
        text = json.dumps(body) if body else ""
        now = str(time.time_ns() // 1_000_000)
        headers = {
            "KC-API-KEY": self.exchange.key,
            "KC-API-SIGN": self.b64(now + method + path + text),
            "KC-API-TIMESTAMP": now,
            "KC-API-PASSPHRASE": self.b64(self.exchange.passphrase),
            "KC-API-KEY-VERSION": "2",
        }
        async with self.session.request(
            method, self.exchange.rest + path, data=text or None, headers=headers
        ) as response:
            self.headers = dict(response.headers)
            return await response.json() | {"http": response.status}

    async def buy(self, client_oid: str, funds: str = "10") -> Any:
        """Buy at market."""
        body: dict[str, object] = {"clientOid": client_oid, "symbol": SYMBOL, "side": "buy"}
        return await self.call("POST", ORDERS, body | {"type": "market", "funds": funds})

    async def dealt(self, client_oid: str) -> float | None:
        """Funds that an order traded; None when the exchange knows of no such order."""
        answer = await self.call("GET", f"{ORDERS}/client-order/{client_oid}?symbol={SYMBOL}")
        return float(answer["data"]["dealFunds"]) if answer["code"] == "200000" else None

    async def subscribe(self, *topics: str) -> aiohttp.ClientWebSocketResponse:
        """A session of the topics, each acknowledged."""
        answer = await self.call("POST", "/api/v1/bullet-private")
        server = answer["data"]["instanceServers"][0]["endpoint"]
        socket = await self.session.ws_connect(f"{server}?token={answer['data']['token']}")
        assert (await socket.receive_json())["type"] == "welcome"
        for topic in topics:
            await socket.send_json({"id": topic, "type": "subscribe", "topic": topic})
            assert await socket.receive_json() == {"id": topic, "type": "ack"}
        return socket

    async def order_entry(self) -> OrderEntryClient:
        """A connection for orders, logged in."""
        now = str(time.time_ns() // 1_000_000)
        query = {
            "apikey": self.exchange.key,
            "timestamp": now,
            "sign": self.b64(self.exchange.key + now),
            "passphrase": self.b64(self.exchange.passphrase),
        }
        socket = await self.session.ws_connect(f"{self.exchange.ws}/v1/private", params=query)
        await socket.send_str(self.b64(await socket.receive_str()))
        assert (await socket.receive_json())["data"] == "welcome"
        return OrderEntryClient(socket)


class OrderEntryClient:
    """Orders over a connection of their own, one answer awaited after the other."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, op: str, arguments: dict[str, object]) -> Any:
        """Send an operation; give the answer.

        Raises:
            TypeError: the connection ended instead.
        """
        await self.socket.send_json({"id": "1", "op": op, "args": arguments})
        return await self.socket.receive_json()

    async def buy(self, client_oid: str, funds: str = "10") -> Any:
        """Buy at market."""
        body: dict[str, object] = {"clientOid": client_oid, "symbol": SYMBOL, "side": "buy"}
        return await self.ask("spot.order", body | {"type": "market", "funds": funds})


def run(exchange: ExchangeProcess, body: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Run a test's coroutine with a client, and disarm what it armed."""

    async def limited() -> T:
        async with asyncio.timeout(TIMEOUT_S), aiohttp.ClientSession() as session:
            return await body(Client(exchange, session))

    try:
        return asyncio.run(limited())
    finally:
        if exchange.process.poll() is None:
            exchange.operate("DELETE", "/faults")


def arm(exchange: ExchangeProcess, kind: str, **facts: object) -> None:
    """Arm a fault."""
    exchange.operate("POST", "/faults", {"kind": kind, **facts})


def book(exchange: ExchangeProcess, bid: str, ask: str) -> None:
    """Show a book of one level a side."""
    levels = {"bids": [[bid, "1"]], "asks": [[ask, "1"]]}
    exchange.operate("POST", "/books", {"symbol": SYMBOL, **levels})
