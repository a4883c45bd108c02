"""A session's connection to any exchange through ccxt."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from arb_pipelines.errors import ConfigError
from arb_pipelines.market.book import Top
from arb_pipelines.market.symbols import Market
from arb_pipelines.settings import Settings
from arb_pipelines.trading.events import Book
from arb_pipelines.venues.addresses import account_name, is_loopback
from arb_pipelines.venues.base import MarketData, NewOrder, OrderEntry
from arb_pipelines.venues.ccxt_any.account import CcxtAccount
from arb_pipelines.venues.ccxt_any.books import CcxtFeed, ask_book, ask_tops
from arb_pipelines.venues.ccxt_any.client import address_of, make_client
from arb_pipelines.venues.ccxt_any.failures import asking
from arb_pipelines.venues.ccxt_any.numbers import exact
from arb_pipelines.venues.ccxt_any.order_entry import CHECKS_ORDERS, CcxtOrderEntry
from arb_pipelines.venues.ccxt_any.orders import Listed
from arb_pipelines.venues.ccxt_any.symbols import describe, parse_symbols
from arb_pipelines.venues.status import VenueStatus
from arb_pipelines.venues.tasks import worst_error

#: Fees are asked for symbol by symbol, where there is no other way, of at most so many.
_MOST_ASKED = 100
_AT_ONCE = 8
_BPS = 10_000


@asynccontextmanager
async def opened(settings: Settings, exchange: str, *, exact: bool) -> AsyncIterator[Any]:
    """Hold a client with its markets loaded, and close it.

    Raises:
        ConfigError: ccxt or the address is missing, or there is no such exchange.
        VenueError: no answer.
    """
    client = make_client(settings, exchange, exact=exact)
    try:
        with asking(f"markets of {exchange}", acts=False):
            await client.load_markets()
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def open_ccxt(settings: Settings, exchange: str) -> AsyncIterator[CcxtConnection]:
    """Connect with the key of the settings: markets and fees known.

    Raises:
        ConfigError: key or address is missing, ccxt is, or there is no such exchange.
        VenueError: the exchange does not answer, or turns the key away.
    """
    key = settings.ccxt_key
    if key is None or settings.ccxt_secret is None:
        raise ConfigError(
            "is not set; a session needs an API key with its secret",
            source="ARB_CCXT_KEY or ARB_CCXT_SECRET",
        )
    address = address_of(settings)
    identity = hashlib.sha256(key.get_secret_value().encode()).hexdigest()[:16]
    async with (
        opened(settings, exchange, exact=True) as trading,
        opened(settings, exchange, exact=False) as watching,
    ):
        local = is_loopback(address)
        name = account_name(exchange, address, identity, local=local)
        yield await connection_of(trading, watching, local=local, account_id=name)


async def connection_of(
    trading: Any, watching: Any, *, local: bool, account_id: str
) -> CcxtConnection:
    """Make a connection of clients with their markets loaded, by the account's fees.

    ``trading`` is an exact client; ``watching``, which may be the same, gives books.

    Raises:
        VenueError: the exchange does not answer, or turns the key away.
    """
    listed = listed_of(trading)
    fees = await _fees(trading, listed)
    return CcxtConnection(
        trading,
        watching,
        {symbol: _priced(one, fees[symbol]) for symbol, one in listed.items()},
        {symbol: taker for symbol, (taker, _) in fees.items() if taker is not None},
        local=local,
        account_id=account_id,
    )


def listed_of(client: Any) -> dict[str, Listed]:
    """The spot symbols of a client with loaded markets, by our name."""
    names = {
        f"{market['base']}-{market['quote']}": market["symbol"]
        for _, market in sorted(client.markets.items(), reverse=True)
        if market.get("spot")
    }
    markets = parse_symbols(describe(client), f"ccxt's markets of {client.id}")
    return {market.symbol: Listed(names[market.symbol], market) for market in markets}


class CcxtConnection:
    """``VenueConnection`` of an exchange through ccxt; made by ``open_ccxt``.

    The same account under two keys has two ``account_id``: ccxt does not tell more.
    ``checks_orders`` tells whether the exchange can be asked to test an order.
    """

    def __init__(
        self,
        trading: Any,
        watching: Any,
        listed: Mapping[str, Listed],
        fees: Mapping[str, Decimal],
        *,
        local: bool,
        account_id: str,
    ) -> None:
        self.venue: str = trading.id
        self.local, self.account_id = local, account_id
        self.can_withdraw: bool | None = None
        self.markets: Sequence[Market] = [listed[symbol].market for symbol in fees]
        self.fees = fees
        self.account = CcxtAccount(trading, listed)
        self._entry = CcxtOrderEntry(trading, self.account, listed)
        self.checks_orders: bool = trading.id in CHECKS_ORDERS
        self._trading, self._watching, self._listed = trading, watching, listed
        ask = partial(ask_closed, trading) if trading.has.get("fetchStatus") is True else None
        self.status = VenueStatus(trading.id, ask)
        self._running = asyncio.Event()

    def entry(self, way: Literal["rest", "socket"]) -> OrderEntry:
        """Give order entry, which is by REST."""
        if way != "rest":
            raise ConfigError("ccxt sends orders by REST: say `entry: rest`", source="entry")
        return self._entry

    def feed(
        self,
        symbols: Sequence[str],
        *,
        channel: Literal["level2", "depth50", "depth5", "level1"],
        depth: int,
    ) -> MarketData:
        """Make a feed of books; which stream it comes by, ccxt decides."""
        return CcxtFeed(
            self._watching, {symbol: self._listed[symbol].name for symbol in symbols}, depth=depth
        )

    async def snapshot(self, symbol: str, depth: int) -> Book:
        """Ask for one book as it stands."""
        return await ask_book(self._watching, symbol, self._listed[symbol].name, depth)

    async def tops(self) -> Mapping[str, Top]:
        """Ask for the best prices of all symbols, where ccxt has one call for that."""
        names = {listed.name: symbol for symbol, listed in self._listed.items()}
        return await ask_tops(self._watching, names)

    async def run(self) -> None:
        """Keep the account in service until cancelled."""
        self._running.set()
        try:
            with worst_error():
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self.account.run())
                    tasks.create_task(self.status.run())
        finally:
            self._running.clear()

    async def ready(self) -> None:
        """Wait until ``run`` is running; an order is found by look-up in any case."""
        await self._running.wait()

    def make_ready(self, order: NewOrder) -> None:
        """Do nothing: ccxt makes an order and sends it in one."""

    def room(self) -> bool:
        """Whether nothing waits at ccxt's throttle."""
        throttle = self._trading.throttler
        return throttle is None or not throttle.queue

    def health(self) -> Mapping[str, str | None]:
        """Say whether the account is followed; ccxt does not tell how its streams are."""
        wrong = {"account": None if self._running.is_set() else "not running"}
        return wrong if self.status.closed is None else wrong | {"closed": self.status.closed}


