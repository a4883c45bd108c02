"""Calls of ``execute_cycle`` at a local exchange, by ccxt's own kucoin class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from multiprocessing import get_context
from typing import Any

import ccxt.pro

from arb_pipelines import CycleResult, execute_cycle
from tests.e2e.exchange_process import ExchangeProcess
from tests.e2e.session_process import free_balances, until

#: Home from USDT over BTC and ETH, or the other way round, at these books: +5 %, or a loss.
BOOKS = {
    "BTC-USDT": ("49990", "50000", "3"),
    "ETH-BTC": ("0.0499", "0.05", "60"),
    "ETH-USDT": ("2630", "2631", "60"),
}
PROFITABLE = ["USDT", "BTC", "ETH"]
LOSING = [("ETH/USDT", "buy"), ("ETH/BTC", "sell"), ("BTC/USDT", "sell")]
AMOUNT = "100"
ORDERS = "POST /api/v1/hf/orders"
TIMEOUT_S = 30.0


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


def show(
    exchange: ExchangeProcess, symbol: str, bids: list[list[str]], asks: list[list[str]]
) -> None:
    """Show a book, prices and sizes."""
    exchange.operate("POST", "/books", {"symbol": symbol, "bids": bids, "asks": asks})


def show_books(exchange: ExchangeProcess) -> None:
    """Show the books of the triangle, whole; a symbol that was halted trades again."""
    for symbol, (bid, ask, size) in BOOKS.items():
        exchange.operate("POST", f"/symbols/{symbol}/resume")  # a halted one shows no book
        show(exchange, symbol, [[bid, size]], [[ask, size]])


def run(exchange: ExchangeProcess, *arguments: Any, **options: Any) -> CycleResult:
    """Make one call, which shall not take long."""
    return asyncio.run(asyncio.wait_for(call(exchange, *arguments, **options), TIMEOUT_S))


def changed(exchange: ExchangeProcess, before: dict[str, Decimal]) -> dict[str, Decimal]:
    """What the account's balances have changed by."""
    after = free_balances(exchange)
    by = {of: after.get(of, Decimal(0)) - before.get(of, Decimal(0)) for of in {*before, *after}}
    return {currency: change for currency, change in by.items() if change}


def explained(result: CycleResult) -> dict[str, Decimal]:
    """What a result says that the balances have changed by."""
    told = {result.start: result.profit, **result.left}
    return {currency: change for currency, change in told.items() if change}


def strike(exchange: ExchangeProcess, **fault: object) -> None:
    """Arm a fault of requests that place orders."""
    exchange.operate("POST", "/faults", {"match": ORDERS, **fault})


def run_while(
    exchange: ExchangeProcess, change: Callable[[], object], **options: Any
) -> CycleResult:
    """Carry out the profitable cycle; the market changes while its first order is on its way."""
    strike(exchange, kind="delay", ms=1000)

    async def body() -> CycleResult:
        async with asyncio.TaskGroup() as tasks:
            calling = tasks.create_task(call(exchange, PROFITABLE, AMOUNT, **options))
            await asyncio.to_thread(until, lambda: not exchange.operate("GET", "/faults"), "order")
            await asyncio.to_thread(change)
        return calling.result()

    return asyncio.run(body())


def kill_at_second_order(exchange: ExchangeProcess) -> None:
    """Kill a process that carries out a cycle, while its second order is on its way."""
    strike(exchange, kind="delay", ms=1500, skip=1)
    # forked, since to import all of ccxt again takes longer than everything else
    killed = get_context("fork").Process(target=place_one, args=(keys_of(exchange),))
    killed.start()
    until(lambda: not exchange.operate("GET", "/faults"), "second order")
    killed.kill()
    killed.join()


def added(one: Mapping[str, Decimal], other: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Two changes of balances as one."""
    sums = {of: one.get(of, Decimal(0)) + other.get(of, Decimal(0)) for of in {*one, *other}}
    return {currency: change for currency, change in sums.items() if change}


def place_one(keys: list[str]) -> None:
    """Carry out the profitable cycle, as a program of its own would."""

    async def place() -> None:
        async with ccxt_client(*keys) as client:
            await execute_cycle(client, PROFITABLE, AMOUNT)

    asyncio.run(place())
