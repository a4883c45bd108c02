"""What recovery works with, and what it tells of each cycle."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from arb_pipelines.execution.orders.runner import OrderRunner
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import Cycle, CycleState
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.venues.base import Account, OrderEntry

#: The strategy and session of a cycle of which only the venue knows.
UNKNOWN = "unknown"


class Seller(Protocol):
    """Sells what a cycle holds, and ends it; ``panic.PanicSeller`` is one."""

    async def sell(self, cycle: str) -> object:
        """Bring what a cycle holds to a stable currency and end it, or hold it and alert."""
        ...


class AskBook(Protocol):
    """Gives a book as it is now; a ``VenueConnection``'s ``snapshot`` is one."""

    def __call__(self, symbol: str, depth: int) -> Awaitable[Book]: ...


@dataclass(frozen=True, slots=True)
class Engine:
    """What cycles are recovered with: the state, the venue, and what was said of each strategy.

    ``strategies`` are by name. A cycle of another is gone about as ``otherwise`` says.
    """

    store: StateStore
    account: Account
    entry: OrderEntry
    markets: Mapping[str, Market]
    fees: Mapping[str, Decimal]
    runner: OrderRunner
    seller: Seller
    snapshot: AskBook
    strategies: Mapping[str, Strategy]
    otherwise: Strategy
    wall_ns: Callable[[], int]

    def strategy_of(self, cycle: Cycle) -> Strategy:
        """Give the strategy by whose rules a cycle is recovered."""
        return self.strategies.get(cycle.strategy, self.otherwise)


@dataclass(frozen=True, slots=True)
class Recovered:
    """A cycle that a crash cut short, and what became of it.

    ``changes`` is what all its orders did to each balance, ``profit`` what its start currency
    changed by. ``unknown`` are orders of which the venue told nothing that can be read: the
    cycle is looked into again by the next start. One that could not be sold yet is still
    ``panic_selling``, and tried again while a session runs.
    """

    cycle: str
    session: str
    start: str
    state: CycleState
    outcome: str | None
    changes: Mapping[str, Decimal]
    why: str
    unknown: tuple[str, ...] = ()

    @property
    def profit(self) -> float:
        """What its start currency changed by; a residual counts nothing."""
        return float(self.changes.get(self.start, 0))

    def facts(self) -> dict[str, object]:
        """Give it as a journal says it."""
        return {
            "execution": self.cycle,
            "changes": {currency: f"{by:f}" for currency, by in self.changes.items()},
            "unknown": list(self.unknown),
            "state": self.state,
            "outcome": self.outcome,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a start found: cycles that were open, and balances that nothing explains.

    ``unexplained`` is by how much more each balance has changed than was booked, since it was
    compared last; ``None`` where there was nothing to compare with, or an order is unknown.
    """

    cycles: Sequence[Recovered]
    unexplained: Mapping[str, Decimal] | None
