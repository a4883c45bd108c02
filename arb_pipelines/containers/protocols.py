"""What the components of a container owe each other.

A backtest, a paper session and a live one differ in their broker, their clock and
where market data comes from, and in nothing else: strategy, risk, order manager
and portfolio are the same objects. So no component asks the time or does I/O of
its own, and only a broker knows how an order comes to be filled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from arb_pipelines.trading.events import BrokerEvent, MarketEvent, Order, Signal


class Clock(Protocol):
    """The time: of the newest event in a backtest, of the wall in a session."""

    def now_ns(self) -> int:
        """Give ns since the epoch, UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Approved:
    """A signal that risk lets pass; an order manager accepts nothing else.

    Only a ``Risk`` makes one. ``budget`` is the most it may commit, in the
    currency the first order spends; it is reserved until the order manager's last
    order for it has ended.
    """

    signal: Signal
    budget: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A signal that risk stops, and the name of the check that did."""

    signal: Signal
    reason: str


class Strategy(Protocol):
    """Decides what would be worth doing, from market data and its own fills."""

    def on_market(self, event: MarketEvent) -> Iterable[Signal]:
        """Consider a bar or a book."""
        ...

    def on_broker(self, event: BrokerEvent) -> Iterable[Signal]:
        """Consider what became of an order."""
        ...


class Risk(Protocol):
    """Stands between a wish and an order."""

    def review(self, signal: Signal) -> Approved | Refused:
        """Let a signal pass with a budget, or name the check that stops it."""
        ...


class OrderManager(Protocol):
    """Carries out what was approved, order by order."""

    def begin(self, approved: Approved) -> Iterable[Order]:
        """Give the first orders."""
        ...

    def on_broker(self, event: BrokerEvent) -> Iterable[Order]:
        """Give the orders that follow from what became of an earlier one."""
        ...


class Broker(Protocol):
    """Takes orders, and tells in time what becomes of them."""

    def submit(self, order: Order) -> None:
        """Accept an order; its fate comes as events, never as a return value."""
        ...

    def on_market(self, event: MarketEvent) -> Iterable[BrokerEvent]:
        """Say what happened to resting orders before and with this event."""
        ...

    def close(self) -> Iterable[BrokerEvent]:
        """Bring every open order to its end: no more market data will come."""
        ...


class Portfolio(Protocol):
    """What is in hand, by currency."""

    def on_order(self, order: Order) -> None:
        """Reserve what an order may spend."""
        ...

    def on_broker(self, event: BrokerEvent) -> None:
        """Book what an order spent and received, and free what it reserved."""
        ...
