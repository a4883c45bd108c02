"""Orders over one WebSocket: KuCoin's ``/v1/private``.

The server greets with a challenge, the client signs its text, the server says
welcome; from then on every message is an operation with a REST body.

Source: https://www.kucoin.com/docs-new/websocket-api/base-info/introduction-uta
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import orjson
from aiohttp import WSMsgType, web

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.exchange.engine.refusals import Refused
from arb_pipelines.exchange.server.answers import (
    BAD_PARAMETER,
    OK,
    TOO_MANY_REQUESTS,
    Refusal,
    cut_off,
    refused,
)
from arb_pipelines.exchange.server.documents import Document, sync_document
from arb_pipelines.exchange.server.faults import Kind
from arb_pipelines.exchange.server.requests import decode_object, parse_order
from arb_pipelines.exchange.server.signing import Credentials, signature
from arb_pipelines.exchange.server.streams import PING_INTERVAL_MS, PING_TIMEOUT_MS, text_frame
from arb_pipelines.exchange.server.texts import number
from arb_pipelines.exchange.server.venue import Venue
from arb_pipelines.exchange.server.weights import Pool

PATH = "/v1/private"
_SILENCE_S = (PING_INTERVAL_MS + PING_TIMEOUT_MS) / 1000
_NEVER = 1 << 62

Operation = Callable[[Venue, str, Document], Document]


async def connect(venue: Venue, request: web.Request) -> web.StreamResponse:
    """Serve one connection from its challenge to its end."""
    try:
        owner = venue.keyring.check_connection(request.query, venue.clock.now_ns())
    except Refusal as refusal:
        return refused(refusal)
    socket = web.WebSocketResponse(writer_limit=_NEVER, compress=False)
    await socket.prepare(request)
    session = secrets.token_hex(12)
    challenge = orjson.dumps({"sessionId": session, "timestamp": _now_ms(venue)})
    await socket.send_frame(challenge, WSMsgType.TEXT)
    if await _text(socket) != signature(owner.secret, challenge):
        failed = {"sessionId": session, "code": "400005", "msg": "Invalid KC-API-SIGN"}
        await socket.send_frame(orjson.dumps(failed), WSMsgType.TEXT)
        await socket.close()
        return socket
    welcome = {
        "sessionId": session,
        "data": "welcome",
        "pingInterval": PING_INTERVAL_MS,
        "pingTimeout": PING_TIMEOUT_MS,
    }
    await socket.send_frame(orjson.dumps(welcome), WSMsgType.TEXT)
    with suppress(TimeoutError):
        async with asyncio.timeout(_SILENCE_S) as silence:
            await _converse(venue, owner, socket, request, silence)
    await socket.close()
    return socket


async def _converse(
    venue: Venue,
    owner: Credentials,
    socket: web.WebSocketResponse,
    request: web.Request,
    silence: asyncio.Timeout,
) -> None:
    """Answer until the client is gone, or speaks in bytes. ``silence`` begins with each answer."""
    loop, transport = asyncio.get_running_loop(), request.transport
    assert transport is not None
    while (frame := await socket.receive()).type is WSMsgType.TEXT:
        try:
            asked = decode_object(frame.data)
        except Refusal as refusal:
            answer: Document | None = {"id": "", "op": "", **refusal.document()}
        else:
            if venue.faults.armed:
                silence.reschedule(None)
                answer = await _answer_faulty(venue, owner, asked, request)
            else:
                answer = _answer(venue, owner, asked)
        if answer is not None and not transport.is_closing():
            transport.write(text_frame(orjson.dumps(answer)))
        silence.reschedule(loop.time() + _SILENCE_S)


async def _text(socket: web.WebSocketResponse) -> str | None:
    """The next message; None when the client is gone, silent or speaks in bytes."""
    try:
        frame = await socket.receive(timeout=_SILENCE_S)
    except TimeoutError:
        return None
    return frame.data if frame.type is WSMsgType.TEXT else None


async def _answer_faulty(
    venue: Venue, owner: Credentials, asked: Document, request: web.Request
) -> Document | None:
    """Answer as ``_answer`` does, with what was armed; None where no answer is sent."""
    faults = venue.faults
    target = f"WS {asked.get('op')}"
    head: Document = {"id": asked.get("id"), "op": asked.get("op")}
    await asyncio.sleep(faults.delay_s(target))
    if faults.strike(Kind.DROP_BEFORE, target):
        cut_off(request)
        return None
    if faults.strike(Kind.TOO_MANY_REQUESTS, target):
        return head | {"code": TOO_MANY_REQUESTS, "msg": "Too many requests"}
    answer = _answer(venue, owner, asked)
    if faults.strike(Kind.DROP_AFTER, target):
        cut_off(request)
        return None
    if faults.strike(Kind.LOST_ACKNOWLEDGEMENT, target):
        return None
    if faults.strike(Kind.SERVER_ERROR, target):
        return head | {"code": "500000", "msg": "Internal Server Error"}
    return answer


def _answer(venue: Venue, owner: Credentials, asked: Document) -> Document:
    name = asked.get("op")
    if name == "ping":
        return {"id": asked.get("id"), "op": "pong", "timestamp": _now_ms(venue)}
    answer: Document = {"id": asked.get("id"), "op": name}
    in_time = _now_ms(venue)
    try:
        operation, arguments = _OPERATIONS.get(str(name)), asked.get("args")
        if operation is None or not isinstance(arguments, dict):
            raise Refusal(BAD_PARAMETER, f"op {name} with these args is not supported")
        spent = venue.quotas.spend(Pool.SPOT, owner.user, 1)
        limits = {"limit": spent.limit, "reset": spent.reset_ms, "remaining": spent.remaining}
        answer["rateLimit"] = limits
        if not spent.allowed:
            raise Refusal(TOO_MANY_REQUESTS, "Too many requests in a short period")
        venue.service.check(places=False)
        answer["data"] = operation(venue, owner.user, arguments)
        answer["code"] = OK
    except Refusal as refusal:
        answer |= refusal.document()
    except Refused as no:
        answer |= {"code": no.code, "msg": no.message}
    answer["inTime"], answer["outTime"] = in_time, _now_ms(venue)
    return answer


def _order(venue: Venue, user: str, arguments: Document) -> Document:
    order = venue.place(user, parse_order(arguments))
    return {"orderId": order.id, "clientOid": order.request.client_oid}


def _sync_order(venue: Venue, user: str, arguments: Document) -> Document:
    return sync_document(venue.place(user, parse_order(arguments)))


def _cancel(venue: Venue, user: str, arguments: Document) -> Document:
    order = venue.cancel(user, **_identity(arguments))
    return {"orderId": order.id, "clientOid": order.request.client_oid}


def _sync_cancel(venue: Venue, user: str, arguments: Document) -> Document:
    return sync_document(venue.cancel(user, **_identity(arguments)))


def _modify(venue: Venue, user: str, arguments: Document) -> Document:
    price, size = (arguments.get(name) for name in ("newPrice", "newSize"))
    order = venue.alter(
        user,
        **_identity(arguments),
        price=number(price, "newPrice") if price else None,
        size=number(size, "newSize") if size else None,
    )
    return {"newOrderId": order.id, "clientOid": order.request.client_oid}


def _unified_order(venue: Venue, user: str, arguments: Document) -> Document:
    """Place an order in the words of the unified account, which the official SDK speaks."""
    return _order(venue, user, _classic(arguments))


def _classic(arguments: Mapping[str, object]) -> Document:
    """Turn ``{"side":"BUY","orderType":"MARKET","size":"10","sizeUnit":"QUOTECCY"}`` around.

    Raises:
        Refusal: the order is not for the spot market.
    """
    if arguments.get("tradeType", "SPOT") != "SPOT":
        raise Refusal(BAD_PARAMETER, "tradeType: only SPOT is traded here")
    body = dict(arguments)
    body["type"] = str(body.pop("orderType", body.get("type", ""))).lower()
    body["side"] = str(body.get("side", "")).lower()
    if body.pop("sizeUnit", None) == "QUOTECCY":
        body["funds"] = body.pop("size", None)
    return body


def _identity(arguments: Document) -> dict[str, str | None]:
    """The order that is meant: by its own id, else by the client's.

    Raises:
        Refusal: neither is given.
    """
    for name, argument in (("orderId", "order_id"), ("clientOid", "client_oid")):
        value = arguments.get(name)
        if isinstance(value, str) and value:
            return {"order_id": None, "client_oid": None, argument: value}
    raise Refusal(BAD_PARAMETER, "orderId or clientOid is required.")


def _now_ms(venue: Venue) -> int:
    return venue.clock.now_ns() // NS_PER_MS


_OPERATIONS: Final[Mapping[str, Operation]] = {
    "spot.order": _order,
    "spot.sync_order": _sync_order,
    "spot.modify": _modify,
    "spot.cancel": _cancel,
    "spot.sync_cancel": _sync_cancel,
    "uta.order": _unified_order,
    "uta.cancel": _cancel,
}
