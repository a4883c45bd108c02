"""A state file, a scripted venue and what carries cycles on between them, on virtual time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from arb_pipelines.execution.orders.amounts import order_spending
from arb_pipelines.execution.orders.runner import OrderRunner
from arb_pipelines.execution.recovery.values import Engine
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import (
    CycleState,
    NewCycle,
    Outcome,
    Purpose,
    StoredOrder,
)
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import NewOrder
from tests.fakes.scripted_venue import FEE, Fate, ScriptedVenue
from tests.fakes.session_cycle import TOPS, terms
from tests.fakes.venue_connection import strategy as demo_strategy
from tests.fakes.virtual_loop import wall_ns

#: USDT > BTC > ETH > USDT, which earns 10 % at ``TOPS``.
LEGS = (("BTC-USDT", BUY), ("ETH-BTC", BUY), ("ETH-USDT", SELL))
MARKETS: Mapping[str, Market] = {symbol: terms(symbol) for symbol in TOPS}
FEES = dict.fromkeys(MARKETS, FEE)
START = {"USDT": Decimal(1_000)}


@dataclass(frozen=True, slots=True)
class StateAtVenue:
    """``begin`` a cycle as an engine would, and see what becomes of it."""

    store: StateStore
    venue: ScriptedVenue
    runner: OrderRunner

    def begin(self, cycle: str, spend: str = "100") -> None:
        """Write a triangle down that is about to send its first order."""
        new = NewCycle(cycle, "demo", "session", "USDT", LEGS, Decimal(spend))
        self.store.begin(new, "approved")
        self.store.move(cycle, CycleState.VALIDATING, what="plan", why="test")
        self.store.move(cycle, CycleState.ACTIVE, what="order", why="test")

    def order(self, client_id: str, leg: int, amount: str) -> NewOrder:
        """Make an order of a leg that spends so much, at market."""
        symbol, side = LEGS[leg]
        new = order_spending(client_id, MARKETS[symbol], side, Decimal(amount), FEE)
        assert new is not None
        return new

    def stored(self, cycle: str) -> list[StoredOrder]:
        """Give the orders of a cycle as the state has them."""
        return self.store.orders(cycle)

    def at(self, store: Any, venue: Any) -> StateAtVenue:
        """The same, through others' hands: a store and a venue that may fail."""
        rules = SessionRules()
        runner = OrderRunner(store, venue, venue, MARKETS, FEES, rules, wall_ns=wall_ns)
        return StateAtVenue(store, venue, runner)

    def engine(self, **said: Any) -> Engine:
        """What recovery works with; ``said`` are parameters of the cycles' strategy."""

        async def snapshot(symbol: str, depth: int) -> Book:
            bid, ask = (np.array([float(price)]) for price in self.venue.prices[symbol])
            size = np.array([1e6])
            return Book(symbol, 0, bid, size, ask, size)

        strategy = demo_strategy("demo", 1_000.0, **said)
        return Engine(
            store=self.store,
            account=self.venue,
            entry=self.venue,
            markets=MARKETS,
            fees=FEES,
            runner=self.runner,
            seller=FakeSeller(self.store, self.runner),
            snapshot=snapshot,
            strategies={"demo": strategy},
            otherwise=strategy,
            wall_ns=wall_ns,
        )

    def owed(self, *cycles: str) -> dict[str, Decimal]:
        """What the state and the venue's balances differ by; nothing, where all is told."""
        owed = {
            of: amount - START.get(of, Decimal(0)) for of, amount in self.venue.balances_now.items()
        }
        for cycle in cycles:
            for of, by in self.store.cycle(cycle).changes.items():
                owed[of] = owed.get(of, Decimal(0)) - by
        return {of: by for of, by in owed.items() if by}


@contextmanager
def state_at_venue(
    folder: Path,
    fates: Mapping[int, Fate] | None = None,
    venue: ScriptedVenue | None = None,
    **rules: float | str,
) -> Iterator[StateAtVenue]:
    """Open a state file beside a venue, another start of the engine; within a virtual loop."""
    venue = venue or ScriptedVenue(MARKETS, TOPS, START, fates)
    said = SessionRules.model_validate(rules)
    with open_state(folder / "state.sqlite", wall_ns=wall_ns) as store:
        runner = OrderRunner(store, venue, venue, MARKETS, FEES, said, wall_ns=wall_ns)
        yield StateAtVenue(store, venue, runner)


class FakeSeller:
    """Sells what a cycle holds for its start currency, each holding by one order at market."""

    def __init__(self, store: StateStore, runner: OrderRunner) -> None:
        self._store, self._runner = store, runner
        self.sold: list[str] = []

    async def sell(self, cycle: str) -> None:
        self.sold.append(cycle)
        store, runner = self._store, self._runner
        store.move(cycle, CycleState.PANIC_SELLING, what="panic sell", why="test")
        for currency, amount in store.cycle(cycle).held.items():
            market = MARKETS[f"{currency}-USDT"]
            new = order_spending(runner.next_id(cycle, "p"), market, SELL, amount, FEE)
            if new is not None:
                await runner.run_order(cycle, new, Purpose.PANIC, None)
        end = store.cycle(cycle)
        store.end(
            cycle,
            CycleState.FAILED,
            Outcome.RESIDUAL if end.held else Outcome.PANIC_SOLD,
            profit=end.changes.get(end.start, Decimal(0)),
            what="panic sell",
            why="test",
        )
