"""What the state file keeps, as values: cycles, their orders, fills and changes of state.

Amounts are exact. Times are ns since the epoch, UTC.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from arb_pipelines.trading.events import OrderKind, TimeInForce, currencies


class CycleState(StrEnum):
    """Where a cycle is in its life; ``machine`` says what may follow what."""

    PENDING = "pending"  # approved by risk
    VALIDATING = "validating"  # being planned and priced exactly; nothing has left
    ACTIVE = "active"  # an order's intent is written: it may be out
    PARTIALLY_FILLED = "partially_filled"  # a leg filled in part, and what it filled goes on
    RECOVERING = "recovering"  # its engine died; what became of its orders is being asked
    PANIC_SELLING = "panic_selling"  # what it holds is being brought to a stable currency
    COMPLETED = "completed"  # every leg filled; all of it is in its start currency
    FAILED = "failed"  # it ended otherwise; its outcome says how

    @property
    def terminal(self) -> bool:
        """Whether nothing more happens to such a cycle."""
        return self in (CycleState.COMPLETED, CycleState.FAILED)


class Outcome(StrEnum):
    """How a cycle ended."""

    FILLED = "filled"  # each leg filled
    UNWOUND = "unwound"  # it fell short, and came back to its start currency
    PANIC_SOLD = "panic_sold"  # it fell short, and was sold for a stable currency
    RESIDUAL = "residual"  # it fell short, and something is left that the venue takes no order for
    NOTHING = "nothing"  # nothing of it filled


class Purpose(StrEnum):
    """What an order is for."""

    LEG = "leg"
    UNWIND = "unwind"  # the desk's way back to the start currency
    PANIC = "panic"  # a panic sell's


class OrderStatus(StrEnum):
    """What is known of an order."""

    INTENDED = "intended"  # about to leave; after a crash: it may have
    ACCEPTED = "accepted"  # the venue took it; its end is not known
    DONE = "done"  # it ended, and what it filled is booked
    REFUSED = "refused"  # the venue never had it: nothing happened
    LOST = "lost"  # no answer, and the venue did not know it for long; asked for on


@dataclass(frozen=True, slots=True)
class NewCycle:
    """A cycle that is about to begin; ``legs`` are symbols with the side of each order.

    ``initial`` is what it commits, in ``start``. ``metadata`` is what recovery needs of the
    decision, and whatever helps a reader: plain values that JSON takes.
    """

    id: str
    strategy: str
    session: str
    start: str
    legs: tuple[tuple[str, int], ...]
    initial: Decimal
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle as the state file has it.

    ``changes`` is what its orders did to the account's balances so far, by currency: below
    zero in what it gave. ``step`` counts the legs that have ended. ``profit`` is in its start
    currency; what was sold for another currency stands in ``changes``.
    """

    id: str
    strategy: str
    session: str
    start: str
    legs: tuple[tuple[str, int], ...]
    initial: Decimal
    state: CycleState
    step: int
    changes: Mapping[str, Decimal]
    outcome: Outcome | None
    profit: Decimal | None
    error: str | None
    started_ns: int
    ended_ns: int | None
    updated_ns: int
    metadata: Mapping[str, Any]

    @property
    def held(self) -> Mapping[str, Decimal]:
        """What it has in hand outside its start currency, by currency; nothing below zero."""
        return {name: by for name, by in self.changes.items() if by > 0 and name != self.start}

    @property
    def gained(self) -> Decimal:
        """What its start currency has changed by: its profit, once it has ended."""
        return self.changes.get(self.start, Decimal(0))

    @property
    def sent_together(self) -> bool:
        """Whether its legs left at once, each paid for by a balance of its own."""
        return bool(self.metadata.get("together"))

    @property
    def current(self) -> tuple[str, Decimal]:
        """The currency it is in and how much: the first it holds, else what it started in."""
        for name, amount in self.held.items():
            return name, amount
        return self.start, self.initial + self.gained


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order as the state file has it.

    ``leg`` is its place in the cycle, ``None`` for one that brings something home. ``size`` to
    ``price`` are what was asked for, ``filled`` (base) and ``funds_filled`` (quote, before
    fees) what came of it; ``spent`` and ``received`` are in its two currencies, net of a fee
    taken in them.
    """

    client_id: str
    cycle: str
    purpose: Purpose
    leg: int | None
    symbol: str
    side: int
    kind: OrderKind
    time_in_force: TimeInForce
    size: Decimal | None
    funds: Decimal | None
    price: Decimal | None
    status: OrderStatus
    order_id: str | None
    filled: Decimal
    funds_filled: Decimal
    spent: Decimal
    received: Decimal
    fee: Decimal
    fee_currency: str | None
    reason: str | None
    intended_ns: int
    ended_ns: int | None

    @property
    def changes(self) -> dict[str, Decimal]:
        """What it did to the account's balances, by currency, as it is booked."""
        given, got = currencies(self)
        changed = {given: -self.spent, got: self.received}
        if self.fee_currency is not None and self.fee_currency not in changed:
            changed[self.fee_currency] = -self.fee
        return changed


def changes_of(orders: Iterable[StoredOrder]) -> dict[str, Decimal]:
    """Add up what orders did to the account's balances, by currency."""
    total: defaultdict[str, Decimal] = defaultdict(Decimal)
    for order in orders:
        for currency, by in order.changes.items():
            total[currency] += by
    return dict(total)


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of state: from nothing (``before`` is None) to its first, and so on."""

    number: int
    cycle: str
    ts_ns: int
    before: CycleState | None
    after: CycleState
    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of an order as the venue told it: ``size`` in base at ``price``."""

    client_id: str
    trade_id: str
    size: Decimal
    price: Decimal
    ts_ns: int


@dataclass(frozen=True, slots=True)
class BalanceSeen:
    """What the account had free of a currency when ``source`` asked the venue."""

    ts_ns: int
    currency: str
    available: Decimal
    source: str
