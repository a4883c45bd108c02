"""A paper session against the local exchange: the live path, whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from arb_pipelines.backtest.reference import traded_of
from arb_pipelines.backtest.universe import scenario_of
from arb_pipelines.clock import steady_ns
from arb_pipelines.containers.desk import Desk
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.orders.fees import FeeConfirmed
from arb_pipelines.execution.orders.own_trades import OwnTrades
from arb_pipelines.execution.orders.venue_broker import VenueBroker, VenueNews
from arb_pipelines.execution.session import LiveSession
from arb_pipelines.execution.session_risk import SessionRisk
from arb_pipelines.research.exchange_books import generated_books
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.parameters import FixedAmount, Strategy, Universe
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import CycleReport
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.books import BookFeed, Channel
from arb_pipelines.venues.kucoin.order_entry import RestOrderEntry
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from tests.e2e.exchange_process import ExchangeProcess, running_exchange

SYMBOLS = 12
STRATEGY = Strategy(
    name="thin",
    exchange="kucoin",
    universe=Universe(start=("USDT",)),
    min_profit_bps=-40.0,
    max_slippage_bps=500.0,
    capital_allocation=FixedAmount(mode="fixed_amount", amount=100.0),
    balances={"USDT": 10_000.0},
    max_age_ms=60_000.0,
)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange whose market moves when it is told to."""
    home: Path = tmp_path_factory.mktemp("exchange")
    arguments = ("--symbols", str(SYMBOLS), "--speed", "0", "--balance", "USDT=10000")
    with running_exchange(home, *arguments) as process:
        yield process


def test_cycles_are_traded_and_booked_to_the_last_unit(exchange: ExchangeProcess) -> None:
    """Three legs each, what was reported is what the venue's balances say, to the last fee."""

    async def body() -> None:
        keys = Credentials(*map(SecretStr, (exchange.key, exchange.secret, exchange.passphrase)))
        markets = [replace(m, taker_fee_bps=10.0) for m in generated_books(SYMBOLS, 7).markets]
        traded = traded_of(scenario_of(STRATEGY, markets, date(2026, 1, 5), max_cycles=10_000))
        reports: list[CycleReport] = []
        told: list[VenueNews] = []
        async with Rest(exchange.rest, Signer(keys)) as client, asyncio.TaskGroup() as tasks:
            account = KucoinAccount(client)
            following = tasks.create_task(account.run())
            await account.in_service.wait()
            before = await account.balances()
            shelf, controls = BookShelf(len(traded.number), 5), Controls()
            portfolio = Portfolio(STRATEGY.balances)
            risk = SessionRisk(CycleRisk(traded, shelf, portfolio), controls)
            desk = Desk(
                CycleStrategy("thin", traded, shelf),
                risk,
                CycleOrderManager(traded, shelf, id_prefix="t"),
                portfolio,
                publish=lambda event: (
                    reports.append(event) if isinstance(event, CycleReport) else None
                ),
            )
            broker = VenueBroker(
                RestOrderEntry(client, account),
                account,
                {market.symbol: market for market in markets},
                {market.symbol: Decimal("0.001") for market in markets},
                STRATEGY.session,
                wall_ns=steady_ns,
                publish=told.append,
            )
            feed = BookFeed(client, traded.cycles.symbols, channel=Channel.DEPTH5, depth=5)
            session = LiveSession(
                desk,
                broker,
                feed,
                OwnTrades(shelf, traded.number, 5),
                controls,
                settle_s=8.0,
                in_flight=lambda: risk.in_flight,
            )
            running = tasks.create_task(session.run())
            while len(reports) < 20:
                await asyncio.to_thread(exchange.operate, "POST", "/step", {"states": 1})
            controls.stop("enough")
            assert await running
            after = await account.balances()
            following.cancel()
        assert all(report.legs_filled == 3 for report in reports)
        asked_for = {news.client_id for news in told if isinstance(news, FeeConfirmed)}
        last = max(report.execution for report in reports)
        assert {f"t{last}-{leg}" for leg in range(3)} <= asked_for
        held = {c: a for c, a in portfolio.balances().items() if abs(a) > 1e-12}
        for currency in set(held) | set(after):
            venue = after.get(currency, Decimal(0)) - before.get(currency, Decimal(0))
            ours = held.get(currency, 0.0) - STRATEGY.balances.get(currency, 0.0)
            assert float(venue) == pytest.approx(ours, abs=1e-9), currency

    asyncio.run(asyncio.wait_for(body(), 60))
