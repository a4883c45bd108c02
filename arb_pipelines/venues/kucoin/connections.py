"""What every WebSocket of KuCoin needs: opening, pings, noticing a dead peer.

Which messages pass is the business of ``streams`` and ``order_entry``; a connection that
was lost is opened again by ``retry``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp

from arb_pipelines.errors import Fatal, Transient
from arb_pipelines.venues.guarded_http import why
from arb_pipelines.venues.text_socket import Ended, Refused, TextSocket

_MS = 1 / 1000


async def open_socket(session: aiohttp.ClientSession, url: str, what: str) -> TextSocket:
    """Connect. The error's own text is left out: ``url`` holds a token or a key.

    Raises:
        Transient: no connection, or a redirect, which ``session`` does not follow.
        Fatal: the venue turns these keys, or this address, away.
    """
    try:
        return await TextSocket.open(session, url)
    except Refused as refused:
        if refused.status in (401, 403):
            raise Fatal(f"{what}: {refused}", code=str(refused.status)) from None
        raise Transient(f"{what}: {refused}") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Transient(f"{what}: no connection ({why(error)})") from None


async def receive_text(socket: TextSocket, timeout_s: float, what: str) -> bytes:
    """Wait for one text message.

    Raises:
        Transient: none came, or the connection ended.
    """
    try:
        return await socket.receive(timeout_s)
    except TimeoutError:
        raise Transient(f"{what}: silent for {timeout_s} s") from None
    except Ended as ended:
        raise Transient(f"{what}: {ended}") from None


def send_text(socket: TextSocket, text: bytes, what: str) -> None:
    """Send one text message.

    Raises:
        Transient: the connection has ended.
    """
    try:
        socket.send(text)
    except Ended as ended:
        raise Transient(f"{what}: {ended}") from None


async def lost(socket: TextSocket, what: str) -> None:
    """Wait until the connection is lost.

    Raises:
        Transient: it is; or what who was handed the messages raised.
    """
    try:
        await socket.ended()
    except Ended as ended:
        raise Transient(f"{what}: {ended}") from None


async def keep_alive(
    socket: TextSocket,
    *,
    interval_ms: int,
    timeout_ms: int,
    ping: Callable[[], bytes],
    heard: Callable[[], int],
    what: str,
) -> None:
    """Ping every ``interval_ms`` until nothing is heard within ``timeout_ms`` of a ping.

    ``heard`` counts the messages received: any of them shows that the peer lives.

    Raises:
        Transient: the peer is dead.
    """
    while True:
        await asyncio.sleep(max(interval_ms - timeout_ms, 0) * _MS)
        before = heard()
        send_text(socket, ping(), what)
        await asyncio.sleep(timeout_ms * _MS)
        if heard() == before:
            raise Transient(f"{what}: no answer to a ping for {timeout_ms} ms")
