"""The life of an order, as a checked state machine: states are values, steps are pure.

    RECEIVED ──► VALIDATED ──► ROUTED ──► PARTIAL ⟲ ──► FILLED
        │            │            │          │
        └► REJECTED ◄┴────────────┤          │
                     └► CANCELLED, EXPIRED ◄─┘

What the venue says decides: an order is FILLED when a fill is final, whatever is
left of it by rounding. A step that the picture does not have, or a fill beyond what
was ordered, means that somebody's books are wrong: it raises and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.trading.events import BrokerEvent, Cancelled, Ending, Order, OrderFill, Routed

#: Share of an order by which its fills may pass it: float64 noise of the research arithmetic.
NOISE = 1e-8


class OrderStatus(StrEnum):
    """Where an order stands."""

    RECEIVED = "received"  # made, not checked yet
    VALIDATED = "validated"  # keeps the venue's rules
    ROUTED = "routed"  # on its way, or resting
    PARTIAL = "partial"  # some of it filled
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


TERMINAL = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
)
_NEXT: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.RECEIVED: frozenset({OrderStatus.VALIDATED, OrderStatus.REJECTED}),
    OrderStatus.VALIDATED: TERMINAL - {OrderStatus.FILLED} | {OrderStatus.ROUTED},
    OrderStatus.ROUTED: TERMINAL | {OrderStatus.PARTIAL},
    OrderStatus.PARTIAL: TERMINAL - {OrderStatus.REJECTED} | {OrderStatus.PARTIAL},
}


@dataclass(frozen=True, slots=True)
class Validated:
    """An order was checked and keeps the venue's rules."""

    client_id: str
    ts: int


@dataclass(frozen=True, slots=True)
class OrderState:
    """An order's status, and how much of it is filled.

    ``ordered`` and ``filled`` are in quote currency if ``in_funds``, else in base.
    ``ts`` is the time of the last step, ``reason`` why it ended unfilled.
    """

    client_id: str
    status: OrderStatus
    ordered: float
    in_funds: bool
    filled: float
    ts: int
    reason: str | None = None

    @property
    def open(self) -> bool:
        """Whether anything may still come of it."""
        return self.status not in TERMINAL


def received(order: Order) -> OrderState:
    """Give the state an order begins with.

    Raises:
        InvariantBroken: it has neither size nor funds, or both, or none above zero.
    """
    in_funds = order.size is None
    ordered = order.funds if in_funds else order.size
    if (order.size is None) == (order.funds is None) or ordered is None or not ordered > 0:
        raise InvariantBroken(
            f"order {order.client_id} has size {order.size} and funds {order.funds}; "
            "exactly one of them must be given, above zero"
        )
    return OrderState(order.client_id, OrderStatus.RECEIVED, ordered, in_funds, 0.0, order.ts)


def apply(state: OrderState, event: Validated | BrokerEvent) -> OrderState:
    """Give the state after an event.

    Raises:
        InvariantBroken: the event is of another order, is no step from here, runs
            back in time, or fills more than was ordered.
    """
    if event.client_id != state.client_id:
        raise InvariantBroken(f"an event of order {event.client_id} came to {state.client_id}")
    status = _status_after(event)
    if status not in _NEXT.get(state.status, frozenset()):
        raise InvariantBroken(f"order {state.client_id} cannot go from {state.status} to {status}")
    if event.ts < state.ts:
        raise InvariantBroken(
            f"order {state.client_id} became {status} at {event.ts}, before {state.ts}"
        )
    filled = state.filled
    if isinstance(event, OrderFill):
        filled += _filled_by(state, event)
    reason = event.reason if isinstance(event, Cancelled) else None
    return replace(state, status=status, filled=filled, ts=event.ts, reason=reason)


def _status_after(event: Validated | BrokerEvent) -> OrderStatus:
    match event:
        case Validated():
            return OrderStatus.VALIDATED
        case Routed():
            return OrderStatus.ROUTED
        case OrderFill():
            return OrderStatus.FILLED if event.final else OrderStatus.PARTIAL
        case Cancelled():
            return _ENDED[event.ending]
        case _:
            assert_never(event)


_ENDED = {
    Ending.CANCELLED: OrderStatus.CANCELLED,
    Ending.REJECTED: OrderStatus.REJECTED,
    Ending.EXPIRED: OrderStatus.EXPIRED,
}


def _filled_by(state: OrderState, fill: OrderFill) -> float:
    amount = fill.funds if state.in_funds else fill.size
    if not amount >= 0 or (amount == 0 and not fill.final):
        raise InvariantBroken(f"order {state.client_id} was filled by {amount}")
    if state.filled + amount > state.ordered * (1 + NOISE):
        raise InvariantBroken(
            f"order {state.client_id} was filled by {amount} after {state.filled}; "
            f"{state.ordered} were ordered"
        )
    return amount