async def ask_closed(client: Any) -> str | None:
    """Ask whether the exchange takes orders: ``None``, or why it does not.

    Raises:
        VenueError: no answer.
    """
    with asking(f"status of {client.id}", acts=False):
        told = await client.fetch_status()
    return None if told.get("status") == "ok" else str(told.get("status"))


_Fees = tuple[Decimal | None, Decimal | None]


async def _fees(client: Any, listed: Mapping[str, Listed]) -> dict[str, _Fees]:
    """Taker's and maker's fees by symbol, as fractions: the account's where they can be had.

    An exchange that tells them symbol by symbol is asked for up to 100 symbols; beyond
    that, and where it tells none, they are those of its list.
    """
    told: dict[str, Any] = {}
    names = {one.name: symbol for symbol, one in listed.items()}
    with asking(f"fees of {client.id}", acts=False):
        if client.has.get("fetchTradingFees"):
            told = await client.fetch_trading_fees()
        elif client.has.get("fetchTradingFee") and len(names) <= _MOST_ASKED:
            order = list(names)
            for at in range(0, len(order), _AT_ONCE):
                some = order[at : at + _AT_ONCE]
                answers = await asyncio.gather(*map(client.fetch_trading_fee, some))
                told |= dict(zip(some, answers, strict=True))
        return {
            symbol: (
                _fraction(told.get(name), client.markets[name], "taker"),
                _fraction(told.get(name), client.markets[name], "maker"),
            )
            for name, symbol in names.items()
        }


def _fraction(told: Any, market: Mapping[str, Any], whose: str) -> Decimal | None:
    value = (told or {}).get(whose)
    value = market.get(whose) if value is None else value
    return None if value is None else exact(value)


def _priced(listed: Listed, fees: _Fees) -> Listed:
    taker, maker = (None if fee is None else float(max(fee, Decimal(0)) * _BPS) for fee in fees)
    return replace(listed, market=replace(listed.market, taker_fee_bps=taker, maker_fee_bps=maker))
