"""Panic sells at a local exchange: to the last unit, whatever the books, halts and kills."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.values import CycleState, Outcome, Purpose
from arb_pipelines.market.graph import SELL
from arb_pipelines.research.exchange_books import generated_books
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.trading.panic_rules import PanicRules
from tests.conftest import ROOT
from tests.e2e.exchange_process import (
    ExchangeProcess,
    environment_of,
    running_exchange,
    settings_of,
)
from tests.e2e.panic_at_exchange import Selling, selling_at
from tests.fakes.panic_venue import write_holding

MARKETS = {market.symbol: market for market in generated_books(12, 7).markets}
_NUMBERS = count()


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of twelve symbols whose books stand still until they are shown anew."""
    arguments = ("--symbols", "12", "--speed", "0", "--balance", "USDT=1000,SOL=1000")
    with running_exchange(tmp_path_factory.mktemp("exchange"), *arguments) as process:
        yield process


@pytest.fixture
def settings(exchange: ExchangeProcess, tmp_path: Path) -> Settings:
    """Settings of the exchange's account, in a home of their own."""
    return settings_of(exchange, load_settings(root=tmp_path))


def show(exchange: ExchangeProcess, symbol: str, *bids: tuple[str, str], ask: str = "") -> None:
    """Show a book of these bids, and far off an ask."""
    asks = [[ask or str(Decimal(bids[0][0]) * 3), "1000"]]
    exchange.operate("POST", "/books", {"symbol": symbol, "bids": bids, "asks": asks})


def quiet(exchange: ExchangeProcess) -> None:
    """Have nobody bid for SOL, and everybody for BTC."""
    for symbol in exchange.symbols:
        if symbol.startswith("SOL-"):
            exchange.operate(
                "POST", "/books", {"symbol": symbol, "bids": [], "asks": [["900", "1"]]}
            )
    show(exchange, "BTC-USDT", ("50000", "10"), ask="50001")


@asynccontextmanager
async def holding(
    settings: Settings, amount: str, **rules: Any
) -> AsyncIterator[tuple[Selling, str]]:
    """A seller, and a cycle that began with USDT and holds ``amount`` SOL."""
    path, cycle = settings.root / "state.sqlite", f"panic{os.getpid()}x{next(_NUMBERS)}"
    async with selling_at(settings, path, PanicRules(**rules)) as at:
        write_holding(at.store, cycle, MARKETS["SOL-USDT"], Decimal(amount))
        before = await at.connection.account.balances()
        yield at, cycle
        held = {"USDT": -Decimal(amount), "SOL": Decimal(amount)}
        explain(before, await at.connection.account.balances(), held, at, cycle)


def explain(
    before: Mapping[str, Decimal],
    after: Mapping[str, Decimal],
    held: Mapping[str, Decimal],
    at: Selling,
    cycle: str,
) -> None:
    """Hold what the cycle's orders did, as the state has it, to what the balances did."""
    changes = at.store.cycle(cycle).changes
    for currency in {*before, *after, *changes}:
        venue = after.get(currency, Decimal(0)) - before.get(currency, Decimal(0))
        ours = changes.get(currency, Decimal(0)) - held.get(currency, Decimal(0))
        assert venue == ours, currency


def test_a_holding_is_sold_for_the_start_currency(
    exchange: ExchangeProcess, settings: Settings
) -> None:
    """By one order, whole; what it brought is the cycle's to the last unit."""

    async def body() -> None:
        quiet(exchange)
        show(exchange, "SOL-USDT", ("150", "100"), ("149.9", "500"))
        async with holding(settings, "120") as (at, cycle):
            result = await at.seller.sell(cycle)
            assert result.outcome is Outcome.PANIC_SOLD
            _, order = at.store.orders(cycle)
            assert (order.client_id, order.symbol, order.side) == (f"{cycle}-p0", "SOL-USDT", SELL)
            assert order.filled == 120
            brought = (100 * 150 + 20 * Decimal("149.9")) * Decimal("0.999")
            assert at.store.cycle(cycle).profit == brought - 120

    asyncio.run(asyncio.wait_for(body(), 30))


