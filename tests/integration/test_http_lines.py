"""Kept connections for orders: one answer to each request, and nothing sent twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from arb_pipelines.venues import http_lines
from arb_pipelines.venues.http_lines import Answer, AnswerLost, HttpLines, NotSent
from tests.fakes.loops import on_both_loops

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def lines_to(serve: Serve, total_s: float = 5.0) -> AsyncIterator[HttpLines]:
    """Lines to a server that does with each connection what it is told."""

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(kept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    lines = HttpLines(f"http://127.0.0.1:{port}/base/", connect_s=2.0, total_s=total_s)
    try:
        yield lines
    finally:
        lines.close()
        server.close()


async def asked(reader: asyncio.StreamReader) -> bytes:
    """Read one request whole."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Write an answer down."""
    told = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 {status}\r\n{told}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def post(lines: HttpLines, body: bytes = b"{}") -> Answer:
    """Send an order, as it were."""
    return await lines.request("POST", "/orders?x=1", {"KC-API-KEY": "k"}, body)


@on_both_loops
async def test_requests_in_turn_share_a_connection_and_those_at_once_do_not():
    """Each gets the answer to its own request, in pieces as they may come."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            request = await asked(reader)
            assert request.startswith(b"POST /base/orders?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")
            body = request.rpartition(b"\r\n\r\n")[2]
            for byte in answer(b"got " + body, "GW-Limit: 7"):
                writer.write(bytes([byte]))
                await writer.drain()

    async with lines_to(serve) as lines:
        for number in range(5):
            got = await post(lines, b"%d" % number)
            assert got == Answer(200, {"gw-limit": "7", "content-length": "5"}, b"got %d" % number)
        assert connections == 1
        together = await asyncio.gather(*(post(lines, b"%d" % number) for number in range(4)))
        assert [got.body for got in together] == [b"got %d" % number for number in range(4)]
        assert connections == 4


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "closed by the other side"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "closed by the other side"),
        (b"SSH-2.0-OpenSSH\r\n", "HttpParser"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(2_000_000), "closed"),
    ],
)
@on_both_loops
async def test_an_answer_that_is_none_is_lost_and_its_connection_not_used_again(said, why):
    """The request left: who sent it is told that nothing is known, and not what was in it."""
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await asked(reader)
        requests += 1
        writer.write(said if requests == 1 else answer(b"ok"))
        await writer.drain()

    async with lines_to(serve) as lines:
        with pytest.raises(AnswerLost, match=why) as lost:
            await post(lines, b"secret")
        assert "secret" not in str(lost.value)
        assert (await post(lines)).body == b"ok"
        assert requests == 2


@on_both_loops
async def test_a_late_answer_is_no_answer_to_the_next_request():
    """A connection whose request was given up is closed with it."""
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await asked(reader)
        if request.endswith(b"first"):
            await release.wait()
        writer.write(answer(request[-5:]))
        await writer.drain()
        await reader.read()

    async with lines_to(serve, total_s=0.05) as lines:
        with pytest.raises(AnswerLost, match="TimeoutError"):
            await post(lines, b"first")
        release.set()
        assert (await post(lines, b"other")).body == b"other"


@on_both_loops
async def test_an_interim_answer_is_passed_over_and_a_last_one_ends_the_connection():
    """1xx announces; ``Connection: close`` means it."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await asked(reader)
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        writer.write(answer(b"done", "Connection: close"))
        await writer.drain()
        await reader.read()

    async with lines_to(serve) as lines:
        assert (await post(lines)).body == b"done"
        assert (await post(lines)).body == b"done"
        assert connections == 2


@on_both_loops
async def test_a_connection_that_was_closed_while_idle_is_replaced():
    """A server may close what nobody uses; the next request has a new one, and is sent once."""
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await asked(reader)
        requests += 1
        writer.write(answer(b"ok"))
        await writer.drain()

    async with lines_to(serve) as lines:
        for number in range(1, 4):
            assert (await post(lines)).body == b"ok"
            while lines.open_connections:
                await asyncio.sleep(0)
            assert requests == number


@on_both_loops
async def test_without_a_server_nothing_is_sent():
    """Nobody listens: the request did not leave."""
    async with lines_to(lambda reader, writer: reader.read()) as lines:  # type: ignore[arg-type, return-value]
        pass
    with pytest.raises(NotSent, match="Refused"):
        await post(lines)


@on_both_loops
async def test_an_address_of_this_machine_leads_nowhere_else(monkeypatch):
    """Whatever its name resolves to: no connection is made, and nothing leaves."""

    async def elsewhere(*args: object, **kwargs: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", ("192.0.2.1", 9))]

    monkeypatch.setattr(http_lines, "addresses_of", elsewhere)
    with pytest.raises(NotSent, match=r"192\.0\.2\.1, and the address set is this machine's"):
        await post(HttpLines("http://localhost:9", connect_s=1.0, total_s=1.0))
