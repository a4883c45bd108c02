"""Cycles and orders under way, as what follows a strategy's bus knows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.state.values import NewCycle
from arb_pipelines.market.exact import decimal_of
from arb_pipelines.trading.events import Order, OrderFill, currencies
from arb_pipelines.venues.base import NewOrder

_ZERO = Decimal(0)


@dataclass(slots=True, eq=False)
class FollowedCycle:
    """A cycle under way; ``reason`` is why the first of its orders fell short."""

    new: NewCycle
    why: str
    begun: bool = False
    reason: str | None = None


@dataclass(slots=True, eq=False)
class FollowedOrder:
    """An order of the desk, the venue's orders that carry it and are open, and its fills."""

    order: Order
    cycle: FollowedCycle
    sent: dict[str, NewOrder] = field(default_factory=dict)
    fills: list[OrderFill] = field(default_factory=list)


def sum_of(fills: Iterable[OrderFill], order: Order) -> Booked:
    """Book what a desk heard of an order whose report nobody told: it was only tested."""
    size = funds = spent = received = fee = _ZERO
    _, fee_currency = currencies(order)
    for fill in fills:
        size += decimal_of(fill.size)
        funds += decimal_of(fill.funds)
        spent += decimal_of(fill.spent)
        received += decimal_of(fill.received)
        fee += decimal_of(fill.fee)
        fee_currency = fill.fee_currency
    return Booked(order.side, size, funds, spent, received, fee, fee_currency)
