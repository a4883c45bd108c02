"""One triangle traded by a desk through a session's broker, against a scripted venue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from arb_pipelines.backtest.reference import traded_of
from arb_pipelines.containers.desk import Desk, hand_over
from arb_pipelines.execution.orders.balances import FreeBalances
from arb_pipelines.execution.orders.carrier import OrderCarrier
from arb_pipelines.execution.orders.checked_broker import CheckedBroker
from arb_pipelines.execution.orders.limit_legs import LimitLegBroker
from arb_pipelines.execution.orders.venue_broker import VenueNews
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import Book, BrokerEvent, Ended, Order
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import CycleReport, LegReport
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import NewOrder
from tests.fakes.backtest_worlds import World, market, strategy
from tests.fakes.resting_venue import Rest, RestingVenue
from tests.fakes.scripted_venue import FEE, Fate, ScriptedVenue
from tests.fakes.virtual_loop import run_virtually, wall_ns

#: USDT > BTC > ETH > USDT earns 10 % at these tops, before fees; the other way loses.
TOPS = {
    "BTC-USDT": (Decimal(99), Decimal(100)),
    "ETH-BTC": (Decimal("0.09"), Decimal("0.1")),
    "ETH-USDT": (Decimal(11), Decimal("11.1")),
}
START = {"USDT": Decimal(1_000)}


def terms(symbol: str, **changes: Any) -> Market:
    """A market of the triangle, with steps like a real venue's."""
    limits = {
        "base_increment": Decimal("0.0001"),
        "quote_increment": Decimal("0.000001"),
        "price_increment": Decimal("0.0001"),
        "min_funds": Decimal("0.0001"),
        "taker_fee_bps": 10.0,
        "fee_side": FeeSide.QUOTE,
    }
    return market(symbol, **(limits | changes))


@dataclass
class Traded:
    """What came of it all. ``took_s`` is from the first order to the end of the last."""

    venue: ScriptedVenue
    broker: OrderCarrier
    portfolio: Portfolio
    took_s: float = 0.0
    orders: list[Order] = field(default_factory=list)
    intents: list[NewOrder] = field(default_factory=list)
    news: list[BrokerEvent] = field(default_factory=list)
    legs: list[LegReport] = field(default_factory=list)
    cycles: list[CycleReport] = field(default_factory=list)
    told: list[VenueNews] = field(default_factory=list)

    @property
    def cycle(self) -> CycleReport:
        """The report of the one execution."""
        (report,) = self.cycles
        return report

    def owed(self) -> dict[str, Decimal]:
        """What our exact books and the venue's balances differ by; nothing, where all is told."""
        there = {c: a - START.get(c, Decimal(0)) for c, a in self.venue.balances_now.items()}
        ours = self.broker.changes
        apart = {c: there.get(c, Decimal(0)) - ours.get(c, Decimal(0)) for c in {*there, *ours}}
        return {currency: amount for currency, amount in apart.items() if amount}


def trade_once(
    fates: Mapping[int, Fate] | None = None,
    *,
    linger_s: float = 0.0,
    paper: bool = False,
    follow_balances: bool = True,
    rules: Mapping[str, Any] | None = None,
    prepare: Callable[[ScriptedVenue], None] = lambda venue: None,
    clock: Callable[[], int] = wall_ns,
    markets: Mapping[str, Mapping[str, Any]] | None = None,
    rests: Mapping[int, Rest] | None = None,
    tops: Callable[[str, float], tuple[float, float]] = lambda symbol, at_s: _floats(symbol),
    beside: Callable[[OrderCarrier], Coroutine[Any, Any, None]] | None = None,
    **changes: Any,
) -> Traded:
    """Trade the triangle once on virtual time; ``fates`` are of the venue's orders from 0.

    ``rests`` are of those that rest, ``tops`` the best prices by which these are priced, so many
    seconds after it began. ``beside`` is run meanwhile.
    """
    return run_virtually(
        _trade(
            fates or {},
            rests or {},
            tops,
            beside,
            linger_s,
            paper,
            follow_balances,
            rules or {},
            prepare,
            clock,
            markets or {},
            changes,
        )
    )