def test_a_thin_book_takes_slices(exchange: ExchangeProcess, settings: Settings) -> None:
    """Each takes half of what is within the bound; a level beyond it is never touched."""

    async def body() -> None:
        quiet(exchange)
        show(exchange, "SOL-USDT", ("150", "10"), ("100", "500"))
        async with holding(settings, "8", slice_share=0.5, slice_pause_ms=1) as (at, cycle):
            result = await at.seller.sell(cycle)
            assert result.outcome is Outcome.PANIC_SOLD
            sold = [order.filled for order in at.store.orders(cycle)[1:]]
            assert sold == [5, Decimal("2.5"), Decimal("0.5")]

    asyncio.run(asyncio.wait_for(body(), 30))


def test_a_symbol_that_halts_is_gone_around(exchange: ExchangeProcess, settings: Settings) -> None:
    """By two orders over a major currency, since the direct way refuses."""

    async def body() -> None:
        quiet(exchange)
        show(exchange, "SOL-USDT", ("150", "1000"))
        show(exchange, "SOL-BTC", ("0.003", "1000"))
        async with holding(settings, "10") as (at, cycle):
            await asyncio.to_thread(exchange.operate, "POST", "/symbols/SOL-USDT/halt", {})
            try:
                result = await at.seller.sell(cycle)
            finally:
                await asyncio.to_thread(exchange.operate, "POST", "/symbols/SOL-USDT/resume", {})
            assert result.outcome is not None
            way = [order.symbol for order in at.store.orders(cycle) if order.filled][1:]
            assert way == ["SOL-BTC", "BTC-USDT"]
            assert at.store.cycle(cycle).held.keys() <= {"BTC"}  # what the increment leaves

    asyncio.run(asyncio.wait_for(body(), 30))


def test_nobody_bids_until_somebody_does(exchange: ExchangeProcess, settings: Settings) -> None:
    """Held and told once; sold when a book is there again."""

    async def body() -> None:
        quiet(exchange)
        rules = {"retry_every_s": 0.05}
        async with holding(settings, "3", **rules) as (at, cycle), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(at.seller.run())
            at.seller.take(cycle)
            assert await at.seller.settle(10)
            assert at.store.cycle(cycle).state is CycleState.PANIC_SELLING
            await asyncio.to_thread(show, exchange, "SOL-USDT", ("150", "1000"))
            while at.store.cycle(cycle).outcome is None:
                await asyncio.sleep(0.01)
            running.cancel()
            assert at.alerts == ["panic sell held"]
            assert at.store.cycle(cycle).outcome is Outcome.PANIC_SOLD

    asyncio.run(asyncio.wait_for(body(), 30))


def test_a_killed_seller_is_gone_on_with(exchange: ExchangeProcess, settings: Settings) -> None:
    """The second process settles the first one's orders and sells the rest: none twice."""
    quiet(exchange)
    show(exchange, "SOL-USDT", ("150", "30"))
    state, cycle = settings.root / "state.sqlite", f"panic{os.getpid()}x{next(_NUMBERS)}"
    with open_state(state) as store:
        write_holding(store, cycle, MARKETS["SOL-USDT"], Decimal(20))
        store.move(cycle, CycleState.PANIC_SELLING, what="test", why="test")
    environment = os.environ | environment_of(exchange) | {"ARB_HOME": str(settings.root)}
    worker = [sys.executable, "-m", "tests.e2e.panic_at_exchange", str(state)]

    async def balances() -> Mapping[str, Decimal]:
        async with selling_at(settings, settings.root / "none.sqlite", PanicRules()) as at:
            return await at.connection.account.balances()

    before = asyncio.run(balances())
    first = subprocess.Popen(worker, env=environment, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while asyncio.run(balances()) == before:  # until an order of it has traded
            assert first.poll() is None, "it sold all before it could be killed"
            assert time.monotonic() < deadline
    finally:
        first.kill()
        first.wait()
    subprocess.run(worker, env=environment, cwd=ROOT, check=True, timeout=60)
    after = asyncio.run(balances())
    with open_state(state) as store:
        stored, orders = store.cycle(cycle), store.orders(cycle)
    assert stored.outcome is Outcome.PANIC_SOLD
    sold = [order for order in orders if order.purpose is Purpose.PANIC]
    assert sum(order.filled for order in sold) == 20
    assert len(sold) > 1
    assert after["SOL"] - before["SOL"] == -20
    assert after["USDT"] - before["USDT"] == stored.changes["USDT"] + 20
