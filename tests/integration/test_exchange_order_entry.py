"""How long the local exchange's order entry bears a client's silence, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from arb_pipelines.clock import NS_PER_MS, now_ns
from arb_pipelines.exchange.engine.exchange import Exchange
from arb_pipelines.exchange.server import order_entry, streams
from arb_pipelines.exchange.server.faults import Fault, Kind
from arb_pipelines.exchange.server.signing import Credentials
from arb_pipelines.exchange.server.venue import Venue
from tests.fakes.kucoin_server import KEY, PASSPHRASE, SECRET, on_loop, sign, signer

SILENCE_S = 0.05


@asynccontextmanager
async def logged_in() -> AsyncIterator[tuple[Venue, aiohttp.ClientWebSocketResponse]]:
    """A client that is welcome at an exchange that bears little silence."""
    venue = Venue(Exchange([]), [Credentials(KEY, SECRET, PASSPHRASE, "ann")])
    app = web.Application()
    app.router.add_get("/", partial(order_entry.connect, venue))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_entry, "_SILENCE_S", SILENCE_S)
        async with TestServer(app, host="127.0.0.1") as server, aiohttp.ClientSession() as session:
            query = signer().connection_query(now_ns() // NS_PER_MS)
            async with session.ws_connect(f"{server.make_url('/')}?{query}") as socket:
                await socket.send_str(sign(await socket.receive_str()))
                assert (await socket.receive_json())["data"] == "welcome"
                yield venue, socket


@on_loop
async def test_a_silent_client_is_let_go() -> None:
    """After the interval and the timeout together, counted from the last answer."""
    async with logged_in() as (_, socket):
        for number in ("1", "2"):
            await socket.send_json({"id": number, "op": "ping"})
            assert (await socket.receive_json())["id"] == number
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


@on_loop
async def test_a_client_that_waits_for_an_answer_is_not_silent() -> None:
    """However long a fault holds the answer back."""
    async with logged_in() as (venue, socket):
        venue.faults.arm(Fault(kind=Kind.DELAY, ms=4_000 * SILENCE_S))
        await socket.send_json({"id": "1", "op": "ping"})
        assert (await socket.receive_json())["id"] == "1"


@on_loop
async def test_what_is_no_message_is_answered_or_ends_the_connection() -> None:
    """Text that is no object is refused and the connection goes on; bytes end it."""
    async with logged_in() as (_, socket):
        for text in ("{", "[]"):
            await socket.send_str(text)
            assert (await socket.receive_json())["code"] == "400100"
        await socket.send_bytes(b"{}")
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


def test_silence_is_as_long_as_the_streams() -> None:
    """The welcome tells the same interval and timeout."""
    assert order_entry._SILENCE_S == streams._SILENCE_S
