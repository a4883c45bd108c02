"""What the local exchange's streams refuse, told with KuCoin's codes over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.exchange.server import streams, topics
from arb_pipelines.exchange.server.faults import Faults
from arb_pipelines.exchange.server.streams import Streams
from arb_pipelines.exchange.server.tokens import Tokens
from tests.fakes.kucoin_server import on_loop


@asynccontextmanager
async def connected(user: str | None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A session with a token of ``user``, welcomed; every symbol is listed."""
    tokens = Tokens(lambda: NS_PER_S)
    app = web.Application()
    app.router.add_get("/", Streams(tokens, Faults(), lambda _symbol: True).connect)
    async with TestServer(app, host="127.0.0.1") as server, aiohttp.ClientSession() as session:
        url = server.make_url("/").with_query(token=tokens.issue(user), connectId="1")
        async with session.ws_connect(url) as socket:
            assert await socket.receive_json() == {"id": "1", "type": "welcome"}
            yield socket


async def ask(socket: aiohttp.ClientWebSocketResponse, topic: str, kind: str = "subscribe") -> Any:
    """Subscribe a topic, or end that; give the type of the answer, and its code if it has one."""
    await socket.send_json({"id": topic, "type": kind, "topic": topic})
    answer = await socket.receive_json()
    assert answer["id"] == topic
    return answer.get("code", answer["type"])


def tickers(first: int, count: int) -> str:
    """A topic of as many symbols."""
    return f"{topics.TICKER}:" + ",".join(f"C{n}-USDT" for n in range(first, first + count))


@on_loop
async def test_a_client_that_does_not_ping_is_told_and_let_go() -> None:
    """400 after the interval and the timeout together, and the connection ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "_SILENCE_S", 0.05)
        async with connected(None) as socket:
            told = await socket.receive_json()
            assert (told["type"], told["code"], told["data"]) == ("error", 400, "ping timeout")
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


def test_silence_is_the_interval_and_the_timeout_that_a_token_comes_with() -> None:
    """What a client is told is what it is held to."""
    told_ms = streams.PING_INTERVAL_MS + streams.PING_TIMEOUT_MS
    assert told_ms == 18_000 + 10_000
    assert told_ms == streams._SILENCE_S * 1000


@on_loop
async def test_private_topics_want_a_login() -> None:
    """403 with a public token, and the session goes on; with an account's they are had."""
    async with connected(None) as socket:
        for topic in sorted(topics.PRIVATE):
            assert await ask(socket, topic) == 403
        assert await ask(socket, tickers(0, 1)) == "ack"
    async with connected("ann") as socket:
        for topic in sorted(topics.PRIVATE):
            assert await ask(socket, topic) == "ack"


@on_loop
async def test_a_request_and_a_session_hold_so_many_topics() -> None:
    """509 past 100 in one request or 300 in a session; what is ended makes room."""
    async with connected(None) as socket:
        assert await ask(socket, tickers(0, 101)) == 509
        for first in (0, 100, 200):
            assert await ask(socket, tickers(first, 100)) == "ack"
        assert await ask(socket, tickers(300, 1)) == 509
        assert await ask(socket, tickers(299, 1)) == "ack"  # it has that one
        assert await ask(socket, tickers(0, 1), "unsubscribe") == "ack"
        assert await ask(socket, tickers(300, 1)) == "ack"
