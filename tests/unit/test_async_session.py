"""What decides in a backtest decides the same in a session whose fills come as news, later."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest

from arb_pipelines.backtest.reference import book_events, cycle_desk, open_replay, traded_of
from arb_pipelines.containers.desk import Publish
from arb_pipelines.errors import InvariantBroken
from arb_pipelines.trading.events import (
    BrokerEvent,
    Cancelled,
    Event,
    Order,
    OrderFill,
    Refused,
    Routed,
)
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import CycleReport, LegReport, Report
from tests.fakes.async_session import run_session
from tests.fakes.backtest_worlds import World, random_world


class Record:
    """Listens, and keeps what trades came to and what the venue said of each order."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.refused: list[Refused] = []
        self.reports: list[LegReport | CycleReport] = []
        self.news: defaultdict[str, list[BrokerEvent]] = defaultdict(list)

    def hear(self, event: Event | Report) -> None:
        match event:
            case Order():
                self.orders.append(event)
            case Refused():
                self.refused.append(event)
            case LegReport() | CycleReport():
                self.reports.append(event)
            case Routed() | OrderFill() | Cancelled():
                self.news[event.client_id].append(event)
            case _:
                pass


def _portfolio(world: World) -> Portfolio:
    balances = world.scenario.balances.tolist()
    return Portfolio(dict(zip(world.scenario.cycles.currencies, balances, strict=True)))


def _backtest(world: World, publish: Publish) -> None:
    books = book_events(world.scenario.cycles.symbols, [world.books])
    open_replay(world.scenario, world.depth, publish).run(books)


def _session(world: World, portfolio: Portfolio, live: Record, script: Record) -> list[Order]:
    desk = cycle_desk(traded_of(world.scenario), world.depth, portfolio, live.hear)
    books = book_events(world.scenario.cycles.symbols, [world.books])
    return asyncio.run(run_session(desk, books, script.news))


def test_a_session_with_the_same_fills_makes_the_same_trades() -> None:
    """The components take the fills of an asyncio venue as they took the simulated broker's."""
    cycles = unwound = 0
    for seed in range(24):
        world = random_world(seed)
        backtest, live = Record(), Record()
        _backtest(world, backtest.hear)
        sent = _session(world, _portfolio(world), live, backtest)
        assert sent == live.orders == backtest.orders
        assert live.reports == backtest.reports
        assert live.refused == backtest.refused
        cycles += sum(isinstance(report, CycleReport) for report in live.reports)
        unwound += sum(isinstance(r, CycleReport) and r.unwind_orders > 0 for r in live.reports)
    assert cycles > 100
    assert unwound > 20


def test_other_fills_make_other_trades() -> None:
    """The session does act on what its venue says: halve a first fill, and the next leg follows."""
    world = next(w for w in map(random_world, range(50)) if _whole_cycle(w))
    backtest, live = Record(), Record()
    _backtest(world, backtest.hear)
    first = backtest.orders[0].client_id
    routed, fill = backtest.news[first]
    assert isinstance(fill, OrderFill)
    half = OrderFill(
        fill.client_id, fill.ts, fill.symbol, fill.side, fill.size / 2, fill.funds / 2,
        fill.spent / 2, fill.received / 2, fill.fee / 2, fill.fee_currency, False,
    )  # fmt: skip
    backtest.news[first] = [routed, half, Cancelled(first, fill.ts, "the rest is gone")]
    with pytest.raises(ExceptionGroup) as broken:  # the script has no answer to the smaller order
        _session(world, _portfolio(world), live, backtest)
    assert broken.group_contains(InvariantBroken, match="were ordered")
    second = next(order for order in live.orders[1:] if order.execution == live.orders[0].execution)
    assert second.reserve == fill.received / 2


def _whole_cycle(world: World) -> bool:
    record = Record()
    _backtest(world, record.hear)
    cycles = [report for report in record.reports if isinstance(report, CycleReport)]
    return bool(cycles) and cycles[0].legs_filled >= 3 and cycles[0].execution == 0
