"""What happens in one execution context, as values: market data, signals, orders, fills.

The words every component of a container speaks, in a backtest, on paper and live:

    BAR | BOOK  →  SIGNAL  →  (risk) ORDER  →  (broker) FILL  →  portfolio

A signal is approved or refused; an approval becomes orders, one after the other or
all at once, until it has ended. What becomes of an order is told by the broker:
that it left (``Routed``), each execution (``OrderFill``), and that nothing more
will fill: a final fill, or ``Cancelled``. On a live venue these arrive when they
arrive, and a fill may come before the venue's answer to the order.

All are frozen: a component that keeps one, or is handed one that others are
handed too, cannot change it. Times are ns since the epoch, UTC; a size is in base
currency, funds in quote, a price in quote per base. A side is ``BUY`` or ``SELL``
of ``market.graph``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from arb_pipelines.market.graph import BUY

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

    A price that is not above zero (NaN included) ends a side. ``ts_event`` is the
    venue's own time of it, where the venue tells.
    """

    symbol: str
    ts_recv: int
    bid_px: Floats = field(repr=False)
    bid_sz: Floats = field(repr=False)
    ask_px: Floats = field(repr=False)
    ask_sz: Floats = field(repr=False)
    ts_event: int | None = None


@dataclass(frozen=True, slots=True)
class CycleSignal:
    """Somebody would trade a cycle; ``product`` is its net product of best rates.

    ``most`` bounds what it may use of its start currency, where who signals says so.
    ``ts_book`` is the venue's time of the book that caused it, ``correlation_id`` the
    name by which a sender outside knows it.
    """

    ts: int
    strategy: str
    cycle: int
    product: float
    most: float | None = None
    ts_book: int | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class OrderSignal:
    """A strategy would place one order on one symbol.

    Exactly one of ``size`` (base) and ``funds`` (quote, buys only) is set. After
    ``expires`` (ns) nothing of it fills. The first fill of an order ends the others of
    its strategy with the same ``oco`` (one cancels the others).
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
    expires: int | None = None
    oco: str | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """A signal that risk lets pass; an order manager accepts nothing else.

    Only a ``Risk`` makes one. ``budget`` is the most it may commit, in the
    currency the first order spends; its place (slot, isolation) is taken until
    ``Ended`` tells that nothing more will come of it.
    """

    signal: Signal
    budget: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A signal that did not become an order, and the name of the check that stopped it.

    ``detail`` says in words what was found, where the name alone does not.
    """

    signal: Signal
    reason: str
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing more will come of an approval: what it held is free again.

    ``declined`` names why the order manager found no order worth sending, where
    it sent none at all; such an approval counts as refused. ``execution`` names
    the purse that its orders shared, if they did. ``spent`` and ``profit`` are those of
    its report, in its start currency.
    """

    approved: Approved
    ts: int
    declined: str | None = None
    execution: str | None = None
    spent: float = 0.0
    profit: float = 0.0


@dataclass(frozen=True, slots=True)
class Order:
    """An order that risk has approved: all that the execution side ever takes.

    ``client_id`` is unique in its context and known before the order leaves.
    Exactly one of ``size`` (base) and ``funds`` (quote, buys only) is set.
    ``reserve`` is the most it may spend, fee included, in the currency it gives.
    Orders of one ``execution`` (a cycle) share a purse: what one receives, the next
    spends, and nobody else. An order without one deals with the free balance.
    ``unwinds`` tells that it brings back what a cycle left, within its limit and no worse;
    ``leg`` is its place in the cycle, from 0, where it has one.
    ``expires`` and ``oco`` are as in ``OrderSignal``.
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
    reserve: float
    execution: str | None = None
    expires: int | None = None
    oco: str | None = None
    unwinds: bool = False
    leg: int | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """An open order is to be taken back; it may still fill until ``Cancelled`` is told."""

    client_id: str
    ts: int


@dataclass(frozen=True, slots=True)
class Routed:
    """An order left for the venue at ``ts``; told before anything that became of it."""

    client_id: str
    ts: int


@dataclass(frozen=True, slots=True)
class OrderFill:
    """One execution of (part of) an order.

    ``size`` is in base and ``funds`` its value in quote before fees. ``spent`` and
    ``received`` are what left and what arrived, net of the fee, in the order's two
    currencies; ``fee`` is in ``fee_currency``. ``final`` tells that the order is
    filled: what may be left of it is less than the venue can trade.
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


class Ending(StrEnum):
    """How an order ends that is not filled."""

    CANCELLED = "cancelled"  # taken back, or the rest of one that may not rest
    REJECTED = "rejected"  # never accepted: nothing of it filled
    EXPIRED = "expired"  # its time ran out


@dataclass(frozen=True, slots=True)
class Cancelled:
    """An order ended before it was filled: nothing more of it will fill."""

    client_id: str
    ts: int
    reason: str
    ending: Ending = Ending.CANCELLED


MarketEvent = Bar | Book
Signal = CycleSignal | OrderSignal
BrokerEvent = Routed | OrderFill | Cancelled
Event = MarketEvent | Signal | Approved | Refused | Order | Cancel | BrokerEvent | Ended


class OnSymbol(Protocol):
    """Whatever trades one side of a symbol: an order, a fill, what either came to."""

    @property
    def symbol(self) -> str: ...
    @property
    def side(self) -> int: ...


def currencies(order: OnSymbol) -> tuple[str, str]:
    """Name the currency an order gives and the one it gets."""
    base, _, quote = order.symbol.partition("-")
    return (quote, base) if order.side == BUY else (base, quote)
