"""A recorded day, played to a session one state at a time, as fast as the session keeps up.

The local exchange plays by hand (``--speed 0``); the next state is shown when the session
has taken in the last one, and the books of its own trades, and has nothing in flight. So no
book races an order, and the day can be traded again by the backtest: ``replaying``. What
comes of the comparison is said in ``agreement``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import aiohttp
import numpy as np

from arb_pipelines.errors import ConfigError, Transient
from arb_pipelines.lake.recording.format import BookState, Side
from arb_pipelines.research.watched_session import Observed, WatchedFeed, watched_session
from arb_pipelines.settings import Settings
from arb_pipelines.trading.events import Approved, Book, Ended, Floats, OrderFill
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.venues.kucoin.books import Channel

#: Longest wait for one answer of the exchange, and for the session to take in one state.
_ANSWER_S, _TAKEN_IN_S = 10.0, 30.0
_LOOK_AGAIN_S = 0.01
_UNLIMITED = 1_000_000_000
#: Streams that send the whole of a book of so many levels at each change.
_TOPICS = {"depth5": Channel.DEPTH5.value, "depth50": Channel.DEPTH50.value}


class Progress:
    """How far a session is with what it was shown, by its feed and its bus."""

    def __init__(self, feed: WatchedFeed) -> None:
        self._feed = feed
        self._in_flight = 0
        self._moved = asyncio.Event()
        self._due = 0  # messages of books that the venue has sent
        self._dealt = 0  # books that belong to earlier states
        feed.on_progress = self._moved.set

    def hear(self, event: object) -> None:
        """Count what is in flight, and the books that our own trades make."""
        match event:
            case Approved():
                self._in_flight += 1
            case Ended():
                self._in_flight -= 1
            case OrderFill():
                self._due += 1
            case _:
                return
        self._moved.set()

    async def taken_in(self) -> Book:
        """Wait until one more book is dealt with, and all that follows from it; give the book."""
        first, self._due = self._dealt, self._due + 1
        while self._in_flight or self._seen() < self._due:
            self._moved.clear()
            await self._moved.wait()
        self._dealt = len(self._feed.given)
        return self._feed.given[first]

    def _seen(self) -> int:
        return self._feed.dealt_with + sum(self._feed.dropped.values())


class Operator:
    """The operator's side of a local exchange: shows the next state, and tells if it was news."""

    def __init__(self, client: aiohttp.ClientSession, rest: str) -> None:
        self._client, self._rest = client, rest

    async def open(self, symbols: Sequence[str], topic: str) -> int:
        """Wait until somebody listens to every symbol; give how many states were shown so far."""
        await self._ask("POST", "/admin/limits", {"public": _UNLIMITED})
        wanted = {f"{topic}:{symbol}" for symbol in symbols}
        try:
            async with asyncio.timeout(_TAKEN_IN_S):
                while True:
                    progress = await self._ask("GET", "/admin/progress")
                    if wanted <= set(progress["subscriptions"]):
                        return int(progress["shown"])
                    await asyncio.sleep(_LOOK_AGAIN_S)
        except TimeoutError:
            raise Transient(f"the session did not subscribe in {_TAKEN_IN_S:g} s") from None

    async def step(self, symbol: str) -> bool:
        """Show the next state, which is of ``symbol``; whether its displayed book has changed."""
        before = await self._sequence(symbol)
        await self._ask("POST", "/admin/step", {"states": 1})
        return await self._sequence(symbol) != before

    async def _sequence(self, symbol: str) -> str:
        path = f"/api/v1/market/orderbook/level1?symbol={symbol}"
        return str((await self._ask("GET", path))["sequence"])

    async def _ask(self, method: str, path: str, document: object = None) -> Any:
        try:
            async with self._client.request(method, self._rest + path, json=document) as response:
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Transient(f"the exchange did not answer {method} {path}: {error!r}") from None
        if answer.get("code") != "200000":
            raise Transient(f"the exchange answered {method} {path} with {answer}")
        return answer["data"]


async def play(
    settings: Settings, strategy: Strategy, states: Iterator[BookState], *, count: int
) -> Observed:
    """Have a paper session trade the next ``count`` states of a local exchange, in lock step.

    ``settings`` have the exchange's address and key; it plays by hand, nobody has taken of
    its books yet, and ``states`` are those that it plays, from the first. The books that
    come back are the recorded states, each at the time when the session received it; one
    that changed nothing the venue displays was never sent, and is left out.

    Raises:
        ConfigError: the exchange is none of this machine's, or the strategy asks for a stream
            of books that are not whole.
        VenueError: the exchange turns the session away, or the session has failed.
    """
    topic = _TOPICS.get(strategy.session.books)
    if topic is None:
        raise ConfigError(
            f"{strategy.session.books} does not send whole books; use {' or '.join(_TOPICS)}",
            source="session.books",
        )
    async with (
        watched_session(settings, strategy) as session,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_ANSWER_S)) as client,
    ):
        progress = Progress(session.feed)
        session.container.bus.subscribe(object, progress.hear)
        session.start()
        operator = Operator(client, str(settings.kucoin_url).rstrip("/"))
        opening = await operator.open(session.symbols, topic)
        part = islice(states, opening, opening + count)
        depth = strategy.session.depth
        books = await _play(operator, progress, part, set(session.symbols), depth)
        await session.stop("the day is played")
        return session.observed(books)


async def _play(
    operator: Operator,
    progress: Progress,
    states: Iterator[BookState],
    symbols: set[str],
    depth: int,
) -> list[Book]:
    """Show the states one by one; give those that arrived."""
    books = []
    for state in states:
        news = await operator.step(state.symbol)
        if not news or state.symbol not in symbols:
            continue
        try:
            async with asyncio.timeout(_TAKEN_IN_S):
                received = await progress.taken_in()
        except TimeoutError:
            raise Transient(
                f"the session did not deal with a book of {state.symbol} in {_TAKEN_IN_S:g} s"
            ) from None
        books.append(_recorded(state, received.ts_recv, depth))
    return books


def _recorded(state: BookState, ts_recv: int, depth: int) -> Book:
    """Give a state as the venue shows it: whole, or not at all where it is crossed in itself."""
    bids, asks = state.bids, state.asks
    if bids and asks and bids[0][0] >= asks[0][0]:
        bids, asks = (), ()
    return Book(state.symbol, ts_recv, *_levels(bids, depth), *_levels(asks, depth))


def _levels(side: Side, depth: int) -> tuple[Floats, Floats]:
    px, sz = np.full(depth, np.nan), np.zeros(depth)
    for i, (price, size) in enumerate(side[:depth]):
        px[i], sz[i] = price, size
    for column in (px, sz):
        column.setflags(write=False)
    return px, sz
