"""The operator's endpoints, under ``/admin``: faults, clock, halts, books, quotas, steps.

Unsigned, for the exchange listens on loopback only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import msgspec
from aiohttp import web

from arb_pipelines.exchange.engine.refusals import Refused
from arb_pipelines.exchange.server.answers import BAD_PARAMETER, Refusal, answered, refused
from arb_pipelines.exchange.server.faults import Fault, Service
from arb_pipelines.exchange.server.playing import Player
from arb_pipelines.exchange.server.venue import Venue
from arb_pipelines.exchange.server.weights import Pool

PREFIX = "/admin"

T = TypeVar("T")


class _Clock(msgspec.Struct, forbid_unknown_fields=True):
    skew_ms: int


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    states: int = 1


class _Book(msgspec.Struct, forbid_unknown_fields=True):
    """A book to show; prices and sizes as text."""

    symbol: str
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


class _Deposit(msgspec.Struct, forbid_unknown_fields=True):
    user: str
    currency: str
    amount: Decimal


def add_admin(app: web.Application, venue: Venue, player: Player) -> None:
    """Serve the operator's endpoints."""

    async def arm(request: web.Request) -> object:
        venue.faults.arm(await _read(request, Fault))
        return _armed(venue)

    async def armed(_request: web.Request) -> object:
        return _armed(venue)

    async def disarm(_request: web.Request) -> object:
        venue.faults.clear()
        return _armed(venue)

    async def skew(request: web.Request) -> object:
        venue.clock.skew_ms = (await _read(request, _Clock)).skew_ms
        return {"skew_ms": venue.clock.skew_ms}

    async def maintain(request: web.Request) -> object:
        venue.service = await _read(request, Service)
        return msgspec.to_builtins(venue.service)

    async def halt(request: web.Request) -> object:
        symbol = request.match_info["symbol"]
        venue.tell(venue.exchange.halt(symbol, venue.clock.now_ns()))
        return {"symbol": symbol}

    async def resume(request: web.Request) -> object:
        symbol = request.match_info["symbol"]
        venue.exchange.resume(symbol)
        return {"symbol": symbol}

    async def expire_tokens(_request: web.Request) -> object:
        return {"tokens": venue.tokens.expire_all(), "sessions": venue.streams.cut_all()}

    async def cut_sessions(_request: web.Request) -> object:
        return {"sessions": venue.streams.cut_all()}

    async def set_limits(request: web.Request) -> object:
        venue.quotas.limits.update(await _read(request, dict[Pool, int]))
        return {pool.value: limit for pool, limit in venue.quotas.limits.items()}

    async def show(request: web.Request) -> object:
        book = await _read(request, _Book)
        venue.show(book.symbol, book.bids, book.asks)
        return {"symbol": book.symbol}

    async def deposit(request: web.Request) -> object:
        paid = await _read(request, _Deposit)
        now = venue.clock.now_ns()
        venue.tell(venue.exchange.open_account(paid.user, {paid.currency: paid.amount}, now))
        return {"user": paid.user}

    async def step(request: web.Request) -> object:
        return {"shown": await player.step((await _read(request, _Step)).states)}

    async def progress(_request: web.Request) -> object:
        topics = venue.streams.subscriptions()
        return {"shown": player.shown, "speed": player.speed, "subscriptions": topics}

    for method, path, handler in (
        ("POST", "/faults", arm),
        ("GET", "/faults", armed),
        ("DELETE", "/faults", disarm),
        ("POST", "/clock", skew),
        ("POST", "/maintenance", maintain),
        ("POST", "/symbols/{symbol}/halt", halt),
        ("POST", "/symbols/{symbol}/resume", resume),
        ("POST", "/tokens/expire", expire_tokens),
        ("POST", "/sessions/cut", cut_sessions),
        ("POST", "/limits", set_limits),
        ("POST", "/books", show),
        ("POST", "/deposits", deposit),
        ("POST", "/step", step),
        ("GET", "/progress", progress),
    ):
        app.router.add_route(method, PREFIX + path, _endpoint(handler))


def _endpoint(
    handler: Callable[[web.Request], Awaitable[object]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(request: web.Request) -> web.Response:
        try:
            return answered(await handler(request))
        except Refusal as refusal:
            return refused(refusal)
        except Refused as no:
            return refused(Refusal(no.code, no.message, status=400))

    return serve


async def _read(request: web.Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise Refusal(BAD_PARAMETER, str(error), status=400) from None


def _armed(venue: Venue) -> object:
    return msgspec.to_builtins(venue.faults.armed)
