"""What the components of a container owe each other.

A backtest, a paper session and a live one differ in their broker, their clock and
where market data comes from, and in nothing else: strategy, risk, order manager
and portfolio are the same objects. So no component asks the time or does I/O of
its own, and only a broker knows how an order comes to be filled. ``desk.Desk``
says in which order they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from arb_pipelines.trading.events import (
    Approved,
    BrokerEvent,
    Cancel,
    Ended,
    MarketEvent,
    Order,
    Refused,
    Signal,
)
from arb_pipelines.trading.reports import Report

__all__ = [
    "Approved",
    "Broker",
    "Check",
    "Clock",
    "Ended",
    "OrderManager",
    "Portfolio",
    "Refused",
    "Risk",
    "Step",
    "Strategy",
]


#: Says in one line why an order breaks the venue's rules; None if it keeps them.
Check = Callable[[Order], object | None]
#: What an order manager gives: to be sent, to be told, or the end of an approval.
Step = Order | Cancel | Report | Ended


class Clock(Protocol):
    """The time: of the newest event in a backtest, of the wall in a session."""

    def now_ns(self) -> int:
        """Give ns since the epoch, UTC."""
        ...


class Strategy(Protocol):
    """Decides what would be worth doing, from market data and its own fills.

    It hears of every event before risk and order manager do, so a view of the
    market that they share with it is always up to date.
    """

    def on_market(self, event: MarketEvent) -> Iterable[Signal]:
        """Consider a bar or a book."""
        ...

    def on_broker(self, event: BrokerEvent) -> Iterable[Signal]:
        """Consider what became of an order."""
        ...


class Risk(Protocol):
    """Stands between a wish and an order."""

    def review(self, signal: Signal) -> Approved | Refused:
        """Let a signal pass with a budget and take its place, or name the check that stops it."""
        ...

    def on_ended(self, ended: Ended) -> None:
        """Give back the place that an approval took."""
        ...


class OrderManager(Protocol):
    """Carries out what was approved, order by order.

    For each ``Approved`` it gives ``Ended`` once, after the last order; an order's
    fate arrives as events, perhaps much later and mixed with those of others. A
    ``Cancel`` asks an open order back; one that has ended by then is left in peace.
    """

    def begin(self, approved: Approved) -> Iterable[Step]:
        """Give the first orders, or ``Ended`` at once if none is worth sending."""
        ...

    def on_broker(self, event: BrokerEvent) -> Iterable[Step]:
        """Give what follows from the fate of an earlier order."""
        ...

    def close(self, ts: int) -> Iterable[Step]:
        """Give the orders that close open positions: the data is over, nothing is in flight."""
        ...


class Broker(Protocol):
    """Takes orders, and tells in time what becomes of them.

    Of each order comes ``Routed``, then fills, and at last one final fill or one
    ``Cancelled``. ``on_market`` and ``close`` are lazy: an order that is submitted
    in answer to one event may bring the next within the same iteration.
    """

    def submit(self, order: Order) -> None:
        """Accept an order; its fate comes as events, never as a return value."""
        ...

    def cancel(self, client_id: str, ts: int) -> None:
        """Ask to take an order back at ``ts``; it may still fill until ``Cancelled`` is told.

        An order that has ended already is left in peace.
        """
        ...

    def on_market(self, event: MarketEvent) -> Iterable[BrokerEvent]:
        """Say what happened to open orders before and with this event, then take it in."""
        ...

    def close(self) -> Iterable[BrokerEvent]:
        """Bring every open order to its end at the last known prices: no data is to come.

        Called again after the orders that close positions were submitted.
        """
        ...


class Portfolio(Protocol):
    """What is in hand, by currency."""

    def on_order(self, order: Order) -> None:
        """Set aside what an order may spend."""
        ...

    def on_broker(self, event: BrokerEvent) -> None:
        """Book what an order spent and received; free what it leaves when it has ended."""
        ...

    def on_ended(self, ended: Ended) -> None:
        """Close the purse of an execution that has ended."""
        ...

    def balances(self) -> Mapping[str, float]:
        """Give all that is in hand, set aside or not, by currency."""
        ...
