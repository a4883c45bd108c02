"""What the allocator answers: things to do at the venue, and things to know.

``Enter``, ``Steal`` and ``Cancel`` ask the caller to act; the others are for the
audit. Each carries the orders it is about, so that nobody has to look them up.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from arb_pipelines.allocation.orders import RestingOrder


class Reason(StrEnum):
    """Why a waiting order was not entered: the first rule that stopped it."""

    NO_PRICE = "no_price"  # its symbol has none: the distance is unknown
    MARKET_CLOSED = "market_closed"  # a stock out of hours
    TOLERANCE = "tolerance"  # too far to be given free capacity
    ENTRY_TOLERANCE = "entry_tolerance"  # too little is free, and it is too far to steal
    COOL_DOWN = "cool_down"  # its symbol, or that of the furthest order, rests after a steal
    FIGHT = "fight"  # its symbol and that of the furthest order rest after a fight
    PROTECTED = "protected"  # the furthest order is protected
    CAPACITY = "capacity"  # all that may be stolen would not be enough


class Outcome(StrEnum):
    """What became of a steal."""

    FILLED = "filled"  # the thief filled: the steal was worth it
    CANCELLED = "cancelled"  # the thief was cancelled by its strategy or its venue
    STOLEN = "stolen"  # the thief was stolen from
    SHORT = "short"  # a victim filled before its cancel took effect; the thief was not entered


@dataclass(frozen=True, slots=True)
class Enter:
    """Send the order to its venue: its capacity is reserved.

    ``cents`` is what it may still spend. ``forced`` tells that it is beyond the
    tolerance, and entered as one of the nearest out of hours. ``distance_pct`` is
    None if its symbol had no price left when a steal's last cancel was acknowledged.
    """

    ts_ns: int
    order: RestingOrder
    cents: int
    distance_pct: float | None
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """A victim of a steal, and the capacity its cancel is expected to free."""

    order: RestingOrder
    distance_pct: float
    frees_cents: int


@dataclass(frozen=True, slots=True)
class Steal:
    """Cancel the victims at their venues, furthest first.

    The thief is entered by a later ``Enter``, when all cancels are acknowledged.
    ``needs_cents`` is what it needs in all, of which ``free_cents`` was free.
    """

    ts_ns: int
    thief: RestingOrder
    distance_pct: float
    needs_cents: int
    free_cents: int
    victims: tuple[Loss, ...]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel the order at its venue, as its strategy wishes."""

    ts_ns: int
    order: RestingOrder


@dataclass(frozen=True, slots=True)
class Block:
    """An order goes on waiting. Told when the reason changes, not at every tick."""

    ts_ns: int
    order: RestingOrder
    reason: Reason
    distance_pct: float | None


@dataclass(frozen=True, slots=True)
class Fight:
    """Two symbols stole from each other in turn ``steals`` times, and now rest."""

    ts_ns: int
    symbols: tuple[str, str]
    steals: int
    until_ns: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """A steal's outcome is known."""

    ts_ns: int
    thief: RestingOrder
    outcome: Outcome


Decision = Enter | Steal | Cancel | Block | Fight | Resolved
