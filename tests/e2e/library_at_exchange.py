"""Calls of ``execute_cycle`` at a local exchange, by ccxt's own kucoin class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt.pro

from arb_pipelines import CycleResult, execute_cycle
from tests.e2e.exchange_process import ExchangeProcess

#: Home from USDT over BTC and ETH, or the other way round, at these books: +5 %, or a loss.
BOOKS = {
    "BTC-USDT": ("49990", "50000", "3"),
    "ETH-BTC": ("0.0499", "0.05", "60"),
    "ETH-USDT": ("2630", "2631", "60"),
}
PROFITABLE = ["USDT", "BTC", "ETH"]
LOSING = [("ETH/USDT", "buy"), ("ETH/BTC", "sell"), ("BTC/USDT", "sell")]
AMOUNT = "100"


@asynccontextmanager
async def ccxt_client(
    rest: str, key: str, secret: str, passphrase: str, kind: Any = ccxt.pro.kucoin
) -> AsyncIterator[Any]:
    """An exchange object as a user of ccxt makes it, all of its addresses this machine's."""
    client = kind({"apiKey": key, "secret": secret, "password": passphrase})
    client.urls["api"] = {"public": rest, "private": rest}
    try:
        yield client
    finally:
        await client.close()


def keys_of(exchange: ExchangeProcess) -> list[str]:
    """Address and key of an exchange, as ``ccxt_client`` takes them."""
    return [exchange.rest, exchange.key, exchange.secret, exchange.passphrase]


async def call(exchange: ExchangeProcess, *arguments: Any, **options: Any) -> CycleResult:
    """Carry out a cycle by a client made for it."""
    async with ccxt_client(*keys_of(exchange)) as client:
        return await execute_cycle(client, *arguments, **options)


def show_books(exchange: ExchangeProcess) -> None:
    """Show the books of the triangle, resumed and whole."""
    for symbol, (bid, ask, size) in BOOKS.items():
        levels = {"bids": [[bid, size]], "asks": [[ask, size]]}
        exchange.operate("POST", f"/symbols/{symbol}/resume")  # a halted one shows no book
        exchange.operate("POST", "/books", {"symbol": symbol, **levels})


def place_one(keys: list[str]) -> None:
    """Carry out the profitable cycle, as a program of its own would."""

    async def place() -> None:
        async with ccxt_client(*keys) as client:
            await execute_cycle(client, PROFITABLE, AMOUNT)

    asyncio.run(place())
