"""Factories for strategies of cycles on books, run by the readable engine or by the kernel.

What a run gives is an ``Outcome``, bit for bit that of ``reference`` and ``kernel``.
Shared services: ``markets`` (of the strategy's venue), ``day``, and ``books``, the
day's parts with the symbols of the universe in its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arb_pipelines.backtest.brokers.books import BookBroker
from arb_pipelines.backtest.components.single import portfolio_of
from arb_pipelines.backtest.coordinator import BacktestCoordinator
from arb_pipelines.backtest.journal import Journal
from arb_pipelines.backtest.kernel import run_kernel
from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.reference import book_events, traded_of
from arb_pipelines.backtest.scenario import Scenario
from arb_pipelines.backtest.universe import scenario_of
from arb_pipelines.clock import day_start_ns
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.desk import open_desk
from arb_pipelines.containers.factories import NoParams
from arb_pipelines.containers.spec import (
    BROKER,
    MARKET_DATA,
    PORTFOLIO,
    UNIVERSE,
)
from arb_pipelines.errors import ConfigError
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import CycleReport

_MAX_CYCLES = 10_000_000


@dataclass(frozen=True, slots=True)
class CycleUniverse:
    """What a strategy trades: the scenario of its day, and the books as its decisions see them."""

    strategy: Strategy
    scenario: Scenario
    traded: TradedCycles
    seen: BookShelf
    depth: int


def cycle_universe(params: Strategy, container: Container) -> CycleUniverse:
    """Find the strategy's cycles over ``shared.markets``; parameters as in a strategy file."""
    shared = container.shared
    scenario = scenario_of(params, shared.markets, shared.day, max_cycles=_MAX_CYCLES)
    traded = traded_of(scenario)
    depth = int(shared.books[0].bid_px.shape[1])
    seen = BookShelf(len(traded.number), depth, traded.terms.base_step)
    return CycleUniverse(params, scenario, traded, seen, depth)


def shared_books(params: NoParams, container: Container) -> Iterator[Book]:
    """Play ``shared.books``, once."""
    universe = _universe(container)
    return book_events(universe.scenario.cycles.symbols, container.shared.books)


def cycle_balances(params: NoParams, container: Container) -> Portfolio:
    """Hold the balances that the strategy begins its day with."""
    scenario = _universe(container).scenario
    held = zip(scenario.cycles.currencies, scenario.balances.tolist(), strict=True)
    return Portfolio(dict(held))


def book_broker(params: NoParams, container: Container) -> BookBroker:
    """Fill orders from books, with the strategy's latencies and the venue's terms."""
    universe = _universe(container)
    setting, number = universe.scenario.setting, universe.traded.number
    return BookBroker(
        number,
        setting.terms,
        BookShelf(len(number), universe.depth, setting.terms.base_step),
        decision_ns=setting.decision_ns,
        leg_ns=setting.leg_ns,
    )


def cycle_strategy(params: NoParams, container: Container) -> CycleStrategy:
    """Signal the cycles whose best prices pay."""
    universe = _universe(container)
    return CycleStrategy(universe.strategy.name, universe.traded, universe.seen)


def cycle_risk(params: NoParams, container: Container) -> CycleRisk:
    """Pass what the strategy's gate lets pass."""
    universe = _universe(container)
    return CycleRisk(universe.traded, universe.seen, portfolio_of(container))


def cycle_orders(params: NoParams, container: Container) -> CycleOrderManager:
    """Carry cycles out, leg by leg, and unwind what they leave."""
    universe = _universe(container)
    return CycleOrderManager(universe.traded, universe.seen)


class CycleRun:
    """Plays the books through a desk, as ``reference.run_reference`` does."""

    def __init__(self, params: NoParams, container: Container) -> None:
        self._journal = Journal(_universe(container).scenario.cycles)

    def run(self, container: Container) -> Outcome:
        """Run the backtest; with one start currency, mark its balance after each cycle."""
        universe, bus = _universe(container), container.bus
        bus.subscribe(object, self._journal.hear)
        value = _Value(universe, container)
        bus.subscribe(CycleReport, lambda report: value.add(report.ts_end, report.profit))
        coordinator = BacktestCoordinator(
            open_desk(container), container.get(BROKER), container.get(PORTFOLIO)
        )
        coordinator.run(container.get(MARKET_DATA))
        return self._journal.outcome()


class CycleKernel:
    """Replays the books by the kernel, which needs the universe and no other component."""

    def __init__(self, params: NoParams, container: Container) -> None:
        pass

    def run(self, container: Container) -> Outcome:
        """Run the backtest; counts and marks are those of ``CycleRun`` but for signals."""
        universe = _universe(container)
        outcome = run_kernel(universe.scenario, container.shared.books)
        sent, fills = len(outcome.legs), int((outcome.legs["spent"] > 0).sum())
        container.meter.count(events=outcome.updates, orders=sent, fills=fills)
        value = _Value(universe, container)
        for trade in outcome.trades[outcome.trades["ts_end"].argsort(kind="stable")]:
            value.add(int(trade["ts_end"]), float(trade["profit"]))
        return outcome


class _Value:
    """Marks the balance of the start currency, where the strategy has one only."""

    def __init__(self, universe: CycleUniverse, container: Container) -> None:
        strategy = universe.strategy
        self._meter = container.meter if len(strategy.start) == 1 else None
        self._value = strategy.in_hand[strategy.start[0]]
        self._mark(day_start_ns(container.shared.day))

    def add(self, ts: int, profit: float) -> None:
        self._value += profit
        self._mark(ts)

    def _mark(self, ts: int) -> None:
        if self._meter is not None:
            self._meter.mark(ts, self._value)


def _universe(container: Container) -> CycleUniverse:
    universe = container.get(UNIVERSE)
    if not isinstance(universe, CycleUniverse):
        raise ConfigError("the universe is to be a cycle_universe", source=container.name)
    return universe
