"""One strategy on the triangle of a local exchange, its session put together by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any, Literal

import msgspec
from pydantic import SecretStr

from arb_pipelines.backtest.reference import traded_of
from arb_pipelines.backtest.universe import scenario_of
from arb_pipelines.clock import now_ns
from arb_pipelines.containers.desk import Desk
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.orders.balances import FreeBalances
from arb_pipelines.execution.orders.carrier import OrderCarrier
from arb_pipelines.execution.orders.checked_broker import CheckedBroker
from arb_pipelines.execution.orders.limit_legs import LimitLegBroker
from arb_pipelines.execution.orders.own_trades import OwnTrades
from arb_pipelines.execution.session import LiveSession
from arb_pipelines.execution.session_risk import SessionRisk
from arb_pipelines.market.graph import BUY
from arb_pipelines.research.exchange_books import generated_books
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.cycles.parallel import ParallelCycleOrders
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import CycleSignal, Ended, Order, Refused
from arb_pipelines.trading.parameters import FixedAmount, Strategy, Universe
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import CycleReport, LegReport
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import NewOrder
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.books import BookFeed, Channel
from arb_pipelines.venues.kucoin.limits import Pool
from arb_pipelines.venues.kucoin.listing import ask_closed
from arb_pipelines.venues.kucoin.order_entry import RestOrderEntry, SocketOrderEntry
from arb_pipelines.venues.kucoin.rest import ACCOUNTS, Call, Rest, Timeouts
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from arb_pipelines.venues.retry import Patience
from arb_pipelines.venues.status import VenueStatus
from tests.e2e.exchange_process import ExchangeProcess

#: USDT > BTC > ETH > USDT earns about 5 % at these books.
BOOKS = {
    "BTC-USDT": ("49990", "50000", 3),
    "ETH-BTC": ("0.0499", "0.05", 60),
    "ETH-USDT": ("2630", "2631", 60),
}
AMOUNT = 100.0
SOON = Patience(first_wait_s=0.005, longest_wait_s=0.05)
_DONE = Call("GET", "/api/v1/hf/orders/done", Pool.SPOT, 2)
_NUMBERS = count()


@dataclass
class SessionAt:
    """A session that trades, and what it told."""

    exchange: ExchangeProcess
    client: Rest
    account: KucoinAccount
    broker: OrderCarrier
    live: LiveSession
    portfolio: Portfolio
    controls: Controls
    risk: SessionRisk
    prefix: str
    cycle: int
    status: VenueStatus
    orders: list[Order] = field(default_factory=list)
    legs: list[LegReport] = field(default_factory=list)
    cycles: list[CycleReport] = field(default_factory=list)
    intents: list[NewOrder] = field(default_factory=list)
    told: list[object] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    reported: asyncio.Event = field(default_factory=asyncio.Event)

    async def operate(self, path: str, document: object = None) -> Any:
        """Call the operator's endpoint beside the loop."""
        return await asyncio.to_thread(self.exchange.operate, "POST", path, document or {})

    async def show(self, symbol: str, bid: str, ask: str, size: str) -> None:
        """Show a book of one level a side."""
        levels = {"bids": [[bid, size]], "asks": [[ask, size]]}
        await self.operate("/books", {"symbol": symbol, **levels})

    async def trade(self) -> CycleReport:
        """Signal the triangle once, and wait for its end; no book makes a signal here."""
        self.reported.clear()
        self.signal()
        await self.reported.wait()
        return self.cycles[-1]

    def signal(self) -> None:
        """Signal the triangle, whatever is under way."""
        self.controls.paused = None
        self.live.on_signals([CycleSignal(now_ns(), "s", self.cycle, 1.0)])
        self.controls.paused = "trades when it is told to"

    async def on_hold(self) -> bool:
        """Whether the exchange holds anything of the account."""
        rows = msgspec.json.decode(await self.client.call(ACCOUNTS, query={"type": "trade"}))
        return any(Decimal(row["holds"]) for row in rows)

    async def find_done(self) -> None:
        """Note the client ids of this session's orders that the exchange knows to have ended."""
        for symbol in BOOKS:
            query = {"symbol": symbol, "limit": "100"}
            page = msgspec.json.decode(await self.client.call(_DONE, query=query))
            named = (order["clientOid"] for order in page["items"])
            self.done += [name for name in named if name.startswith(self.prefix)]


