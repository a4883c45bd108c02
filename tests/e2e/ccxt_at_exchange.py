"""The local exchange behind ccxt's own kucoin class, for tests of a venue through ccxt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from pydantic import SecretStr

from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.venues.ccxt_any.connection import CcxtConnection, open_ccxt
from tests.e2e.exchange_process import ExchangeProcess

SYMBOL = "BTC-USDT"
TIMEOUT_S = 30.0


def settings_for(exchange: ExchangeProcess, **changed: object) -> Settings:
    """Settings with which ccxt's kucoin is the local exchange."""
    given: dict[str, object] = {
        "ccxt_url": exchange.rest,
        "ccxt_key": SecretStr(exchange.key),
        "ccxt_secret": SecretStr(exchange.secret),
        "ccxt_passphrase": SecretStr(exchange.passphrase),
    }
    return load_settings(**(given | changed))


@asynccontextmanager
async def connected(exchange: ExchangeProcess, **changed: object) -> AsyncIterator[CcxtConnection]:
    """A connection in service."""
    async with open_ccxt(settings_for(exchange, **changed), "kucoin") as connection:
        running = asyncio.create_task(connection.run())
        try:
            await connection.ready()
            yield connection
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run one test's coroutine, which shall not take long."""
    asyncio.run(asyncio.wait_for(body(), TIMEOUT_S))


async def subscribed(exchange: ExchangeProcess, *topics: str) -> None:
    """Wait until the exchange has a subscription of each of ``topics``."""
    while not set(topics) <= set(await asyncio.to_thread(exchange.subscriptions)):
        await asyncio.sleep(0.01)
