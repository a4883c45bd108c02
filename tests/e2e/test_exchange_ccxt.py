"""The local exchange through ccxt and ccxt.pro, as they are but for their endpoint settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import ccxt.pro
import pytest
from ccxt.base.errors import AuthenticationError, InsufficientFunds, InvalidOrder, OrderNotFound

from tests.e2e.exchange_process import ExchangeProcess, running_exchange

T = TypeVar("T")
SYMBOL = "BTC/USDT"
TIMEOUT_S = 20.0


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of ten symbols that plays the generator at its own pace."""
    home = tmp_path_factory.mktemp("exchange")
    arguments = ("--symbols", "10", "--balance", "USDT=10000,BTC=1")
    with running_exchange(home, *arguments) as process:
        yield process


@asynccontextmanager
async def connected(exchange: ExchangeProcess, **changed: str) -> AsyncIterator[Any]:
    """A client of ccxt.pro with the endpoints of ``exchange``."""
    credentials = {
        "apiKey": exchange.key,
        "secret": exchange.secret,
        "password": exchange.passphrase,
    }
    client = ccxt.pro.kucoin(
        credentials
        | changed
        | {
            "enableRateLimit": False,
            "options": {
                "uta": False,
                "hf": True,
                "fetchMarkets": {"types": ["spot"], "fetchTickersFees": False},
                "watchOrderBook": {"snapshotDelay": 0},
            },
        }
    )
    client.urls["api"]["public"] = client.urls["api"]["private"] = exchange.rest
    try:
        yield client
    finally:
        await client.close()


