"""The rules one by one, as pure functions: who may be given capacity, who is spared a steal."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from arb_pipelines.allocation.decisions import Reason
from arb_pipelines.allocation.orders import MarketKind, RestingOrder, State
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.rests import Rests


@dataclass(slots=True)
class OpenOrder:
    """An open order: where it stands, and the cents it needs and holds."""

    order: RestingOrder
    number: int  # order of submission, which breaks ties
    needs: int  # what it would bind from now on; fills reduce it
    state: State = State.WAITING
    held: int = 0
    moved_ns: int | None = None  # when it last entered, stole or was stolen from
    entered_ns: int = 0
    stole: bool = False  # a steal of its own has no outcome yet
    leaves: bool = False  # it ends with its cancel instead of waiting again
    thief: OpenOrder | None = None  # who waits for what it frees
    victims: set[str] = field(default_factory=set)  # whose cancels it waits for
    blocked: Reason | None = None


def barred(
    settings: AllocationSettings, market: MarketKind, distance: float, is_open: bool
) -> Reason | None:
    """Name what keeps an order from being given even free capacity; None if nothing does.

    ``distance`` is in percent of the limit, infinite without a price. That the
    nearest crypto orders may be at any distance out of hours is not looked at.
    """
    if math.isinf(distance):
        return Reason.NO_PRICE
    if not is_open and market is MarketKind.STOCK:
        return Reason.MARKET_CLOSED
    tolerance = settings.normal_tolerance_pct if is_open else settings.out_of_hours_tolerance_pct
    return None if distance <= tolerance else Reason.TOLERANCE


def may_steal(
    settings: AllocationSettings, rests: Rests, symbol: str, distance: float, now_ns: int
) -> Reason | None:
    """Name what keeps an order of ``symbol`` from stealing from anybody."""
    if distance > settings.entry_tolerance_pct:
        return Reason.ENTRY_TOLERANCE
    return Reason.COOL_DOWN if rests.cools(symbol, now_ns) else None


def spared(
    settings: AllocationSettings,
    rests: Rests,
    thief: str,
    victim: OpenOrder,
    distance: float,
    now_ns: int,
) -> Reason | None:
    """Name what spares an entered order, ``distance`` away, from a thief of symbol ``thief``."""
    if settings.protection == "distance":
        protected = distance <= settings.protection_pct
    else:
        protected = now_ns - victim.entered_ns < settings.protection_ns
    if protected:
        return Reason.PROTECTED
    # whoever entered in this tick is not stolen from in it, however short the cool-down
    if victim.moved_ns == now_ns or rests.cools(victim.order.symbol, now_ns):
        return Reason.COOL_DOWN
    return Reason.FIGHT if rests.fights(thief, victim.order.symbol, now_ns) else None