@asynccontextmanager
async def session_at(
    exchange: ExchangeProcess,
    *,
    entry: Literal["rest", "socket"] = "rest",
    paper: bool = False,
    rules: dict[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[SessionAt]:
    """Trade on the exchange within the block, nothing but what ``trade`` asks for."""
    quick = {"fill_wait_ms": 250.0, "unknown_wait_ms": 1_500.0, "leg_timeout_ms": 3_000.0}
    strategy = Strategy(
        **{
            "name": "s",
            "exchange": "kucoin",
            "universe": Universe(start=("USDT",)),
            "min_profit_bps": -500.0,
            "max_slippage_bps": 50.0,
            "capital_allocation": FixedAmount(mode="fixed_amount", amount=AMOUNT),
            "balances": {"USDT": 10_000.0},
            "max_age_ms": 600_000.0,
            "unwind": {"max_slippage_bps": 1_000.0},
            "session": SessionRules(**(quick | (rules or {}))),
            **changes,
        }
    )
    keys = Credentials(*map(SecretStr, (exchange.key, exchange.secret, exchange.passphrase)))
    markets = [replace(m, taker_fee_bps=10.0) for m in generated_books(3, 7).markets]
    traded = traded_of(scenario_of(strategy, markets, date(2026, 1, 5), max_cycles=10))
    async with (
        Rest(exchange.rest, Signer(keys), timeouts=Timeouts(total_s=1.0)) as client,
        asyncio.TaskGroup() as tasks,
    ):
        account = KucoinAccount(client, patience=SOON)
        by_socket = SocketOrderEntry(
            client, account, f"{exchange.ws}/v1/private", answer_s=1.0, patience=SOON
        )
        free = FreeBalances(account)
        status = VenueStatus(
            "kucoin", partial(ask_closed, client), every_s=0.05, every_closed_s=0.05
        )
        serving = [tasks.create_task(work.run()) for work in (account, by_socket, free, status)]
        await account.in_service.wait()
        await by_socket.in_service.wait()
        way = by_socket if entry == "socket" else RestOrderEntry(client, account)
        shelf, controls = BookShelf(len(traded.number), 5), Controls()
        portfolio = Portfolio(strategy.balances)
        risk = SessionRisk(CycleRisk(traded, shelf, portfolio), controls, status=status)
        by_symbol = {market.symbol: market for market in markets}
        fees = dict.fromkeys(by_symbol, Decimal("0.001"))
        number = next(_NUMBERS)
        prefix = f"s{number}x"
        made: list[SessionAt] = []
        broker: OrderCarrier
        if paper:
            broker = CheckedBroker(
                way, shelf, traded.number, by_symbol, fees, strategy.session,
                wall_ns=now_ns, intent=lambda new, order: made[0].intents.append(new),
            )  # fmt: skip
        else:
            broker = LimitLegBroker(
                way, account, by_symbol, fees, strategy.session, wall_ns=now_ns, free=free,
                intent=lambda new, order: made[0].intents.append(new),
                publish=lambda news: made[0].told.append(news),
                books=lambda symbol: own.newest(symbol), status=status,
            )  # fmt: skip

        def hear(event: object) -> None:
            session = made[0]
            match event:
                case Order():
                    session.orders.append(event)
                case LegReport():
                    session.legs.append(event)
                case CycleReport():
                    session.cycles.append(event)
                case Refused():
                    session.refused.append(event.reason)
                case Ended():
                    broker.on_ended(event)
                    session.reported.set()
                case _:
                    pass

        desk = Desk(
            CycleStrategy("s", traded, shelf),
            risk,
            ParallelCycleOrders(traded, shelf, portfolio.free, id_prefix=prefix)
            if strategy.session.legs == "parallel"
            else CycleOrderManager(traded, shelf, id_prefix=prefix),
            portfolio,
            publish=hear,
        )
        feed = BookFeed(client, traded.cycles.symbols, channel=Channel.DEPTH5, depth=5)
        own = OwnTrades(shelf, traded.number, 5, shown=not paper)
        live = LiveSession(
            desk, broker, feed, own, controls, settle_s=8.0, in_flight=lambda: risk.in_flight
        )
        buys_btc = (traded.number["BTC-USDT"], BUY)
        cycle = next(c for c, legs in enumerate(traded.legs) if legs[0] == buys_btc)
        session = SessionAt(
            exchange,
            client,
            account,
            broker,
            live,
            portfolio,
            controls,
            risk,
            prefix,
            cycle,
            status=status,
        )
        made.append(session)
        controls.paused = "until the books are there"
        running = tasks.create_task(live.run())
        while not all(exchange.subscriptions().get(f"/spotMarket/level2Depth5:{s}") for s in BOOKS):
            await asyncio.sleep(0.01)
        for symbol, (bid, ask, size) in BOOKS.items():  # never as the last session left them
            await session.show(symbol, bid, ask, f"{size}.{number:03}1")
        while not all(shelf.updated):
            await asyncio.sleep(0.01)
        yield session
        controls.stop("the test is over")
        assert await running, "nothing was left in flight"
        for task in serving:
            task.cancel()