def run(body: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run one test's coroutine, which shall not take long."""
    return asyncio.run(asyncio.wait_for(body(), TIMEOUT_S))


def test_load_markets(exchange: ExchangeProcess) -> None:
    """Markets carry the symbols, increments and limits that the exchange lists."""

    async def body() -> None:
        async with connected(exchange) as client:
            markets = await client.load_markets()
            assert {market["id"] for market in markets.values()} == set(exchange.symbols)
            market = markets[SYMBOL]
            assert (market["base"], market["quote"], market["active"]) == ("BTC", "USDT", True)
            assert market["precision"]["amount"] > 0
            assert market["precision"]["price"] > 0
            assert market["limits"]["cost"]["min"] == 0.1

    run(body)


def test_market_order(exchange: ExchangeProcess) -> None:
    """A market order by funds is filled, charged on the quote side and shown in my trades."""

    async def body() -> None:
        async with connected(exchange) as client:
            before = await client.fetch_balance()
            placed = await client.create_order(SYMBOL, "market", "buy", 0, None, {"cost": "100"})
            order = await client.fetch_order(placed["id"], SYMBOL)
            trades = await client.fetch_my_trades(SYMBOL)
            after = await client.fetch_balance()
            mine = [trade for trade in trades if trade["order"] == placed["id"]]
            funds = sum(Decimal(trade["info"]["funds"]) for trade in mine)
            fees = sum(Decimal(trade["info"]["fee"]) for trade in mine)
            size = sum(Decimal(trade["info"]["size"]) for trade in mine)
            assert mine
            assert funds == Decimal(order["info"]["dealFunds"]) <= 100
            assert fees == funds / 1000
            assert order["info"]["active"] is False
            assert change(before, after, "USDT") == pytest.approx(-float(funds + fees))
            assert change(before, after, "BTC") == pytest.approx(float(size))

    run(body)


def test_order_books(exchange: ExchangeProcess) -> None:
    """The book by REST and the one kept from level-2 changes are uncrossed and move on."""

    async def body() -> None:
        async with connected(exchange) as client:
            fetched = await client.fetch_order_book(SYMBOL)
            assert fetched["bids"][0][0] < fetched["asks"][0][0]
            assert len(await levels(client.fetch_order_book(SYMBOL, 20), "bids")) == 20
            first = await client.watch_order_book(SYMBOL)
            nonce = first["nonce"]
            while (watched := await client.watch_order_book(SYMBOL))["nonce"] <= nonce:
                pass
            assert watched["bids"][0][0] < watched["asks"][0][0]
            depth = await client.watch_order_book("ETH/USDT", 5)
            assert len(depth["bids"]) == len(depth["asks"]) == 5

    run(body)


def test_watched_book_is_the_exchanges_book(exchange: ExchangeProcess) -> None:
    """A book kept from snapshot and changes equals a later snapshot of the same sequence."""

    async def body() -> None:
        async with connected(exchange) as client:
            for _ in range(200):
                watched = await client.watch_order_book(SYMBOL)
                fetched = await client.fetch_order_book(SYMBOL)
                if fetched["nonce"] == watched["nonce"]:
                    assert watched["bids"] == fetched["bids"]
                    assert watched["asks"] == fetched["asks"]
                    return
            pytest.fail("no snapshot fell between two changes")

    run(body)


def test_limit_order_and_cancel(exchange: ExchangeProcess) -> None:
    """A limit order far below the market rests with its hold, and a cancel gives that back."""

    async def body() -> None:
        async with connected(exchange) as client:
            before = await client.fetch_balance()
            price = await far_below(client)
            placed = await client.create_order(SYMBOL, "limit", "buy", 0.01, price)
            resting = await client.fetch_order(placed["id"], SYMBOL)
            held = await client.fetch_balance()
            await client.cancel_order(placed["id"], SYMBOL)
            ended = await client.fetch_order(placed["id"], SYMBOL)
            after = await client.fetch_balance()
            assert resting["status"] == "open"
            assert [order["id"] for order in await client.fetch_open_orders(SYMBOL)] == []
            assert held["used"]["USDT"] == pytest.approx(0.01 * resting["price"] * 1.001)
            assert ended["status"] == "canceled"
            assert after["free"] == before["free"]
            with pytest.raises(InvalidOrder):
                await client.cancel_order(placed["id"], SYMBOL)

    run(body)


def test_immediate_or_cancel(exchange: ExchangeProcess) -> None:
    """An IOC order below the market ends cancelled without a fill."""

    async def body() -> None:
        async with connected(exchange) as client:
            price = await far_below(client)
            placed = await client.create_order(
                SYMBOL, "limit", "buy", 0.01, price, {"timeInForce": "IOC"}
            )
            ended = await client.fetch_order(placed["id"], SYMBOL)
            assert (ended["status"], ended["filled"]) == ("canceled", 0)

    run(body)


def test_test_orders_and_sync_orders(exchange: ExchangeProcess) -> None:
    """A test order leaves no trace; a sync order's answer tells how it was filled."""

    async def body() -> None:
        async with connected(exchange) as client:
            before = await client.fetch_balance()
            tried = await client.create_order(SYMBOL, "market", "sell", 0.001, None, {"test": True})
            assert tried["id"]
            assert await client.fetch_balance() | {"info": None} == before | {"info": None}
            with pytest.raises(OrderNotFound):
                await client.fetch_order(tried["id"], SYMBOL)
            sold = await client.create_order(SYMBOL, "market", "sell", 0.001, None, {"sync": True})
            assert sold["info"]["status"] == "done"
            assert Decimal(sold["info"]["dealSize"]) == Decimal("0.001")

    run(body)


def test_watch_orders_and_balance(exchange: ExchangeProcess) -> None:
    """Fills and balances arrive over the private topics."""

    async def body() -> None:
        async with connected(exchange) as client:
            await client.load_markets()
            async with asyncio.TaskGroup() as group:
                orders = group.create_task(seen_until_over(client))
                balance = group.create_task(client.watch_balance())
                await until_subscribed(exchange, "/spotMarket/tradeOrders", "/account/balance")
                placed = await client.create_order(SYMBOL, "market", "buy", 0, None, {"cost": "50"})
            assert placed["id"] in {order["id"] for order in orders.result()}
            assert balance.result()["total"]["USDT"] > 0

    run(body)


def test_refusals(exchange: ExchangeProcess) -> None:
    """What the exchange refuses reaches the client as the error it keeps for that."""

    async def body() -> None:
        async with connected(exchange) as client:
            with pytest.raises(InsufficientFunds):
                await client.create_order(SYMBOL, "market", "buy", 0, None, {"cost": "9000000"})
            with pytest.raises(InvalidOrder):
                await client.create_order(SYMBOL, "market", "buy", 0, None, {"cost": "0.01"})
        async with connected(exchange, secret="wrong") as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.fetch_balance()

    run(body)


async def levels(book: Awaitable[dict[str, Any]], side: str) -> list[Any]:
    """One side of a book that is being fetched."""
    return list((await book)[side])


async def far_below(client: Any) -> float:
    """A price that nobody sells at."""
    book = await client.fetch_order_book(SYMBOL)
    return float(book["bids"][0][0]) * 0.8


async def until_subscribed(exchange: ExchangeProcess, *topics: str) -> None:
    """Wait until the exchange has a subscription of each of ``topics``."""
    while not set(topics) <= set(await asyncio.to_thread(exchange.subscriptions)):
        await asyncio.sleep(0.01)


async def seen_until_over(client: Any) -> list[Any]:
    """Orders seen until one was over: filled, or cancelled with too little left to buy."""
    while True:
        seen = await client.watch_orders(SYMBOL)
        if any(order["status"] in ("closed", "canceled") for order in seen):
            return list(seen)


def change(before: dict[str, Any], after: dict[str, Any], currency: str) -> float:
    """How much of a currency came in."""
    return float(after["total"][currency] - before["total"][currency])
