"""Legs all at once: what is told of them is what the balances say, whatever fills."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from arb_pipelines.backtest.brokers.books import BookBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator
from arb_pipelines.backtest.reference import book_events, open_replay, traded_of
from arb_pipelines.containers.desk import Desk
from arb_pipelines.execution.records.values import ExecutionStatus, execution_status
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.parallel import ParallelCycleOrders
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import Order, OrderFill
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import CycleReport, LegReport
from tests.fakes.backtest_worlds import VALUES, World, random_world

SEEDS = range(40)


@dataclass
class Heard:
    """What the desk told."""

    orders: list[Order] = field(default_factory=list)
    fills: list[OrderFill] = field(default_factory=list)
    legs: list[LegReport] = field(default_factory=list)
    cycles: list[CycleReport] = field(default_factory=list)

    def hear(self, event: object) -> None:
        for kind, kept in (
            (Order, self.orders),
            (OrderFill, self.fills),
            (LegReport, self.legs),
            (CycleReport, self.cycles),
        ):
            if isinstance(event, kind):
                kept.append(event)


def play(world: World, inventory: Mapping[str, float]) -> tuple[Heard, Portfolio]:
    """Replay a world with ``inventory`` beside the strategy's balances."""
    scenario = world.scenario
    traded, setting = traded_of(scenario), scenario.setting
    start = dict(zip(scenario.cycles.currencies, scenario.balances.tolist(), strict=True))
    portfolio = Portfolio({c: start.get(c) or inventory.get(c, 0.0) for c in start})
    step = setting.terms.base_step
    seen, venue = (BookShelf(len(traded.number), world.depth, step) for _ in range(2))
    heard = Heard()
    desk = Desk(
        CycleStrategy("cycles", traded, seen),
        CycleRisk(traded, seen, portfolio),
        ParallelCycleOrders(traded, seen, portfolio.free),
        portfolio,
        publish=heard.hear,
    )
    broker = BookBroker(
        traded.number,
        setting.terms,
        venue,
        decision_ns=setting.decision_ns,
        leg_ns=setting.leg_ns,
    )
    books = book_events(scenario.cycles.symbols, [world.books])
    BacktestCoordinator(desk, broker, portfolio).run(books)
    return heard, portfolio


def rich(world: World) -> dict[str, float]:
    """As much of every currency as any cycle could ask for."""
    return {currency: 1e6 / VALUES[currency] for currency in world.scenario.cycles.currencies}


def by_cycle(orders: list[Order]) -> dict[str, list[Order]]:
    """Orders of each execution, as they were sent."""
    found: defaultdict[str, list[Order]] = defaultdict(list)
    for order in orders:
        found[order.client_id.rpartition("-")[0]].append(order)
    return found


def test_all_legs_leave_at_once_where_the_balances_cover_them() -> None:
    """With every currency in hand no leg waits for another."""
    together = 0
    for seed in SEEDS:
        world = random_world(seed)
        heard, _ = play(world, rich(world))
        numbers = {str(report.execution): report for report in heard.cycles}
        for number, orders in by_cycle(heard.orders).items():
            if all(order.execution is None for order in orders):
                legs = numbers[number].legs
                assert len({order.ts for order in orders[:legs]}) == 1
                assert legs >= 3
                together += 1
    assert together > 100


def test_without_other_currencies_the_legs_go_one_after_the_other() -> None:
    """A strategy that holds its start currency alone trades as if there were no other way."""
    cycles = 0
    for seed in SEEDS:
        world = random_world(seed)
        if len(world.strategy.start) == 1:
            usual = Heard()
            books = book_events(world.scenario.cycles.symbols, [world.books])
            open_replay(world.scenario, world.depth, usual.hear).run(books)
            heard, _ = play(world, {})
            assert (heard.orders, heard.cycles) == (usual.orders, usual.cycles)
            cycles += len(usual.cycles)
    assert cycles > 100


