"""Recovery where symbols have been halted, or are listed no more, since the engine died."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.recovery.recover import recover
from arb_pipelines.execution.state.values import OrderStatus, Outcome, Purpose
from arb_pipelines.market.graph import SELL
from arb_pipelines.market.symbols import Status
from arb_pipelines.research.session_recovery import account_engine
from arb_pipelines.settings import Settings
from arb_pipelines.trading.events import Book, OrderKind
from arb_pipelines.venues.base import NewOrder, OrderReport
from tests.fakes.panic_markets import listed
from tests.fakes.panic_venue import panic_at
from tests.fakes.scripted_venue import ScriptedVenue
from tests.fakes.state_at_venue import MARKETS, StateAtVenue, state_at_venue
from tests.fakes.venue_connection import QuietConnection, strategy
from tests.fakes.virtual_loop import run_virtually, wall_ns

_NOTHING = OrderReport(
    "", "o", "", SELL, False, True, Decimal(0), Decimal(0), Decimal(0), "USDT", 0
)
DEEP = ([("0.99", "1000")], [("1.01", "1000")])


@dataclass
class _Halted(QuietConnection):
    """A scripted venue that takes no orders on one symbol, and tells no fee of it."""

    at: ScriptedVenue
    symbol: str

    def __post_init__(self) -> None:
        super().__init__()
        self.account = self.at
        self.markets = [
            replace(market, status=Status.HALTED) if market.symbol == self.symbol else market
            for market in MARKETS.values()
        ]
        del self.fees[self.symbol]

    def entry(self, way: str) -> Any:
        return self.at

    async def snapshot(self, symbol: str, depth: int) -> Book:
        bid, ask = (np.array([float(price)]) for price in self.at.prices[symbol])
        size = np.array([1e6])
        return Book(symbol, 0, bid, size, ask, size)


@pytest.mark.parametrize(
    ("last", "outcome", "way"),
    [(0, Outcome.PANIC_SOLD, ["BTC-USDT", "BTC-USDT"]), (1, Outcome.FILLED, [*MARKETS])],
    ids=["the next leg", "the last order"],
)
def test_a_symbol_that_was_halted_keeps_no_cycle_from_its_end(
    tmp_path: Path, home: Settings, last: int, outcome: Outcome, way: list[str]
) -> None:
    """The venue tells no fee of it; its order is booked, and no other is made there."""

    async def body() -> None:
        with state_at_venue(tmp_path) as there:
            await asyncio.sleep(1)
            cycle = f"{there.store.engine_id}0a1b2c-0"
            there.begin(cycle)
            await _died_at(there, cycle, last)
            connection: Any = _Halted(there.venue, "ETH-BTC")
            engine, _ = account_engine(home, there.store, connection, [strategy("demo", 1_000.0)])
            (one,) = (await recover(replace(engine, wall_ns=wall_ns))).cycles
            assert one.outcome == outcome
            assert sorted(new.symbol for new in there.venue.placed) == sorted(way)
            assert there.owed(cycle) == {}

    run_virtually(body())


async def _died_at(there: StateAtVenue, cycle: str, last: int) -> None:
    for leg in range(last + 1):
        amount = [*there.store.cycle(cycle).held.values()][-1] if leg else Decimal(100)
        new = there.order(f"{cycle}-{leg}", leg, f"{amount}")
        if leg < last:
            await there.runner.run_order(cycle, new, Purpose.LEG, leg)
        else:
            there.store.intend(cycle, new, Purpose.LEG, leg)
            await there.venue.place(new)
            there.venue.forget(new.client_id)


def test_a_sale_goes_on_where_a_symbol_that_it_passed_is_listed_no_more(tmp_path: Path) -> None:
    """An order of an earlier start traded there, and another was taken for lost."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")
            market = listed("OLD-SOL")
            passed = NewOrder("c1-p0", "OLD-SOL", SELL, OrderKind.MARKET, size=Decimal(5))
            panic.store.intend("c1", passed, Purpose.PANIC, None)
            five = Decimal(5)
            booked = Booked(SELL, five, five, five, five, Decimal(0), "SOL")
            panic.store.book("c1-p0", booked, market, None)
            lost = NewOrder("c1-p1", "OLD-USDT", SELL, OrderKind.MARKET, size=Decimal(5))
            panic.store.intend("c1", lost, Purpose.PANIC, None)
            panic.store.unfilled("c1-p1", OrderStatus.LOST, "the venue does not know it")
            panic.venue.tell_of(replace(_NOTHING, client_id="c1-p1", symbol="OLD-USDT"))
            panic.venue.balances_now["SOL"] += five
            assert (await panic.seller().sell("c1")).outcome is Outcome.PANIC_SOLD
            assert [order.size for order in panic.venue.placed] == [15]

    run_virtually(body())
