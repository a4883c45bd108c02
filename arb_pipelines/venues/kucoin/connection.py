"""A session's connection to KuCoin, or to a local exchange that speaks its protocol.

Puts together what the modules beside this one do, for one key: client, clock, account,
order entry, feeds. Nothing has a default address. What is done with it belongs to
``execution``.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Literal, TypeVar

from pydantic import SecretStr

from arb_pipelines.awake import Awake
from arb_pipelines.errors import ConfigError, Transient
from arb_pipelines.market.book import Top
from arb_pipelines.market.symbols import Market
from arb_pipelines.settings import Settings
from arb_pipelines.trading.events import Book
from arb_pipelines.venues.addresses import account_name, is_loopback
from arb_pipelines.venues.base import MarketData, NewOrder, OrderEntry
from arb_pipelines.venues.guarded_http import expect_secrecy
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.books import BookFeed, Channel
from arb_pipelines.venues.kucoin.codec_orders import order_fields
from arb_pipelines.venues.kucoin.limits import Pool
from arb_pipelines.venues.kucoin.listing import KeyInfo, ask_closed, ask_key, ask_markets
from arb_pipelines.venues.kucoin.order_entry import RestOrderEntry, SocketOrderEntry
from arb_pipelines.venues.kucoin.rest import ORDER, Rest
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from arb_pipelines.venues.kucoin.snapshots import ask_book, ask_tops
from arb_pipelines.venues.kucoin.symbols import VENUE
from arb_pipelines.venues.kucoin.venue_clock import VenueClock
from arb_pipelines.venues.status import VenueStatus
from arb_pipelines.venues.tasks import worst_error

_CHANNELS: Mapping[str, Channel] = {channel.name.lower(): channel for channel in Channel}
#: Where order entry is on an exchange of this machine.
_ENTRY_PATH = "/v1/private"
#: Points of the orders' pool that questions which can wait leave alone.
_SPARE_POINTS = 1_000
#: A window of the rate limits, and a little more.
_LONGEST_PAUSE_S = 35.0

T = TypeVar("T")


@asynccontextmanager
async def open_kucoin(settings: Settings) -> AsyncIterator[KucoinConnection]:
    """Connect with the key of the settings: clock set, key, markets and fees known, lines warm.

    Raises:
        ConfigError: address, key or certificate is missing or cannot be used, or an address
            of another machine is not encrypted.
        VenueError: the venue does not answer, or turns the key away.
        DataError: its list of symbols is none.
    """
    url, entry_url, clock = _url(settings), settings.kucoin_entry_url, VenueClock()
    if entry_url is not None:
        expect_secrecy(entry_url, "ARB_KUCOIN_ENTRY_URL")
    async with open_client(settings, clock) as client:
        await _when_welcome(client.warm_up)
        key = await _when_welcome(partial(ask_key, client))
        markets, fees = await _when_welcome(partial(ask_markets, client))
        awake = Awake(settings.kucoin_awake_ms / 1000)
        yield KucoinConnection(client, clock, url, entry_url, key, markets, fees, awake)


@asynccontextmanager
async def open_client(
    settings: Settings, clock: VenueClock, *, signed: bool = True
) -> AsyncIterator[Rest]:
    """Open the client alone, its ``clock`` set; unless ``signed`` it knows just public calls.

    Raises:
        ConfigError: address, key or certificate is missing or cannot be used.
        VenueError: the venue does not answer.
    """
    signer = Signer(_credentials(settings)) if signed else None
    trust = _trust(settings)
    async with Rest(_url(settings), signer, trust=trust, wall_ns=clock.now_ns) as client:
        await _when_welcome(partial(clock.measure, client))
        yield client


async def _when_welcome(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask; where the venue answers "too many", ask again after the pause it asks for.

    Starts in a row spend the budget of an address; who waits for its next window need not
    be a person.
    """
    while True:
        try:
            return await ask()
        except Transient as refused:
            if refused.retry_after_s is None or refused.retry_after_s > _LONGEST_PAUSE_S:
                raise
            await asyncio.sleep(refused.retry_after_s)


