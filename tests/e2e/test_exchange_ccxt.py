"""The local exchange through ccxt and ccxt.pro, as they are but for their endpoint settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import ccxt.pro
import pytest

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


def change(before: dict[str, Any], after: dict[str, Any], currency: str) -> float:
    """How much of a currency came in."""
    return float(after["total"][currency] - before["total"][currency])
