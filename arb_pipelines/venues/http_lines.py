"""Kept HTTP/1.1 connections for the few requests whose time counts: orders.

A general client spends more on a request than a venue next door spends on an order. Here
is what an order needs and nothing else: a warm connection, one request at a time on each,
bytes out, an answer in. No redirect is followed, no proxy asked, nothing sent twice. Whoever
was given an address of this machine connects to this machine alone. Every other request
goes by ``guarded_http``.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httptools

from arb_pipelines.venues.addresses import is_loopback

#: An idle connection older than this is not trusted to be open still.
_STALE_S: Final = 60.0
#: No venue's answer to an order is longer.
_MOST_BYTES: Final = 1 << 20


class NotSent(Exception):
    """No connection could be had: the request did not leave. Its text holds no secret."""


class AnswerLost(Exception):
    """The request left, and the connection brought no whole answer. Its text holds no secret."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; ``headers`` by their name in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpLines:
    """Connections to the host of ``base_url``; used on one loop, and closed by who made it.

    ``connect_s`` and ``total_s`` bound the making of a connection and a whole request, in
    seconds; ``trust`` says which certificates are good, ``None`` those of the system.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect_s: float,
        total_s: float,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None, "a base address names a host"
        secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port or (443 if secure else 80)
        self._tls = (trust or ssl.create_default_context()) if secure else None
        self._local = is_loopback(base_url)
        self._prefix, self._named = parts.path.rstrip("/"), parts.netloc.rpartition("@")[2]
        self._connect_s, self._total_s = connect_s, total_s
        self._idle: list[_Line] = []
        self._all: set[_Line] = set()

    @property
    def open_connections(self) -> int:
        """How many there are, as far as is known."""
        return len(self._all)

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Send a request once; ``target`` is path and query, percent-encoded.

        Raises:
            NotSent: no connection could be had.
            AnswerLost: it left, and no answer came in time, or none that can be read.
        """
        line = self._take() or await self._open()
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"{method} {self._prefix}{target} HTTP/1.1\r\nHost: {self._named}\r\n{told}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        answer = await line.ask(head.encode("latin-1") + body, self._total_s)
        if line.reusable:
            self._idle.append(line)
        else:
            line.close()
        return answer

    async def warm_up(self, connections: int) -> None:
        """Open connections before they are needed.

        Raises:
            NotSent: none can be had.
        """
        self._idle += await asyncio.gather(*(self._open() for _ in range(connections)))

    def close(self) -> None:
        """Close all connections; who still waits for an answer has lost it."""
        for line in list(self._all):
            line.close()

    def _take(self) -> _Line | None:
        """Give the idle connection used last: the likeliest to be open still."""
        while self._idle:
            line = self._idle.pop()
            if line.is_fresh():
                return line
            line.close()
        return None

    async def _open(self) -> _Line:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                found = await addresses_of(self._host, self._port)
                address = str(found[0][4][0])
                if self._local and not ip_address(address).is_loopback:
                    raise NotSent(f"it is at {address}, and the address set is this machine's")
                _, line = await loop.create_connection(
                    lambda: _Line(self._all),
                    address,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls is not None else None,
                )
        except (OSError, TimeoutError) as error:
            raise NotSent(type(error).__name__) from None
        return line


async def addresses_of(host: str, port: int) -> list[tuple[Any, ...]]:
    """Resolve a name; as ``socket.getaddrinfo``."""
    loop = asyncio.get_running_loop()
    return [*await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Line(asyncio.Protocol):
    """One connection: at most one request at a time; closed by whatever goes wrong on it."""

    def __init__(self, lines: set[_Line]) -> None:
        self._lines = lines
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._used_s = self._loop.time()
        self.reusable = True

    def is_fresh(self) -> bool:
        """Whether it is open, as far as is known, and was used a moment ago."""
        return self.reusable and self._loop.time() - self._used_s < _STALE_S

    async def ask(self, request: bytes, within_s: float) -> Answer:
        """Send a request, and wait for its answer."""
        assert self._transport is not None, "a connection is made before it is used"
        waiter: asyncio.Future[Answer] = self._loop.create_future()
        self._waiter = waiter
        late = self._loop.call_later(within_s, self._fail, "TimeoutError")
        try:
            self._transport.write(request)
            return await waiter
        except BaseException:  # what is asked now would be answered with what was asked before
            self.close()
            raise
        finally:
            late.cancel()
            self._waiter, self._used_s = None, self._loop.time()

    def close(self) -> None:
        """Close it, now."""
        self.reusable = False
        self._lines.discard(self)
        if self._transport is not None:
            self._transport.abort()
        self._fail("closed")

    def _fail(self, what: str) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(AnswerLost(what))

    # -- called by the loop --------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # a stream's always is
        self._lines.add(self)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None:  # nobody asked: what comes next would not be an answer either
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.reusable = False
            self._fail(type(error).__name__)

    def connection_lost(self, error: Exception | None) -> None:
        self.reusable = False
        self._lines.discard(self)
        self._fail(type(error).__name__ if error is not None else "closed by the other side")

    # -- called by the parser ------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header of the answer."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Keep a part of the answer's body."""
        self._body += body
        if len(self._body) > _MOST_BYTES:
            self.close()

    def on_message_complete(self) -> None:
        """Give the answer to who waits for it."""
        answer = Answer(self._parser.get_status_code(), self._headers, bytes(self._body))
        self._headers, self._body = {}, bytearray()
        if answer.status < 200:  # the answer itself is still to come
            return
        self.reusable = self.reusable and self._parser.should_keep_alive()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(answer)
