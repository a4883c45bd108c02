"""Where recorded books come from: a venue's own client, or ccxt's class of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.recording.format import Header, SymbolList
from arb_pipelines.market.symbols import Market, Status
from arb_pipelines.settings import Settings
from arb_pipelines.venues.base import MarketData
from arb_pipelines.venues.ccxt_any.books import CcxtFeed
from arb_pipelines.venues.ccxt_any.connection import listed_of, opened
from arb_pipelines.venues.ccxt_any.failures import asking
from arb_pipelines.venues.ccxt_any.symbols import describe
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.books import BookFeed, Channel
from arb_pipelines.venues.kucoin.connection import open_client
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.venue_clock import VenueClock
from arb_pipelines.venues.symbol_lists import parse_symbol_list
from arb_pipelines.venues.tasks import worst_error

#: Levels a side that a recording keeps.
DEPTH = 20


@dataclass(frozen=True, slots=True)
class RecordedSource:
    """A feed of books, and what a recording says of them.

    ``names`` gives the venue's name of each of the feed's symbols, ``update_id`` the
    number of the book last shown, where it has one. ``symbol_list`` asks for today's.
    ``run`` keeps the feed in service, as ``MarketData.run``.
    """

    header: Header
    feed: MarketData
    run: Callable[[], Coroutine[Any, Any, None]]
    names: Mapping[str, str]
    update_id: Callable[[str], int | None]
    symbol_list: Callable[[], Awaitable[SymbolList]]


@asynccontextmanager
async def open_kucoin_source(
    settings: Settings, wanted: Sequence[str] | None, channel: Channel | None
) -> AsyncIterator[RecordedSource]:
    """Connect to KuCoin for the books of ``wanted`` symbols, or of all that trade.

    Without a ``channel`` it is level 2 where there is a key, which its snapshots need,
    else the 50 best levels ten times a second.

    Raises:
        ConfigError: no address, an unknown symbol, or level 2 without a key.
        VenueError: no answer.
    """
    keyed = settings.kucoin_key is not None
    channel = channel or (Channel.LEVEL2 if keyed else Channel.DEPTH50)
    if channel is Channel.LEVEL2 and not keyed:
        raise ConfigError(
            "level2 needs a key for its snapshots: set ARB_KUCOIN_KEY, _SECRET and _PASSPHRASE, "
            "or take --channel depth50"
        )
    clock = VenueClock()
    async with open_client(settings, clock, signed=keyed) as client:
        listed = await _ask_list(client)
        markets = parse_symbol_list(listed.document, "kucoin", rest.SYMBOLS.path)
        chosen = choose(markets, wanted)
        names = {market.venue_symbol: market.venue_symbol for market in chosen}
        feed = BookFeed(client, list(names), channel=channel, depth=DEPTH)

        async def run() -> None:
            with worst_error():
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(feed.run())
                    tasks.create_task(clock.keep(client))

        yield RecordedSource(
            header_of("kucoin", chosen),
            feed,
            run,
            names,
            feed.level2.sequence if channel is Channel.LEVEL2 else lambda _: None,
            lambda: _ask_list(client),
        )


@asynccontextmanager
async def open_ccxt_source(
    settings: Settings, exchange: str, wanted: Sequence[str] | None
) -> AsyncIterator[RecordedSource]:
    """Connect through ccxt for the books of ``wanted`` symbols, or of all that trade.

    Raises:
        ConfigError: no address, no ccxt, or an unknown exchange or symbol.
        VenueError: no answer.
    """
    async with opened(settings, exchange, exact=False) as client:
        listed = listed_of(client)
        chosen = choose([one.market for one in listed.values()], wanted)
        feed = CcxtFeed(
            client, {market.symbol: listed[market.symbol].name for market in chosen}, depth=DEPTH
        )

        async def symbol_list() -> SymbolList:
            with asking(f"markets of {exchange}", acts=False):
                await client.load_markets(True)
            return SymbolList("ccxt_any", describe(client))

        yield RecordedSource(
            header_of(exchange, chosen),
            feed,
            feed.run,
            {market.symbol: market.venue_symbol for market in chosen},
            lambda _: None,  # ccxt's numbers mean another thing in each class
            symbol_list,
        )


def header_of(venue: str, markets: Sequence[Market]) -> Header:
    """Name the symbols of a recording as the venue does, with their currencies."""
    return Header(venue, {market.venue_symbol: (market.base, market.quote) for market in markets})


def choose(markets: Sequence[Market], wanted: Sequence[str] | None) -> list[Market]:
    """Find ``wanted`` symbols by either name, each once; ``None`` for all that trade.

    Raises:
        ConfigError: the venue does not list one, or lists none that trades.
    """
    if wanted is None:
        chosen = [market for market in markets if market.status is Status.TRADING]
    else:
        known = {market.symbol: market for market in markets}
        known |= {market.venue_symbol: market for market in markets}
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise ConfigError(f"the venue lists no {', '.join(unknown)}", source="--symbols")
        chosen = list({known[name].symbol: known[name] for name in wanted}.values())
    if not chosen:
        raise ConfigError("there is no symbol to record", source="--symbols")
    return chosen


async def _ask_list(client: Rest) -> SymbolList:
    data = orjson.loads(bytes(await client.call(rest.SYMBOLS)))
    return SymbolList("kucoin", {"code": "200000", "data": data})