async def _trade(
    fates: Mapping[int, Fate],
    rests: Mapping[int, Rest],
    tops: Callable[[str, float], tuple[float, float]],
    beside: Callable[[OrderCarrier], Coroutine[Any, Any, None]] | None,
    linger_s: float,
    paper: bool,
    follow_balances: bool,
    rules: Mapping[str, Any],
    prepare: Callable[[ScriptedVenue], None],
    clock: Callable[[], int],
    limits: Mapping[str, Mapping[str, Any]],
    changes: Mapping[str, Any],
) -> Traded:
    markets = {symbol: terms(symbol, **limits.get(symbol, {})) for symbol in TOPS}
    asked = {"fee_bps": None, "max_slippage_bps": 50.0, "unwind": {"max_slippage_bps": 200.0}}
    asked |= {"capital_allocation": {"mode": "fixed_amount", "amount": 100.0}}
    world = World(strategy(**(asked | changes)), list(markets.values()), None)  # type: ignore[arg-type]
    traded, shelf = traded_of(world.scenario), BookShelf(3, 1)
    portfolio = Portfolio({currency: float(amount) for currency, amount in START.items()})
    risk = CycleRisk(traded, shelf, portfolio)
    venue = RestingVenue(markets, TOPS, START, fates, rests)
    prepare(venue)
    fees, session = dict.fromkeys(markets, FEE), SessionRules(**rules)
    intents: list[NewOrder] = []
    told: list[VenueNews] = []
    free = FreeBalances(venue) if follow_balances else None
    broker: OrderCarrier
    if paper:
        broker = CheckedBroker(
            venue, shelf, traded.number, markets, fees, session,
            wall_ns=clock, intent=lambda new, order: intents.append(new),
        )  # fmt: skip
    else:
        broker = LimitLegBroker(
            venue, venue, markets, fees, session, wall_ns=clock, free=free,
            intent=lambda new, order: intents.append(new), publish=told.append,
            books=lambda symbol: _book(symbol, tops, clock),
        )  # fmt: skip
    result = Traded(venue, broker, portfolio, intents=intents, told=told)
    ended = asyncio.Event()

    def hear(event: object) -> None:
        kinds: list[tuple[type, list[Any]]] = [
            (Order, result.orders), (LegReport, result.legs), (CycleReport, result.cycles),
        ]  # fmt: skip
        for kind, kept in kinds:
            if isinstance(event, kind):
                kept.append(event)
        if isinstance(event, Ended):
            broker.on_ended(event)
            ended.set()

    desk = Desk(
        CycleStrategy("test", traded, shelf),
        risk,
        CycleOrderManager(traded, shelf, id_prefix="t"),
        portfolio,
        publish=hear,
    )
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(broker.run())]
        if free is not None:
            running.append(tasks.create_task(free.run()))
        await asyncio.sleep(0.001)
        if beside is not None:
            running.append(tasks.create_task(beside(broker)))
        began = asyncio.get_running_loop().time()
        for symbol, top in TOPS.items():
            bid, ask = (np.array([float(price)]) for price in top)
            size = np.array([1_000.0])
            hand_over(desk.on_market(Book(symbol, clock(), bid, size, ask, size)), broker)
        while not ended.is_set():
            news = await broker.next_event()
            result.news.append(news)
            hand_over(desk.on_broker(news), broker)
        result.took_s = asyncio.get_running_loop().time() - began
        await asyncio.sleep(linger_s)
        for task in running:
            task.cancel()
    return result


def _floats(symbol: str) -> tuple[float, float]:
    bid, ask = TOPS[symbol]
    return float(bid), float(ask)


def _book(
    symbol: str, tops: Callable[[str, float], tuple[float, float]], clock: Callable[[], int]
) -> Book:
    bid, ask = (np.array([price]) for price in tops(symbol, asyncio.get_running_loop().time()))
    size = np.array([1_000.0])
    return Book(symbol, clock(), bid, size, ask, size)
