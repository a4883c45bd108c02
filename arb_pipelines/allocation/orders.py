"""What the allocator is asked for: resting limit orders and the capacity each needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from arb_pipelines.errors import DataError
from arb_pipelines.market.graph import BUY, SELL


class MarketKind(StrEnum):
    """Whose hours an order keeps."""

    CRYPTO = "crypto"  # always open
    STOCK = "stock"  # entered in market hours only


class State(StrEnum):
    """Where an open order stands; one that has ended is no longer known."""

    WAITING = "waiting"  # here, not at the venue; holds no capacity
    FUNDING = "funding"  # a thief whose victims' cancels are not all acknowledged
    ENTERED = "entered"  # at the venue
    CANCELLING = "cancelling"  # at the venue until its cancel is acknowledged: may still fill


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """A limit order that wants to rest at a venue.

    ``capacity_cents`` is the cash it binds while it rests, fees included: its
    notional, or less under leverage. ``forecast_profit_cents`` is recorded, and
    never decides. ``limit_px`` measures distance only; the order that leaves has
    an exact one.

    Raises:
        DataError: a field cannot be used; the message names it.
    """

    order_id: str
    strategy: str
    symbol: str
    market: MarketKind
    side: int
    limit_px: float
    capacity_cents: int
    forecast_profit_cents: int = 0

    def __post_init__(self) -> None:
        if self.side not in (BUY, SELL):
            raise DataError(f"side: {self.side} is neither BUY nor SELL", source=self.order_id)
        if not (math.isfinite(self.limit_px) and self.limit_px > 0.0):
            raise DataError(f"limit_px: {self.limit_px} is not above 0", source=self.order_id)
        if self.capacity_cents <= 0:
            raise DataError(
                f"capacity_cents: {self.capacity_cents} is not above 0", source=self.order_id
            )


def distance_pct(side: int, limit_px: float, price: float) -> float:
    """How far ``price`` must move to reach the limit, in percent of the limit; never below 0."""
    away = price - limit_px if side == BUY else limit_px - price
    return max(0.0, away / limit_px * 100.0)
