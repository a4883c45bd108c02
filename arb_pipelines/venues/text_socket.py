"""A WebSocket whose messages are acted on as they arrive: orders, and what becomes of them.

A general client hands a message through a queue to a task that has to be woken. Here a
message is handed to a callback while its bytes are taken from the system, and is with
the system itself when ``send`` returns. Connecting is the general client's
(``guarded_http``), with all that is refused there.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from arb_pipelines.venues.ws_frames import BadFrame, FrameReader, Kind, masked_frame

#: The protocol's own (RFC 6455, 1.3).
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_NORMAL: Final = (1000).to_bytes(2)


class Ended(Exception):
    """The connection is over; the text says how, without an address."""


class Refused(Exception):
    """The server does not open a WebSocket; the text is its HTTP ``status``."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"HTTP {status}")


class TextSocket:
    """One connection, used on one loop; a context manager that closes it.

    Messages wait for ``receive`` until ``hand_on`` names who gets them from then on.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        """Take over the connection of ``response``, which has just become a WebSocket."""
        connection = response.connection
        assert connection is not None, "a connection that changed its protocol is open"
        assert connection.protocol is not None
        assert connection.transport is not None
        self._response, self._transport = response, connection.transport
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._over = asyncio.Event()
        self._why: Exception = Ended("closed")
        self._reader = FrameReader(self._inbox.put_nowait, self._on_other)
        connection.protocol.set_parser(self, None)

    @classmethod
    async def open(cls, session: aiohttp.ClientSession, url: str) -> Self:
        """Connect.

        Raises:
            Refused: the server answered, and not with a WebSocket.
            aiohttp.ClientError, TimeoutError: no connection, or a redirect, as ``session`` has it.
        """
        key = base64.b64encode(os.urandom(16))
        response = await session.get(
            url,
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": key.decode(),
            },
            read_until_eof=False,
        )
        # the protocol has the server prove that it read the key: no password is hashed
        proof = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()  # noqa: S324
        proven = response.headers.get("Sec-WebSocket-Accept") == proof
        # without `Upgrade` and `Connection` the client library takes it for a common answer
        if response.status != 101 or not proven or response.connection is None:
            response.close()
            raise Refused(response.status)
        return cls(response)

    def send(self, text: bytes) -> None:
        """Send a text message, without waiting for the server to take it.

        Raises:
            Ended: the connection is over. Earlier messages may not have arrived.
        """
        if self._over.is_set() or self._transport.is_closing():
            raise Ended(str(self._why))
        self._transport.write(masked_frame(Kind.TEXT, text))

    async def receive(self, within_s: float) -> bytes:
        """Wait for one text message; before ``hand_on``.

        Raises:
            Ended: the connection is over.
            TimeoutError: none came.
        """
        async with asyncio.timeout(within_s):
            text = await self._inbox.get()
        if text is None:
            raise self._why
        return text

    def hand_on(self, on_text: Callable[[bytes], None]) -> None:
        """Give ``on_text`` every message from now on; it must not wait.

        What it raises ends the connection, and is raised by ``ended``.
        """
        while not self._inbox.empty():
            text = self._inbox.get_nowait()
            if text is not None:
                on_text(text)
        self._reader.on_text = on_text

    async def ended(self) -> None:
        """Wait for the connection's end, and raise why.

        Raises:
            Ended: it is over; or what ``hand_on``'s callback raised.
        """
        await self._over.wait()
        raise self._why

    def close(self) -> None:
        """Say goodbye and close the connection."""
        if not self._over.is_set() and not self._transport.is_closing():
            self._transport.write(masked_frame(Kind.CLOSE, _NORMAL))
        self._end(Ended("closed"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _end(self, why: Exception) -> None:
        if not self._over.is_set():
            self._why, self._reader.over = why, True
            self._over.set()
            self._inbox.put_nowait(None)
            self._response.close()

    def _on_other(self, kind: Kind, payload: bytes) -> None:
        if kind is Kind.PING:
            self._transport.write(masked_frame(Kind.PONG, payload))
        elif kind is Kind.CLOSE:
            self._transport.write(masked_frame(Kind.CLOSE, payload[:2]))
            self._end(Ended(f"closed by the peer ({int.from_bytes(payload[:2]) or None})"))

    # -- called by aiohttp's connection ---------------------------------------------------

    def feed_data(self, data: bytes) -> tuple[bool, Any]:
        """Take what arrived; the first value says that no more of it is wanted."""
        if not self._over.is_set():
            try:
                self._reader.feed(data)
            except BadFrame as error:
                self._end(Ended(str(error)))
            except Exception as error:  # noqa: BLE001 - a callback has no caller: ended() raises it
                self._end(error)
        return self._over.is_set(), b""

    def feed_eof(self) -> None:
        """Take note that the connection was lost."""
        self._end(Ended("closed by the peer (None)"))
