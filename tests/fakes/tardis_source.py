"""A loopback server with the layout of Tardis's datasets, and with faults to order."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Answer:
    """How one request is answered, where not as it should be.

    ``status`` other than 200 answers with nothing else. ``cut_at`` closes the
    connection after that many bytes, with the whole length promised. ``promise``
    is a length that is not the body's. ``wait_for`` holds the body back, after
    ``cut_at`` bytes if given, until the event is set.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_at: int | None = None
    promise: int | None = None
    wait_for: threading.Event | None = None
    body: bytes | None = None


@dataclass
class Source:
    """Files by address path, faults by address path in order of request, and what was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, deque[Answer]] = field(default_factory=lambda: defaultdict(deque))
    requests: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    key_for_all: str | None = None
    rendezvous: int = 0
    arrived: threading.Event = field(default_factory=threading.Event)

    def ranges(self, path: str) -> list[str | None]:
        """``Range`` of every request for ``path``."""
        return [asked for name, asked, _ in self.requests if name == path]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request and count how many are under way."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.at_once >= self.rendezvous:
                self.arrived.set()
            while not self.arrived.is_set():
                await asyncio.sleep(0.001)
            return await self._answer(request)
        finally:
            self.at_once -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.requests.append(
            (path, request.headers.get("Range"), request.headers.get("Authorization"))
        )
        fault = self.faults[path].popleft() if self.faults[path] else Answer()
        if fault.status != 200:
            return web.Response(status=fault.status, headers=fault.headers)
        content = self.files.get(path) if fault.body is None else fault.body
        if content is None:
            return web.Response(status=404)
        wanted = f"Bearer {self.key_for_all}"
        if self.key_for_all and request.headers.get("Authorization") != wanted:
            return web.Response(status=401)
        return await self._send(request, content, fault)

    async def _send(
        self, request: web.Request, content: bytes, fault: Answer
    ) -> web.StreamResponse:
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        start = 0
        response = web.StreamResponse(headers={"ETag": etag, **fault.headers})
        asked = request.headers.get("Range")
        if asked and request.headers.get("If-Range") in (None, etag):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return web.Response(
                    status=416, headers={"Content-Range": f"bytes */{len(content)}"}
                )
            response.set_status(206)
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            response.headers["Content-Range"] = span
        body = content[start:]
        response.content_length = len(body) if fault.promise is None else fault.promise
        await response.prepare(request)
        first = body if fault.cut_at is None else body[: fault.cut_at]
        await response.write(first)
        if fault.wait_for is not None:
            while not fault.wait_for.is_set():
                await asyncio.sleep(0.005)
            await response.write(body[len(first) :])
        elif fault.cut_at is not None or fault.promise is not None:
            assert request.transport is not None
            request.transport.close()
        return response


@contextmanager
def tardis_source() -> Iterator[Source]:
    """Run a ``Source`` on a free loopback port, in a thread of its own."""
    source, ready, stop = Source(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", source.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        source.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield source
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
