"""The local exchange: orders a second with one client, by REST and by WebSocket.

The client is as thin as it can be and signs as it goes, so that what is measured is mostly
the exchange: bare sockets for REST, aiohttp's for order entry. It sends one order after
the other, each when the last was answered, or keeps several on their way, over as many
connections by REST and over one by WebSocket. Ten symbols play meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import resource
import socket
import tempfile
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import orjson

from tests.e2e.exchange_process import ExchangeProcess, running_exchange

SYMBOLS, ORDERS, AT_ONCE, WARM_UP = 10, 6_000, 8, 400
BAR = 2_000
_PATH = "/api/v1/hf/orders"
_CHUNK = 1 << 16
_ids = count(1)


def run() -> list[dict[str, object]]:
    """Measure both ways, one after the other and several at once."""
    import uvloop

    rates: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-exchange-") as home:
        arguments = ("--symbols", str(SYMBOLS), "--balance", "USDT=100000000,BTC=10000")
        with running_exchange(Path(home), *arguments) as exchange:
            exchange.operate("POST", "/limits", {"spot": 10**9})
            for at_once in (1, AT_ONCE):
                rates[f"REST, {_how(at_once)}"] = _by_rest(exchange, at_once)
                rates[f"WebSocket, {_how(at_once)}"] = uvloop.run(_by_socket(exchange, at_once))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        {
            "name": f"local exchange, market orders by {way}",
            "ours": rate,
            "peer": None,
            "ratio": None,
            "unit": "orders/s",
            "bar": f">= {BAR:,}",
            "holds": rate >= BAR,
            "peak_mib": peak_mib,
        }
        for way, rate in rates.items()
    ]


def _how(at_once: int) -> str:
    return "one after the other" if at_once == 1 else f"{at_once} on their way"


def _order() -> dict[str, str]:
    """Buy and sell BTC in turn, so that the book is not eaten up."""
    number = next(_ids)
    side, amount, of = ("sell", "0.0003", "size") if number % 2 else ("buy", "20", "funds")
    order = {"clientOid": f"bench-{number}", "symbol": "BTC-USDT", "side": side, "type": "market"}
    return order | {of: amount}


def _sign(exchange: ExchangeProcess, message: bytes) -> str:
    return base64.b64encode(
        hmac.new(exchange.secret.encode(), message, hashlib.sha256).digest()
    ).decode()


# -- REST ----------------------------------------------------------------------------------


def _by_rest(exchange: ExchangeProcess, connections: int) -> float:
    address = urlsplit(exchange.rest)
    assert address.hostname is not None
    assert address.port is not None
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_connection((address.hostname, address.port)))
            for _ in range(connections)
        ]
        for each in sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _rounds(exchange, sockets, WARM_UP // connections)
        began = time.perf_counter()
        _rounds(exchange, sockets, ORDERS // connections)
        return ORDERS / (time.perf_counter() - began)


def _rounds(exchange: ExchangeProcess, sockets: list[socket.socket], rounds: int) -> None:
    """Keep one order on its way on each connection."""
    passphrase = _sign(exchange, exchange.passphrase.encode())
    for each in sockets:
        each.sendall(_request(exchange, passphrase))
    for left in range(rounds, 0, -1):
        for each in sockets:
            _check(orjson.loads(_answer(each)))
            if left > 1:
                each.sendall(_request(exchange, passphrase))


def _request(exchange: ExchangeProcess, passphrase: str) -> bytes:
    body, now_ms = orjson.dumps(_order()), time.time_ns() // 1_000_000
    sign = _sign(exchange, f"{now_ms}POST{_PATH}".encode() + body)
    return (
        f"POST {_PATH} HTTP/1.1\r\nHost: local\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nKC-API-KEY: {exchange.key}\r\nKC-API-SIGN: {sign}\r\n"
        f"KC-API-TIMESTAMP: {now_ms}\r\nKC-API-PASSPHRASE: {passphrase}\r\n"
        "KC-API-KEY-VERSION: 2\r\n\r\n"
    ).encode() + body


def _answer(connection: socket.socket) -> bytes:
    """Read one answer's body."""
    data = connection.recv(_CHUNK)
    while b"\r\n\r\n" not in data:
        data += connection.recv(_CHUNK)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(_CHUNK)
    return body


# -- WebSocket -----------------------------------------------------------------------------


async def _by_socket(exchange: ExchangeProcess, at_once: int) -> float:
    now_ms = str(time.time_ns() // 1_000_000)
    query = {
        "apikey": exchange.key,
        "timestamp": now_ms,
        "sign": _sign(exchange, f"{exchange.key}{now_ms}".encode()),
        "passphrase": _sign(exchange, exchange.passphrase.encode()),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{exchange.ws}/v1/private", params=query) as connection,
    ):
        challenge = await connection.receive_str()
        await connection.send_str(_sign(exchange, challenge.encode()))
        assert orjson.loads(await connection.receive_str())["data"] == "welcome"
        await _place(connection, WARM_UP, at_once)
        began = time.perf_counter()
        await _place(connection, ORDERS, at_once)
        return ORDERS / (time.perf_counter() - began)


async def _place(connection: aiohttp.ClientWebSocketResponse, orders: int, at_once: int) -> None:
    async def send() -> None:
        asked = {"id": "1", "op": "spot.order", "args": _order()}
        await connection.send_str(orjson.dumps(asked).decode())

    await asyncio.gather(*(send() for _ in range(at_once)))
    for left in range(orders, 0, -1):
        _check(orjson.loads(await connection.receive_str()))
        if left > at_once:
            await send()


def _check(answer: dict[str, object]) -> None:
    assert answer["code"] == "200000", answer
