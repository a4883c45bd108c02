"""A paper session on an exchange of this machine, of which everything is heard and kept.

For comparing it with a backtest afterwards (``agreement``). It is composed as any session;
it has no folder and no rows in the lake. Sessions that are meant are in ``sessions``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from arb_pipelines.clock import now_ns
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.factories import NoParams
from arb_pipelines.containers.spec import MARKET_DATA, ContainerSpec, component
from arb_pipelines.errors import ConfigError, Transient
from arb_pipelines.execution.components import strategy_spec, universe_of, venue_books
from arb_pipelines.execution.locks import account_held
from arb_pipelines.execution.manager import Managed, SessionManager, managing
from arb_pipelines.market.symbols import Market
from arb_pipelines.research.told import Listener, Told
from arb_pipelines.settings import Settings
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.venues.base import MarketData
from arb_pipelines.venues.opening import open_venue
from arb_pipelines.venues.tasks import worst_error


class WatchedFeed:
    """A session's feed that can tell what the session has been given, and has dealt with."""

    def __init__(self, feed: MarketData) -> None:
        self._feed = feed
        self.given: list[Book] = []
        self.dealt_with = 0
        self.on_progress: Callable[[], object] = lambda: None

    async def run(self) -> None:
        """Keep the books."""
        await self._feed.run()

    async def changed(self) -> list[Book]:
        """Give what changed; who asks for more has dealt with what it was given."""
        self.dealt_with = len(self.given)
        self.on_progress()
        books = await self._feed.changed()
        self.given += books
        return books

    @property
    def dropped(self) -> Mapping[str, int]:
        """States by symbol that were overtaken."""
        return self._feed.dropped

    @property
    def refused(self) -> Mapping[str, str]:
        """Symbols without a book."""
        return self._feed.refused


@dataclass(frozen=True, slots=True)
class Observed:
    """What a session told, and the books it traded by: in order of receipt, of one depth.

    ``markets`` are the venue's, with the account's fees.
    """

    told: Told
    books: tuple[Book, ...]
    markets: tuple[Market, ...]


@dataclass(frozen=True, slots=True)
class WatchedSession:
    """A session that can be started and stopped; ``listener`` hears all that it tells.

    ``books`` are those that its desk was given, in that order, of the depth it decides by.
    ``markets`` are the venue's, with the account's fees.
    """

    container: Container
    feed: WatchedFeed
    listener: Listener
    books: list[Book]
    markets: tuple[Market, ...]
    _manager: SessionManager
    _managed: Managed

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols of which it follows the books."""
        return universe_of(self.container).symbols

    def start(self) -> None:
        """Let it trade."""
        self._manager.start(self.container.spec.name)

    async def stop(self, reason: str) -> None:
        """Let it settle what is in flight, and end."""
        self._managed.controls.stop(reason)
        await self._managed.ended.wait()

    def observed(self, books: Iterable[Book]) -> Observed:
        """Give what it told, and what it told it of."""
        in_order = sorted(books, key=lambda book: book.ts_recv)
        return Observed(self.listener.told(), tuple(in_order), self.markets)


async def observe(settings: Settings, strategy: Strategy, *, seconds: float) -> Observed:
    """Have a paper session trade for a while on an exchange of this machine.

    Books and orders race as they do on any venue. The books that come back are those that
    were decided by: they show what our own trades left.

    Raises:
        ConfigError, DataError, VenueError: as ``watched_session``.
    """
    async with watched_session(settings, strategy) as session:
        session.start()
        await asyncio.sleep(seconds)
        await session.stop("its time is over")
        return session.observed(session.books)


@asynccontextmanager
async def watched_session(settings: Settings, strategy: Strategy) -> AsyncIterator[WatchedSession]:
    """Connect, and make a session that trades within the block.

    Raises:
        ConfigError: the venue is not an exchange of this machine, or as for any session.
        DataError: the venue has none of the strategy's cycles.
        VenueError: the venue turns the session away, or the session has failed.
    """
    venue = strategy.exchange
    async with open_venue(venue, settings) as connection:
        if not connection.local:
            raise ConfigError(
                f"{venue} is not an exchange of this machine; only there an order that is meant "
                "costs nothing: see `arb exchange --help`",
                source="exchange",
            )
        locks = settings.sessions / "locks"
        with account_held(locks, venue, connection.account_id, strategy.name):
            async with managing(strategy.name, connection) as manager:
                managed = manager.add(_spec(strategy, settings.max_cycles))
                session = _session(manager, managed, tuple(connection.markets))
                with worst_error():
                    async with asyncio.TaskGroup() as tasks:
                        failing = tasks.create_task(_failure_of(managed))
                        yield session
                        failing.cancel()
                await manager.remove(strategy.name, "nobody watches it any more")


async def _failure_of(managed: Managed) -> None:
    await managed.ended.wait()
    if managed.error is not None:
        raise Transient(f"the session failed: {managed.error}")


def _session(
    manager: SessionManager, managed: Managed, markets: tuple[Market, ...]
) -> WatchedSession:
    container = managed.container
    feed: Any = container.get(MARKET_DATA)  # made by watched_books
    session = WatchedSession(container, feed, Listener(), [], markets, manager, managed)
    container.bus.subscribe(object, session.listener.hear)
    container.bus.subscribe(Book, session.books.append)
    return session


def _spec(strategy: Strategy, max_cycles: int) -> ContainerSpec:
    spec = strategy_spec(
        strategy, places_orders=True, id_prefix=f"{now_ns():x}-", max_cycles=max_cycles
    )
    made = dict(spec.components) | {MARKET_DATA.name: component(f"{__name__}:watched_books")}
    return replace(spec, components=tuple(made.items()))


def watched_books(params: NoParams, container: Container) -> WatchedFeed:
    """Follow the books of the universe, watched."""
    return WatchedFeed(venue_books(params, container))
