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

_MS = 1 / 1000
_CLOSING_S = 1.0


async def open_socket(
    session: aiohttp.ClientSession, url: str, what: str
) -> aiohttp.ClientWebSocketResponse:
    """Connect. The error's own text is left out: ``url`` holds a token or a key.

    Raises:
        Transient: no connection, or a redirect, which ``session`` does not follow.
        Fatal: the venue turns these keys, or this address, away.
    """
    try:
        return await session.ws_connect(
            url, timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSING_S), max_msg_size=0
        )
    except aiohttp.WSServerHandshakeError as error:
        if error.status in (401, 403):
            raise Fatal(f"{what}: HTTP {error.status}", code=str(error.status)) from None
        raise Transient(f"{what}: HTTP {error.status}") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Transient(f"{what}: no connection ({why(error)})") from None


async def receive_text(socket: aiohttp.ClientWebSocketResponse, timeout_s: float, what: str) -> str:
    """Wait for one text message.

    Raises:
        Transient: none came, or the connection ended.
    """
    try:
        message = await socket.receive(timeout_s)
    except TimeoutError:
        raise Transient(f"{what}: silent for {timeout_s} s") from None
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise closed(socket, what)
    return str(message.data)


async def send_text(socket: aiohttp.ClientWebSocketResponse, text: str, what: str) -> None:
    """Send one text message.

    Raises:
        Transient: the connection has ended. Part of the message may have left.
    """
    try:
        await socket.send_str(text)
    except (aiohttp.ClientError, ConnectionError) as error:
        raise Transient(f"{what}: {type(error).__name__}") from None


async def keep_alive(
    socket: aiohttp.ClientWebSocketResponse,
    *,
    interval_ms: int,
    timeout_ms: int,
    ping: Callable[[], str],
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
        try:
            async with asyncio.timeout(timeout_ms * _MS):
                await send_text(socket, ping(), what)
        except TimeoutError:
            raise Transient(f"{what}: takes nothing for {timeout_ms} ms") from None
        await asyncio.sleep(timeout_ms * _MS)
        if heard() == before:
            raise Transient(f"{what}: no answer to a ping for {timeout_ms} ms")


def closed(socket: aiohttp.ClientWebSocketResponse, what: str) -> Transient:
    """The error of a connection that ended."""
    return Transient(f"{what}: closed by the peer ({socket.close_code})")
