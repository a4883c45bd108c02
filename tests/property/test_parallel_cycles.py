"""Legs all at once: what is told of them is what the balances say, whatever fills."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from arb_pipelines.backtest.brokers.books import BookBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator
from arb_pipelines.backtest.reference import book_events, open_replay, traded_of
from arb_pipelines.containers.desk import Desk
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.parallel import ParallelCycleOrders
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import Order, OrderFill
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import CycleReport
from tests.fakes.backtest_worlds import VALUES, World, random_world

SEEDS = range(40)


@dataclass
class Heard:
    """What the desk told."""

    orders: list[Order] = field(default_factory=list)
    fills: list[OrderFill] = field(default_factory=list)
    cycles: list[CycleReport] = field(default_factory=list)

    def hear(self, event: object) -> None:
        for kind, kept in (
            (Order, self.orders),
            (OrderFill, self.fills),
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


def test_profit_is_what_the_start_currency_gained() -> None:
    """Whatever filled: the reports' profits add up to the balances' change."""
    uneven = 0
    for seed in SEEDS:
        world = random_world(seed)
        if len(world.strategy.start) > 1:
            continue
        inventory = rich(world)
        heard, portfolio = play(world, inventory)
        start = world.strategy.balances["USDT"]
        gained = portfolio.balances()["USDT"] - start
        assert gained == pytest.approx(sum(r.profit for r in heard.cycles), abs=1e-7)
        uneven += sum(report.unwind_orders > 0 for report in heard.cycles)
    assert uneven > 10


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
            below += report.residual < 0
    assert below > 10, "some cycle ended with a currency missing"
