"""The venue's own lists of an account's orders and executions, through both kinds of venue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from uuid import uuid4

import pytest
from pydantic import SecretStr

from arb_pipelines.clock import now_ns
from arb_pipelines.market.exact import decimal_of
from arb_pipelines.market.graph import BUY
from arb_pipelines.settings import load_settings
from arb_pipelines.trading.events import OrderKind
from arb_pipelines.venues.base import NewOrder, VenueConnection
from arb_pipelines.venues.kucoin import history
from arb_pipelines.venues.kucoin.connection import open_kucoin
from tests.e2e.ccxt_at_exchange import connected, run
from tests.e2e.exchange_process import ExchangeProcess, running_exchange

pytestmark = pytest.mark.long

SYMBOL, OTHER = "BTC-USDT", "ETH-USDT"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of ten symbols whose market stands still."""
    home = tmp_path_factory.mktemp("exchange")
    arguments = ("--symbols", "10", "--speed", "0", "--balance", "USDT=100000")
    with running_exchange(home, *arguments) as process:
        yield process


@asynccontextmanager
async def at_kucoin(exchange: ExchangeProcess) -> AsyncIterator[VenueConnection]:
    """A connection in service."""
    settings = load_settings(
        kucoin_url=exchange.rest,
        kucoin_key=SecretStr(exchange.key),
        kucoin_secret=SecretStr(exchange.secret),
        kucoin_passphrase=SecretStr(exchange.passphrase),
    )
    async with open_kucoin(settings) as connection:
        running = asyncio.create_task(connection.run())
        try:
            await connection.ready()
            yield connection
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


@pytest.mark.parametrize(("opened", "many"), [(at_kucoin, 104), (connected, 6)])
def test_executions_are_listed_with_client_id_and_fee(
    exchange: ExchangeProcess, opened: object, many: int
) -> None:
    """More than a page holds of KuCoin's, of the symbols that were asked for, since then only."""

    async def body() -> None:
        async with opened(exchange) as connection:  # type: ignore[operator]
            account, entry = connection.account, connection.entry("rest")
            since_ns = now_ns()
            orders = [
                NewOrder(uuid4().hex, SYMBOL, BUY, OrderKind.MARKET, funds=Decimal(5))
                for _ in range(many)
            ]
            other = NewOrder(uuid4().hex, OTHER, BUY, OrderKind.MARKET, funds=Decimal(5))
            for order in (*orders, other):
                await entry.place(order)
            fills = await account.fills(since_ns, [SYMBOL])
            assert {fill.client_id for fill in fills} == {order.client_id for order in orders}
            assert len({fill.trade_id for fill in fills}) == len(fills) >= many
            report = await account.look_up(orders[0].client_id, SYMBOL)
            assert report is not None
            first = [fill for fill in fills if fill.client_id == orders[0].client_id]
            assert sum(fill.size for fill in first) == report.size
            assert sum(fill.fee for fill in first) == report.fee
            assert {fill.order_id for fill in first} == {report.order_id}
            both = await account.fills(since_ns, [SYMBOL, OTHER])
            assert {fill.client_id for fill in both} - {order.client_id for order in orders} == {
                other.client_id
            }
            assert not await account.fills(now_ns() + 60_000_000_000, [SYMBOL])

    run(body)


@pytest.mark.parametrize("opened", [at_kucoin, connected])
def test_open_orders_are_listed_until_they_end(exchange: ExchangeProcess, opened: object) -> None:
    """Those of the symbols that were asked for, whoever made them."""

    async def body() -> None:
        async with opened(exchange) as connection:  # type: ignore[operator]
            account, entry = connection.account, connection.entry("rest")
            market = next(each for each in connection.markets if each.symbol == SYMBOL)
            feed = connection.feed([SYMBOL], channel="level2", depth=5)
            reading = asyncio.create_task(feed.run())
            (book,) = await feed.changed()
            reading.cancel()
            tick = market.price_increment
            price = decimal_of(float(book.bid_px[0])) * Decimal("0.8") // tick * tick
            order = NewOrder(
                uuid4().hex, SYMBOL, BUY, OrderKind.LIMIT, size=Decimal("0.01"), price=price
            )
            await entry.place(order)
            (open_,) = await account.open_orders([SYMBOL, OTHER])
            assert (open_.client_id, open_.active) == (order.client_id, True)
            assert await account.open_orders([OTHER]) == []
            await entry.cancel(order.client_id, SYMBOL)
            while await account.open_orders([SYMBOL]):
                await asyncio.sleep(0)

    run(body)


def test_an_order_that_rested_for_long_is_found_by_the_venue_s_name(
    exchange: ExchangeProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made before the time from which orders are listed."""
    monkeypatch.setattr(history, "_EARLIER_MS", -60_000)

    async def body() -> None:
        async with at_kucoin(exchange) as connection:
            since_ns = now_ns()
            order = NewOrder(uuid4().hex, OTHER, BUY, OrderKind.MARKET, funds=Decimal(5))
            await connection.entry("rest").place(order)
            fills = await connection.account.fills(since_ns, [OTHER])
            assert {fill.client_id for fill in fills} == {order.client_id}

    run(body)
