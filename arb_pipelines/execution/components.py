"""Factories for the container in which one strategy trades, and what it is made of.

Each has a portfolio, a gate, a broker and a bus of its own, and shares its parent's
connection (``venue_line``). Decisions are made by the very components of a backtest; here
they are only put together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import structlog

from arb_pipelines.clock import day_of, now_ns, steady_ns
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.desk import open_desk
from arb_pipelines.containers.factories import NoParams
from arb_pipelines.containers.spec import (
    BROKER,
    CONTROLS,
    COORDINATOR,
    MARKET_DATA,
    ORDER_MANAGER,
    PORTFOLIO,
    RISK,
    STRATEGY,
    UNIVERSE,
    ContainerSpec,
    component,
    container_spec,
)
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.limits import NOTHING, SessionLimits, Spent
from arb_pipelines.execution.orders.carrier import OrderCarrier
from arb_pipelines.execution.orders.checked_broker import CheckedBroker
from arb_pipelines.execution.orders.limit_legs import LimitLegBroker
from arb_pipelines.execution.orders.own_trades import OwnTrades
from arb_pipelines.execution.orders.protocols import SessionBroker
from arb_pipelines.execution.orders.venue_broker import VenueBroker
from arb_pipelines.execution.risk.guarding import session_guard
from arb_pipelines.execution.session import LiveSession
from arb_pipelines.execution.session_risk import SessionRisk
from arb_pipelines.execution.universe import SessionUniverse, session_universe
from arb_pipelines.execution.venue_line import line_of
from arb_pipelines.market.exact import decimal_of
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.cycles.parallel import ParallelCycleOrders
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import Book, Ended
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import CycleReport
from arb_pipelines.venues.base import MarketData

_HERE = __name__
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BrokerParams:
    """``places_orders``: they reach the market, or else are tested and simulated."""

    places_orders: bool


@dataclass(frozen=True, slots=True)
class OrderParams:
    """``id_prefix`` begins the client ids of a session's orders; no other of the account's has it.

    ``legs`` are sent in sequence, or in parallel.
    """

    id_prefix: str
    legs: str


@dataclass(frozen=True, slots=True)
class UniverseParams:
    """A strategy as its file says, and how many cycles its universe may have."""

    strategy: Strategy
    max_cycles: int


def strategy_spec(
    strategy: Strategy,
    *,
    places_orders: bool,
    id_prefix: str,
    max_cycles: int,
    spent: Spent = NOTHING,
    name: str | None = None,
) -> ContainerSpec:
    """Describe the container in which a strategy trades; ``spent`` counts against its limits.

    ``name`` is the container's, by default the strategy's.
    """
    made = {
        CONTROLS: component(f"{_HERE}:session_controls"),
        UNIVERSE: component(
            f"{_HERE}:session_cycles",
            strategy=strategy.model_dump(mode="json", exclude={"trading_pairs_file"}),
            max_cycles=max_cycles,
        ),
        MARKET_DATA: component(f"{_HERE}:venue_books"),
        PORTFOLIO: component(f"{_HERE}:allotted_balances"),
        BROKER: component(f"{_HERE}:session_broker", places_orders=places_orders),
        STRATEGY: component(f"{_HERE}:cycle_strategy"),
        RISK: component(
            f"{_HERE}:session_risk", executions=spent.executions, profit=dict(spent.profit)
        ),
        ORDER_MANAGER: component(
            f"{_HERE}:cycle_orders", id_prefix=id_prefix, legs=strategy.session.legs
        ),
        COORDINATOR: component(f"{_HERE}:SessionRun"),
    }
    return container_spec(name or strategy.name, made)


# -- one strategy ------------------------------------------------------------------------


def session_controls(params: NoParams, container: Container) -> Controls:
    """Make the switches of one strategy."""
    return Controls()


def session_cycles(params: UniverseParams, container: Container) -> SessionUniverse:
    """Find what the strategy trades at the venue today."""
    connection = line_of(container).connection
    return session_universe(
        params.strategy,
        connection.markets,
        connection.fees,
        day_of(now_ns()),
        max_cycles=params.max_cycles,
    )


def venue_books(params: NoParams, container: Container) -> MarketData:
    """Follow the books of the universe."""
    universe = universe_of(container)
    rules = universe.strategy.session
    return line_of(container).connection.feed(
        universe.symbols, channel=rules.books, depth=rules.depth
    )


def allotted_balances(params: NoParams, container: Container) -> Portfolio:
    """Hold what the strategy may trade with."""
    return Portfolio(universe_of(container).strategy.in_hand)


def session_broker(params: BrokerParams, container: Container) -> SessionBroker:
    """Send orders to the venue, or have it check them; what leaves is told on the bus before."""
    universe, line = universe_of(container), line_of(container)
    connection, rules = line.connection, universe.strategy.session
    entry = connection.entry(rules.entry)
    broker: OrderCarrier
    if params.places_orders:
        placing: Callable[..., OrderCarrier] = VenueBroker
        if rules.rests:
            own = partial(_newest, container)
            placing = partial(LimitLegBroker, books=own, capital=line.capital)
            for currency, most in rules.limit_orders.capital.items():
                line.capital.bound(currency, decimal_of(most))
        broker = placing(
            entry,
            connection.account,
            universe.markets,
            universe.fees,
            rules,
            wall_ns=steady_ns,
            intent=lambda new, order: container.bus.publish(new),
            free=line.free,
            publish=container.bus.publish,
            room=connection.room,
            status=connection.status,
        )
    else:
        if rules.rests:
            _log.warning("session.limit_legs_tested_as_takers", strategy=universe.strategy.name)
        broker = CheckedBroker(
            entry,
            universe.seen,
            universe.traded.number,
            universe.markets,
            universe.fees,
            rules,
            wall_ns=steady_ns,
            intent=lambda new, order: container.bus.publish(new),
            status=connection.status,
        )
    container.bus.subscribe(Ended, broker.on_ended)
    return broker


def _newest(container: Container, symbol: str) -> Book:
    return run_of(container).own.newest(symbol)


def cycle_strategy(params: NoParams, container: Container) -> CycleStrategy:
    """Signal the cycles whose best prices pay."""
    universe = universe_of(container)
    strategy = universe.strategy
    return CycleStrategy(strategy.name, universe.traded, universe.seen, scan=strategy.session.scan)


def session_risk(params: Spent, container: Container) -> SessionRisk:
    """Pass what switches, limits and the strategy's gate let pass; ``params`` count already."""
    universe, controls = universe_of(container), container.get(CONTROLS)
    limits = SessionLimits(universe.strategy.session, controls, params)
    cycles = universe.traded.cycles

    def add_profit(report: CycleReport) -> None:
        start = cycles.currencies[universe.traded.start(report.cycle)]
        limits.on_profit(start, report.profit)

    container.bus.subscribe(CycleReport, add_profit)
    line, portfolio = line_of(container), portfolio_of(container)
    gate = CycleRisk(universe.traded, universe.seen, portfolio)
    pays = isinstance(container.get(BROKER), VenueBroker)
    guard = session_guard(
        universe, portfolio, line.commitments, container.bus, line.free if pays else None
    )
    return SessionRisk(gate, controls, limits, guard, line.connection.status)