class KucoinConnection:
    """``VenueConnection`` of KuCoin; made by ``open_kucoin``."""

    def __init__(
        self,
        client: Rest,
        clock: VenueClock,
        url: str,
        entry_url: str | None,
        key: KeyInfo,
        markets: Sequence[Market],
        fees: Mapping[str, Decimal],
        awake: Awake,
    ) -> None:
        self.venue = VENUE
        self.local = is_loopback(url) and (entry_url is None or is_loopback(entry_url))
        self.account_id = account_name(VENUE, url, str(key.uid), local=self.local)
        self.can_withdraw: bool | None = key.can_withdraw
        self.markets, self.fees = markets, fees
        self.account = KucoinAccount(client, awake=awake)
        self.clock = clock
        self.status = VenueStatus(VENUE, partial(ask_closed, client))
        self._client, self._url, self._entry_url = client, url, entry_url
        self._by_rest = RestOrderEntry(client, self.account)
        self._by_socket: SocketOrderEntry | None = None
        self._tasks: asyncio.TaskGroup | None = None

    def entry(self, way: Literal["rest", "socket"]) -> OrderEntry:
        """Give order entry by REST, or over a WebSocket that all who ask share."""
        if way == "rest":
            return self._by_rest
        if self._by_socket is None:
            entry = SocketOrderEntry(self._client, self.account, self._socket_url())
            assert self._tasks is not None, "order entry is asked for while the connection runs"
            self._tasks.create_task(entry.run())
            self._by_socket = entry
        return self._by_socket

    def feed(
        self,
        symbols: Sequence[str],
        *,
        channel: Literal["level2", "depth50", "depth5", "level1"],
        depth: int,
    ) -> MarketData:
        """Make a feed of books."""
        return BookFeed(self._client, symbols, channel=_CHANNELS[channel], depth=depth)

    async def snapshot(self, symbol: str, depth: int) -> Book:
        """Ask for one book as it stands."""
        return await ask_book(self._client, symbol, depth)

    async def tops(self) -> Mapping[str, Top]:
        """Ask for the best prices of all symbols."""
        return await ask_tops(self._client)

    async def run(self) -> None:
        """Keep account, order entry and clock in service until cancelled."""
        with worst_error():
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self.account.run())
                self._tasks.create_task(self.clock.keep(self._client))
                self._tasks.create_task(self.status.run())

    async def ready(self) -> None:
        """Wait until account and order entry are in service."""
        await self.account.in_service.wait()
        if self._by_socket is not None:
            await self._by_socket.in_service.wait()

    def make_ready(self, order: NewOrder) -> None:
        """Make and sign the request that would send an order."""
        self._client.prepare(ORDER, body=order_fields(order))

    def room(self) -> bool:
        """Whether the orders of the next seconds have points enough beside a question."""
        return self._client.left(Pool.SPOT) > _SPARE_POINTS

    def health(self) -> Mapping[str, str | None]:
        """Say how the private stream and, if it is used, order entry by WebSocket are."""
        parts = {"account": self.account.in_service}
        if self._by_socket is not None:
            parts["order_entry"] = self._by_socket.in_service
        wrong: dict[str, str | None] = {
            name: None if served.is_set() else "not connected" for name, served in parts.items()
        }
        return wrong if self.status.closed is None else wrong | {"closed": self.status.closed}

    def _socket_url(self) -> str:
        if self._entry_url is not None:
            return self._entry_url
        if not self.local:
            raise ConfigError(
                "is not set; give the address of order entry, or say `entry: rest` in the strategy",
                source="ARB_KUCOIN_ENTRY_URL",
            )
        return f"ws{self._url.removeprefix('http').rstrip('/')}{_ENTRY_PATH}"


def _url(settings: Settings) -> str:
    if settings.kucoin_url is None:
        raise ConfigError(
            "is not set; give KuCoin's address, or that of a local exchange (`arb exchange`)",
            source="ARB_KUCOIN_URL",
        )
    return settings.kucoin_url


def _credentials(settings: Settings) -> Credentials:
    named = {
        "ARB_KUCOIN_KEY": settings.kucoin_key,
        "ARB_KUCOIN_SECRET": settings.kucoin_secret,
        "ARB_KUCOIN_PASSPHRASE": settings.kucoin_passphrase,
    }
    missing = [name for name, secret in named.items() if not secret]
    if missing:
        raise ConfigError(
            "is not set; a session needs an API key with its secret and passphrase",
            source=" and ".join(missing),
        )
    return Credentials(*(secret or SecretStr("") for secret in named.values()))


def _trust(settings: Settings) -> ssl.SSLContext | None:
    """Trust the certificate of the settings and no other; ``None`` for the system's own."""
    if settings.kucoin_certificate is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.kucoin_certificate)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{settings.kucoin_certificate} is no certificate (PEM) that can be read: {error}",
            source="ARB_KUCOIN_CERTIFICATE",
        ) from None
