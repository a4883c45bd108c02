"""The whole exchange behind one port of 127.0.0.1, from ready to told to end."""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
from collections.abc import Callable
from functools import partial

from aiohttp import web

from arb_pipelines.errors import ArbError, ConfigError
from arb_pipelines.exchange.server import (
    admin,
    order_entry,
    rest_account,
    rest_public,
    rest_spot,
)
from arb_pipelines.exchange.server.answers import Refusal, refused
from arb_pipelines.exchange.server.playing import Player
from arb_pipelines.exchange.server.routes import BODY_MAX, add_routes
from arb_pipelines.exchange.server.venue import Venue

HOST = "127.0.0.1"
#: Orders that are good till a time end at most this late.
_EXPIRY_S = 0.05
_SHUTDOWN_S = 1.0


def make_app(venue: Venue, player: Player) -> web.Application:
    """Put the endpoints together."""
    app = web.Application(client_max_size=BODY_MAX)
    add_routes(app, venue, [*rest_spot.ROUTES, *rest_account.ROUTES, *rest_public.ROUTES])
    app.router.add_get(rest_public.ENDPOINT, venue.streams.connect)
    app.router.add_get(order_entry.PATH, partial(order_entry.connect, venue))
    admin.add_admin(app, venue, player)
    app.router.add_route("*", "/{path:.*}", _not_found)
    app.on_shutdown.append(partial(_cut_sessions, venue))
    return app


async def serve(
    venue: Venue,
    player: Player,
    *,
    port: int,
    ready: Callable[[int], None],
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. ``ready`` is told the port once everything answers.

    Raises:
        ConfigError: the port cannot be had.
        DataError: the books that are played cannot be read any further.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(make_app(venue, player), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port, ssl_context=tls)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"port {port} on {HOST} cannot be used ({error}); choose another one",
                source="--port",
            ) from None
        await player.open()
        # A thousand books are a million objects that live as long as this does: they
        # shall not be walked again while a client waits.
        gc.collect()
        gc.freeze()
        ready(runner.addresses[0][1])
        await _run(venue, player, stop)
    finally:
        await runner.cleanup()


async def _run(venue: Venue, player: Player, stop: asyncio.Event) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(player.run()), group.create_task(_expire(venue))]
            await stop.wait()
            for task in tasks:
                task.cancel()
    except ExceptionGroup as failed:
        known = failed.subgroup(ArbError)
        raise (known or failed).exceptions[0] from None


async def _expire(venue: Venue) -> None:
    while True:
        await asyncio.sleep(_EXPIRY_S)
        venue.expire()


async def _cut_sessions(venue: Venue, _app: web.Application) -> None:
    venue.streams.cut_all()


async def _not_found(_request: web.Request) -> web.Response:
    return refused(Refusal("404000", "Url Not Found", status=404))
