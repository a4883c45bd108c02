"""What happens in one execution context, as values: market data, signals, orders, fills.

The words every component of a container speaks, in a backtest, on paper and live:

    BAR | BOOK  →  SIGNAL  →  (risk) ORDER  →  (broker) FILL  →  portfolio

All are frozen: a component that keeps one, or is handed one that others are
handed too, cannot change it. Times are ns since the epoch, UTC; a size is in base
currency, funds in quote, a price in quote per base. A side is ``BUY`` or ``SELL``
of ``market.graph``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class OrderKind(StrEnum):
    """What makes an order fill."""

    MARKET = "market"  # at once, at what the venue shows
    LIMIT = "limit"  # at its limit or better
    STOP = "stop"  # becomes a market order when its stop is touched


class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "gtc"  # until filled or cancelled
    IOC = "ioc"  # not at all: what does not fill at once is cancelled
    FOK = "fok"  # not at all, and whole or not at all


@dataclass(frozen=True, slots=True)
class Bar:
    """Open, high, low, close and volume (base) of a symbol; known at ``ts_close``, not before."""

    symbol: str
    ts_open: int
    ts_close: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Book:
    """A book as it was received: read-only level arrays, best first.

    A price that is not above zero (NaN included) ends a side.
    """

    symbol: str
    ts_recv: int
    bid_px: Floats = field(repr=False)
    bid_sz: Floats = field(repr=False)
    ask_px: Floats = field(repr=False)
    ask_sz: Floats = field(repr=False)


@dataclass(frozen=True, slots=True)
class CycleSignal:
    """A strategy would trade a cycle; ``product`` is its net product of best rates."""

    ts: int
    strategy: str
    cycle: int
    product: float


@dataclass(frozen=True, slots=True)
class OrderSignal:
    """A strategy would place one order on one symbol.

    Exactly one of ``size`` (base) and ``funds`` (quote, buys only) is set.
    """

    ts: int
    strategy: str
    symbol: str
    side: int
    kind: OrderKind
    size: float | None = None
    funds: float | None = None
    limit_px: float | None = None
    stop_px: float | None = None
    time_in_force: TimeInForce = TimeInForce.GTC


@dataclass(frozen=True, slots=True)
class Order:
    """An order that risk has approved: all that the execution side ever takes.

    ``client_id`` is unique in its context and known before the order leaves.
    """

    client_id: str
    ts: int
    strategy: str
    symbol: str
    side: int
    kind: OrderKind
    time_in_force: TimeInForce
    size: float | None
    funds: float | None
    limit_px: float | None
    stop_px: float | None


@dataclass(frozen=True, slots=True)
class OrderFill:
    """One execution of (part of) an order.

    ``spent`` and ``received`` are what left and what arrived, net of the fee, in
    the order's two currencies; ``fee`` is in ``fee_currency``. ``final`` tells that
    nothing of the order is left to come.
    """

    client_id: str
    ts: int
    symbol: str
    side: int
    size: float
    funds: float
    spent: float
    received: float
    fee: float
    fee_currency: str
    final: bool


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was left of an order is cancelled, rejected or expired: nothing more will fill."""

    client_id: str
    ts: int
    reason: str


MarketEvent = Bar | Book
Signal = CycleSignal | OrderSignal
BrokerEvent = OrderFill | Cancelled
Event = MarketEvent | Signal | Order | BrokerEvent
