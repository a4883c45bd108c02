"""A WebSocket of text messages against aiohttp's server, on both loops."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from arb_pipelines.venues.text_socket import Ended, Refused, TextSocket
from tests.fakes.loops import on_both_loops

Serve = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def connected_to(serve: Serve) -> AsyncIterator[TextSocket]:
    """A socket to a server that does with the connection what it is told."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await serve(socket)
        return socket

    async with served(answer) as url, aiohttp.ClientSession() as session:
        with await TextSocket.open(session, url) as socket:
            yield socket


@asynccontextmanager
async def served(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
    """The address of a server with one answer."""
    app = web.Application()
    app.router.add_get("/", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        yield str(server.make_url("/")).replace("http", "ws")


async def echo(socket: web.WebSocketResponse) -> None:
    """Say everything back."""
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 1_000_000])
@on_both_loops
async def test_texts_of_any_size_go_and_come(size: int) -> None:
    """As they are, in order, before and after somebody is named to get them."""
    async with connected_to(echo) as socket:
        text = ("ä" * size).encode()[:size] if size > 1 else b"a" * size
        text = text.decode(errors="ignore").encode()
        socket.send(text)
        assert await socket.receive(5) == text
        heard: list[bytes] = []
        done = asyncio.Event()

        def take(said: bytes) -> None:
            heard.append(said)
            if len(heard) == 3:
                done.set()

        socket.send(b"first")
        socket.send(text)
        socket.hand_on(take)
        socket.send(b"last")
        await done.wait()
        assert heard == [b"first", text, b"last"]


@on_both_loops
async def test_what_came_before_somebody_was_named_is_theirs() -> None:
    """A greeting that arrives with the handshake's answer is not lost."""

    async def greet(socket: web.WebSocketResponse) -> None:
        for number in range(3):
            await socket.send_str(str(number))
        await socket.receive()

    async with connected_to(greet) as socket:
        assert await socket.receive(5) == b"0"
        while socket._inbox.qsize() < 2:
            await asyncio.sleep(0)
        heard: list[bytes] = []
        socket.hand_on(heard.append)
        assert heard == [b"1", b"2"]


@on_both_loops
async def test_a_ping_is_answered() -> None:
    """With what it said; nobody is told."""
    answers: asyncio.Queue[Any] = asyncio.Queue()

    async def ping(socket: web.WebSocketResponse) -> None:
        await socket.ping(b"are you there")
        answers.put_nowait(await socket.receive())

    async with connected_to(ping):
        answer = await answers.get()
        assert (answer.type, answer.data) == (WSMsgType.PONG, b"are you there")


@on_both_loops
async def test_a_server_that_closes_is_told_from_one_that_is_gone() -> None:
    """Its code is kept; what is sent afterwards does not leave."""

    async def close(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.close(code=1012)

    async def cut(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        transport = socket._req.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.abort()

    for serve, said in ((close, "1012"), (cut, "None")):
        async with connected_to(serve) as socket:
            waiting = asyncio.ensure_future(socket.receive(5))
            await asyncio.sleep(0)
            socket.send(b"go")
            with pytest.raises(Ended, match=f"closed by the peer .{said}"):
                await socket.ended()
            with pytest.raises(Ended, match=said):
                await waiting
            with pytest.raises(Ended, match=said):
                socket.send(b"too late")


@on_both_loops
async def test_what_a_listener_raises_is_raised_where_the_end_is_awaited() -> None:
    """The messages after it are nobody's."""

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        for text in ("bad", "unheard"):
            await socket.send_str(text)

    heard: list[bytes] = []

    def take(text: bytes) -> None:
        heard.append(text)
        raise ValueError(text)

    async with connected_to(talk) as socket:
        socket.hand_on(take)
        socket.send(b"go")
        with pytest.raises(ValueError, match="bad"):
            await socket.ended()
        assert heard == [b"bad"]


@on_both_loops
async def test_silence_and_a_frame_without_sense() -> None:
    """The first is the caller's to judge, the second ends the connection."""

    async def mumble(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        transport = socket._req.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.write(b"\xc1\x01a")
        await socket.receive()

    async with connected_to(mumble) as socket:
        with pytest.raises(TimeoutError):
            await socket.receive(0.001)
        socket.send(b"go")
        with pytest.raises(Ended, match="extension"):
            await socket.ended()


@on_both_loops
async def test_closing_says_goodbye() -> None:
    """The server hears that nothing more comes; closing twice is closing."""
    heard: asyncio.Queue[Any] = asyncio.Queue()

    async def listen(socket: web.WebSocketResponse) -> None:
        heard.put_nowait(await socket.receive())

    async with connected_to(listen) as socket:
        socket.close()
        socket.close()
        message = await heard.get()
        assert (message.type, message.data) == (WSMsgType.CLOSE, 1000)
        with pytest.raises(Ended, match="closed"):
            await socket.ended()


@pytest.mark.parametrize("headers", [{}, {"Upgrade": "websocket", "Connection": "upgrade"}])
@on_both_loops
async def test_an_answer_that_opens_no_websocket_is_refused(headers: dict[str, str]) -> None:
    """Whatever its status: a page, or a change of protocol without the proof."""
    status = 101 if headers else 404

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    async with served(answer) as url, aiohttp.ClientSession() as session:
        with pytest.raises(Refused) as refused:
            await TextSocket.open(session, url)
        assert refused.value.status == status


@on_both_loops
async def test_a_change_of_protocol_that_names_none_is_refused() -> None:
    """The proof alone is not enough: something on the way took the other headers out."""

    async def answer(request: web.Request) -> web.Response:
        key = request.headers["Sec-WebSocket-Key"].encode()
        proof = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        headers = {"Sec-WebSocket-Accept": base64.b64encode(proof).decode()}
        return web.Response(status=101, headers=headers)

    async with served(answer) as url, aiohttp.ClientSession() as session:
        with pytest.raises(Refused):
            await TextSocket.open(session, url)