def test_profit_and_what_is_missing_are_what_the_start_currency_gained() -> None:
    """Whatever filled: the reports' profits add up to the balances' change, less what is owed."""
    uneven = 0
    for seed in SEEDS:
        world = random_world(seed)
        if len(world.strategy.start) > 1:
            continue
        inventory = rich(world)
        heard, portfolio = play(world, inventory)
        start = world.strategy.balances["USDT"]
        gained = portfolio.balances()["USDT"] - start
        told = sum(r.profit + r.missing for r in heard.cycles)
        assert gained == pytest.approx(told, abs=1e-7)
        uneven += sum(report.unwind_orders > 0 for report in heard.cycles)
    assert uneven > 10


def currencies_of(leg: LegReport, names: Sequence[str]) -> tuple[str, str]:
    """The currency that an order gives, and the one it gets."""
    base, _, quote = names[leg.symbol].partition("-")
    return (quote, base) if leg.side == BUY else (base, quote)


def changes(legs: list[LegReport], names: Sequence[str]) -> dict[str, float]:
    """What orders did to the balances, by currency."""
    changed: defaultdict[str, float] = defaultdict(float)
    for leg in legs:
        given, got = currencies_of(leg, names)
        changed[given] -= leg.done.spent
        changed[got] += leg.done.received
    return changed


def decision_values(legs: list[LegReport], names: Sequence[str]) -> dict[str, float]:
    """What one unit of each currency was worth to a cycle when it was decided."""
    value, values = 1.0, dict[str, float]()
    for leg in sorted(legs, key=lambda leg: leg.number, reverse=True):
        value = value / leg.best_px if leg.side == BUY else value * leg.best_px
        values[currencies_of(leg, names)[0]] = value
    first = min(legs, key=lambda leg: leg.number)
    return values | {currencies_of(first, names)[0]: 1.0}


def test_no_profit_comes_from_selling_what_was_there() -> None:
    """No cycle tells more gain than it made all balances worth at its decision's prices."""
    missing = 0
    for seed in SEEDS:
        world = random_world(seed)
        names = world.scenario.cycles.symbols
        heard, _ = play(world, rich(world))
        for report in heard.cycles:
            legs = [leg for leg in heard.legs if leg.execution == report.execution]
            changed = changes(legs, names)
            values = decision_values([leg for leg in legs if not leg.unwinds], names)
            worth = math.fsum(by * values.get(of, 0.0) for of, by in changed.items())
            assert report.profit <= worth + 1e-9 * report.committed, (seed, report)
            missing += report.missing > 0.01 * report.committed
    assert missing > 3, "some cycle could not buy back what it sold"


def test_any_leg_that_falls_short_is_told() -> None:
    """Of legs that left at once the first counts as the others do."""
    first_short = 0
    for seed in SEEDS:
        world = random_world(seed)
        heard, _ = play(world, rich(world))
        at_once = by_cycle([order for order in heard.orders if order.execution is None])
        for report in heard.cycles:
            if str(report.execution) in at_once:
                own = [leg for leg in heard.legs if leg.execution == report.execution]
                short = [leg.done.short for leg in own if not leg.unwinds]
                assert report.fell_short == any(short)
                assert (execution_status(report) is ExecutionStatus.FILLED) <= (not any(short))
                first_short += short[0] and not any(short[1:])
    assert first_short > 5


def test_the_ledger_names_every_difference() -> None:
    """Expected less realised is fee, slippage, latency, residual and unwinding, in each cycle."""
    below = 0
    for seed in SEEDS:
        world = random_world(seed)
        for report in play(world, rich(world))[0].cycles:
            parts = report.fee + report.slippage + report.latency + report.residual + report.unwind
            difference = report.expected_profit - report.profit
            scale = max(report.committed, abs(report.profit))
            assert difference == pytest.approx(parts, abs=1e-9 * scale), (seed, report)
            below += report.missing > 0
    assert below > 10, "some cycle ended with a currency missing"