def cycle_orders(params: OrderParams, container: Container) -> CycleOrderManager:
    """Carry cycles out, leg by leg or all at once, and unwind what they leave."""
    universe = universe_of(container)
    if params.legs == "parallel":
        free = portfolio_of(container).free
        return ParallelCycleOrders(universe.traded, universe.seen, free, id_prefix=params.id_prefix)
    return CycleOrderManager(universe.traded, universe.seen, id_prefix=params.id_prefix)


class SessionRun:
    """Trades until the controls say stop, then settles.

    ``session``, ``broker`` and ``own`` are there for intake and records to join.
    """

    def __init__(self, params: NoParams, container: Container) -> None:
        universe = universe_of(container)
        # made by the factories above, which give more than their roles promise
        broker, risk = container.get(BROKER), session_risk_of(container)
        feed = cast(MarketData, container.get(MARKET_DATA))
        assert isinstance(broker, OrderCarrier)
        self.broker = broker
        self.own = OwnTrades(
            universe.seen,
            universe.traded.number,
            universe.strategy.session.depth,
            shown=not isinstance(broker, CheckedBroker),
        )
        self.session = LiveSession(
            open_desk(container),
            broker,
            feed,
            self.own,
            container.get(CONTROLS),
            settle_s=universe.strategy.session.settle_s,
            in_flight=lambda: risk.in_flight,
        )

    async def run(self, container: Container) -> bool:
        """Trade; give whether nothing was left in flight."""
        return await self.session.run()


def universe_of(container: Container) -> SessionUniverse:
    """Give what a strategy's container trades."""
    universe: SessionUniverse = container.get(UNIVERSE)
    return universe


def session_risk_of(container: Container) -> SessionRisk:
    """Give the gate of a strategy's container."""
    risk = container.get(RISK)
    assert isinstance(risk, SessionRisk)  # as strategy_spec says
    return risk


def run_of(container: Container) -> SessionRun:
    """Give what runs a strategy's container."""
    run = container.get(COORDINATOR)
    assert isinstance(run, SessionRun)  # as strategy_spec says
    return run


def portfolio_of(container: Container) -> Portfolio:
    """Give what a strategy's container has in hand."""
    portfolio = container.get(PORTFOLIO)
    assert isinstance(portfolio, Portfolio)  # made by allotted_balances
    return portfolio
