"""What every REST endpoint has in common: signature, quota, faults, envelope."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from arb_pipelines.exchange.engine.refusals import Refused
from arb_pipelines.exchange.server.answers import (
    BAD_PARAMETER,
    TOO_MANY_REQUESTS,
    Refusal,
    answered,
    cut_off,
    refused,
)
from arb_pipelines.exchange.server.faults import Kind
from arb_pipelines.exchange.server.requests import decode_object
from arb_pipelines.exchange.server.weights import Pool

if TYPE_CHECKING:
    from arb_pipelines.exchange.server.venue import Venue

#: Longest body taken, bytes: 20 orders of a batch and room.
BODY_MAX = 64 << 10
#: Answered in maintenance, too.
_ALWAYS_SERVED = frozenset({"/api/v1/status", "/api/v1/timestamp"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request that may pass: who sent it (``""`` on public endpoints) and what it says."""

    user: str
    key: str | None
    request: web.Request
    body: bytes

    def query(self, name: str) -> str:
        """A parameter that must be there.

        Raises:
            Refusal: it is not.
        """
        value = self.request.query.get(name)
        if not value:
            raise Refusal(BAD_PARAMETER, f"{name} parameter is required.")
        return value

    def path(self, name: str) -> str:
        """A variable of the path."""
        return self.request.match_info[name]

    def integer(self, name: str, default: int, *, most: int) -> int:
        """A whole number from 1 to ``most``.

        Raises:
            Refusal: it is none.
        """
        text = self.request.query.get(name) or str(default)
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise Refusal(BAD_PARAMETER, f"{name} parameter is invalid: 1 to {most}.")
        return int(text)

    def time_ms(self, name: str) -> int | None:
        """A time in ms; None without one.

        Raises:
            Refusal: it is none.
        """
        text = self.request.query.get(name)
        if not text:
            return None
        if not text.isdecimal():
            raise Refusal(BAD_PARAMETER, f"{name} parameter is invalid.")
        return int(text)

    def document(self) -> dict[str, object]:
        """The body as a JSON object.

        Raises:
            Refusal: it is none.
        """
        return decode_object(self.body)


#: What an endpoint does: at once, as nothing in the exchange waits for anything.
Handler = Callable[["Venue", Call], object]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint. ``permission`` of the key it wants; None where nobody need sign."""

    method: str
    path: str
    weight: int
    handler: Handler
    pool: Pool = Pool.SPOT
    permission: str | None = "General"
    target: str = field(init=False)

    def __post_init__(self) -> None:
        """Name what a fault matches."""
        object.__setattr__(self, "target", f"{self.method} {self.path}")


def add_routes(app: web.Application, venue: Venue, routes: list[Route]) -> None:
    """Serve ``routes`` of ``venue``; of two that match, the one named first."""
    for route in routes:
        app.router.add_route(route.method, route.path, _endpoint(venue, route))


def _endpoint(venue: Venue, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        body = await request.read() if request.can_read_body else b""
        if not venue.faults.armed:
            return _answer(venue, route, request, body)
        return await _answer_faulty(venue, route, request, body)

    return serve


def _answer(venue: Venue, route: Route, request: web.Request, body: bytes) -> web.Response:
    headers: dict[str, str] = {}
    try:
        if route.path not in _ALWAYS_SERVED:
            venue.service.check(places=False)
        user, key, payer = "", None, request.remote or ""
        if route.permission is not None:
            owner = venue.keyring.check_request(
                request.headers,
                route.method,
                request.raw_path,
                body,
                venue.clock.now_ns(),
                permission=route.permission,
            )
            user, key = owner.user, owner.key
            if route.pool is not Pool.PUBLIC:
                payer = user
        spent = venue.quotas.spend(route.pool, payer, route.weight)
        headers = spent.headers()
        if not spent.allowed:
            raise Refusal(TOO_MANY_REQUESTS, "Too many requests in a short period", status=429)
        response = answered(route.handler(venue, Call(user, key, request, body)))
    except Refusal as refusal:
        response = refused(refusal)
    except Refused as refusal:
        response = refused(Refusal(refusal.code, refusal.message))
    response.headers.update(headers)
    return response


async def _answer_faulty(
    venue: Venue, route: Route, request: web.Request, body: bytes
) -> web.StreamResponse:
    """Answer as ``_answer`` does, with what was armed against ``route``."""
    faults, target = venue.faults, route.target
    await asyncio.sleep(faults.delay_s(target))
    if faults.strike(Kind.DROP_BEFORE, target):
        return _dropped(request)
    if faults.strike(Kind.TOO_MANY_REQUESTS, target):
        return refused(Refusal(TOO_MANY_REQUESTS, "Too many requests", status=429))
    if fault := faults.strike(Kind.REJECT, target):
        return refused(Refusal(fault.code, fault.msg))
    response = _answer(venue, route, request, body)
    if faults.strike(Kind.DROP_AFTER, target):
        return _dropped(request)
    if faults.strike(Kind.LOST_ACKNOWLEDGEMENT, target):
        await _until_gone(request)
        return response
    if faults.strike(Kind.SERVER_ERROR, target):
        return refused(Refusal("500000", "Internal Server Error", status=500))
    return response


def _dropped(request: web.Request) -> web.Response:
    cut_off(request)
    return web.Response()


async def _until_gone(request: web.Request) -> None:
    """Wait until the client gives up, or the exchange ends."""
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.05)
