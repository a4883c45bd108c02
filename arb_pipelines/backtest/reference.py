"""The readable engine: the components of a live session, run against a model of the venue.

Says what a backtest means; ``kernel`` says it fast. Strategy, risk and order manager
are those of ``trading.cycles``, the loop is the coordinator's, and the venue is
``brokers.books``: this module only puts them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from arb_pipelines.backtest.brokers.books import BookBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator
from arb_pipelines.backtest.journal import Journal
from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.scenario import Books, Scenario, peek_depth
from arb_pipelines.containers.desk import Desk, Publish
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.cycles.parallel import ParallelCycleOrders
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.cycles.universe import TradedCycles, traded_cycles
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.portfolio import Portfolio


def run_reference(scenario: Scenario, parts: Iterable[Books]) -> Outcome:
    """Replay a day given as consecutive parts, all of one depth."""
    depth, parts = peek_depth(parts)
    journal = Journal(scenario.cycles)
    replay = open_replay(scenario, depth, journal.hear)
    replay.run(book_events(scenario.cycles.symbols, parts))
    return journal.outcome()


def open_replay(scenario: Scenario, depth: int, publish: Publish) -> BacktestCoordinator:
    """Put together the components of one day; whoever listens to ``publish`` hears all."""
    setting = scenario.setting
    traded = traded_of(scenario)
    portfolio = Portfolio(
        dict(zip(scenario.cycles.currencies, scenario.balances.tolist(), strict=True))
    )
    desk = cycle_desk(traded, depth, portfolio, publish)
    venue = BookShelf(len(traded.number), depth, setting.terms.base_step)
    broker = BookBroker(
        traded.number,
        setting.terms,
        venue,
        decision_ns=setting.decision_ns,
        leg_ns=setting.leg_ns,
    )
    return BacktestCoordinator(desk, broker, portfolio)


def cycle_desk(
    traded: TradedCycles,
    depth: int,
    portfolio: Portfolio,
    publish: Publish,
    *,
    parallel: bool = False,
) -> Desk:
    """Join strategy, risk and order manager of a universe of cycles over one shelf of books.

    With ``parallel`` all legs of a cycle are sent at once where the balances allow it.
    """
    seen = BookShelf(len(traded.number), depth, traded.terms.base_step)
    orders = CycleOrderManager(traded, seen)
    if parallel:
        orders = ParallelCycleOrders(traded, seen, portfolio.free)
    return Desk(
        CycleStrategy("cycles", traded, seen),
        CycleRisk(traded, seen, portfolio),
        orders,
        portfolio,
        publish=publish,
    )


def traded_of(scenario: Scenario) -> TradedCycles:
    """Give the scenario's universe in the components' form."""
    setting = scenario.setting
    keep = np.zeros(len(scenario.cycles))
    keep[setting.entry_cycle] = setting.keep
    return traded_cycles(
        scenario.cycles, setting.terms, setting.rules, setting.routes, setting.symbol_set, keep
    )


def book_events(symbols: tuple[str, ...], parts: Iterable[Books]) -> Iterator[Book]:
    """Give book states one by one, as read-only views of the parts."""
    for part in parts:
        levels = [column.view() for column in part[2:]]
        for column in levels:
            column.flags.writeable = False
        for symbol, ts, *sides in zip(
            part.symbol.tolist(), part.ts_recv.tolist(), *levels, strict=True
        ):
            yield Book(symbols[symbol], ts, *sides)
