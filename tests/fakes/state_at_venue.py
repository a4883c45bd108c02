"""A state file, a scripted venue and what carries cycles on between them, on virtual time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from arb_pipelines.execution.orders.amounts import order_spending
from arb_pipelines.execution.orders.runner import OrderRunner
from arb_pipelines.execution.state.store import StateStore, open_state
from arb_pipelines.execution.state.values import CycleState, NewCycle, StoredOrder
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import NewOrder
from tests.fakes.scripted_venue import FEE, Fate, ScriptedVenue
from tests.fakes.session_cycle import TOPS, terms
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
    folder: Path, fates: Mapping[int, Fate] | None = None, **rules: float | str
) -> Iterator[StateAtVenue]:
    """Open a state file beside a venue; within a virtual loop."""
    venue = ScriptedVenue(MARKETS, TOPS, START, fates)
    said = SessionRules.model_validate(rules)
    with open_state(folder / "state.sqlite", wall_ns=wall_ns) as store:
        runner = OrderRunner(store, venue, venue, MARKETS, FEES, said, wall_ns=wall_ns)
        yield StateAtVenue(store, venue, runner)
