"""The example of a strategy that rests: a limit buy some way below the recent high, sold dearer.

Many of them, on many symbols, want more cash at rest than there is, which is what
the allocator (``allocation``) is for. It decides from closed bars and its own fills
and is not offered as a way to earn money.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    Bar,
    BrokerEvent,
    Cancelled,
    MarketEvent,
    OrderFill,
    OrderKind,
    OrderSignal,
)

_NS_PER_HOUR = 3_600 * NS_PER_S


class RestingDip(BaseModel):
    """One resting buy at a time on one symbol, and how what it bought is sold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Names its orders and its rows."
    )
    symbol: str = Field(pattern=r"^[A-Z0-9.]+-[A-Z0-9]+$", description="What it trades.")
    look_back: int = Field(24, ge=1, le=10_000, description="Bars whose highest close counts.")
    dip_pct: float = Field(
        gt=0, lt=100, description="Percent below the highest close at which it wants to buy."
    )
    rebound_pct: float = Field(gt=0, le=100, description="Percent above its cost to sell at.")
    rest_hours: int = Field(
        24, ge=1, le=8_760, description="Life of a resting buy; then it is priced anew."
    )
    hold_hours: int = Field(
        72, ge=1, le=8_760, description="Longest wait for the rebound; then it sells at market."
    )
    funds: float = Field(gt=0, allow_inf_nan=False, description="Quote currency of one buy.")


class _Step(StrEnum):
    """What the strategy's open order is for."""

    BUY = "buy"
    REBOUND = "rebound"  # a resting sale above cost
    GIVE_UP = "give_up"  # a sale at market: the rebound did not come in time


class RestingDipStrategy:
    """Idle, buying, or selling: never two orders at once."""

    def __init__(self, params: RestingDip) -> None:
        self._params = params
        self._closes: deque[float] = deque(maxlen=params.look_back)
        self._size = self._cost = 0.0  # in hand, base, and what it cost, quote
        self._open: _Step | None = None
        self._last: _Step | None = None

    def on_market(self, event: MarketEvent) -> Iterable[OrderSignal]:
        """Consider a closed bar: place a buy when idle, a sale when holding."""
        if not isinstance(event, Bar) or event.symbol != self._params.symbol:
            return ()
        self._closes.append(event.close)
        if self._open is not None or len(self._closes) < self._params.look_back:
            return ()
        if self._size == 0.0:
            self._open = _Step.BUY
        else:
            self._open = _Step.REBOUND if self._last is _Step.BUY else _Step.GIVE_UP
        return (self._signal(event.ts_close, self._open),)

    def on_broker(self, event: BrokerEvent) -> Iterable[OrderSignal]:
        """Keep count of the position; an order that has ended makes room for the next."""
        if isinstance(event, OrderFill):
            self._book(event)
        if isinstance(event, Cancelled) or (isinstance(event, OrderFill) and event.final):
            self._last, self._open = self._open, None
        return ()

    def _book(self, fill: OrderFill) -> None:
        if fill.side == BUY:
            self._size, self._cost = self._size + fill.received, self._cost + fill.spent
        elif fill.final:
            self._size = self._cost = 0.0
        else:
            kept = self._size - fill.spent
            self._size, self._cost = kept, self._cost * kept / self._size

    def _signal(self, ts: int, step: _Step) -> OrderSignal:
        params, buys = self._params, step is _Step.BUY
        if buys:
            limit_px = max(self._closes) * (1.0 - params.dip_pct / 100.0)
            size, hours = params.funds / limit_px, params.rest_hours
        else:
            size, hours = self._size, params.hold_hours
            limit_px = self._cost / size * (1.0 + params.rebound_pct / 100.0)
        gives_up = step is _Step.GIVE_UP
        return OrderSignal(
            ts=ts,
            strategy=params.name,
            symbol=params.symbol,
            side=BUY if buys else SELL,
            kind=OrderKind.MARKET if gives_up else OrderKind.LIMIT,
            size=size,
            limit_px=None if gives_up else limit_px,
            expires=None if gives_up else ts + hours * _NS_PER_HOUR,
        )
