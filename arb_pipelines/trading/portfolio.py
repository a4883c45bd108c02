"""What is in hand, by currency: free, set aside for an order, or held by an execution.

An order sets aside what it may spend and returns what it did not. A cycle has a
purse: what an order of it receives is spent by its next and by nobody else, until
it comes back in the currency that the cycle began with, which is free at once. What
an ended cycle leaves behind in another currency is a residual: in hand, but nobody's
capital. Positions of single orders are free.

Money moves, it never appears: free, set aside and purses change by what fills say
was spent and received, and by nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.trading.events import (
    BrokerEvent,
    Cancelled,
    Ended,
    Order,
    OrderFill,
    currencies,
)


@dataclass(slots=True)
class _Open:
    """An order under way, and what is left of its reserve."""

    order: Order
    left: float


@dataclass(slots=True)
class _Purse:
    """What a cycle has in hand outside the currency it began with."""

    home: str
    held: defaultdict[str, float]


class Portfolio:
    """Balances of one execution context."""

    def __init__(self, balances: Mapping[str, float]) -> None:
        self._free: defaultdict[str, float] = defaultdict(float, balances)
        self._orders: dict[str, _Open] = {}
        self._purses: dict[str, _Purse] = {}
        self._residuals: defaultdict[str, float] = defaultdict(float)

    def free(self, currency: str) -> float:
        """What a new order may spend of a currency."""
        return self._free.get(currency, 0.0)

    def deposit(self, currency: str, amount: float) -> None:
        """Add what somebody pays in; it is free at once."""
        self._free[currency] += amount

    def withdraw(self, currency: str) -> float:
        """Take out all that is free of a currency; what is set aside or in a purse stays."""
        return self._free.pop(currency, 0.0)

    def available(self, order: Order) -> float:
        """What an order that is not set aside for yet may spend, in the currency it gives.

        Its cycle's purse, else what is free. Of orders that cancel each other only
        one will spend, so it may count on what the others have set aside.
        """
        given, _ = currencies(order)
        purse = None if order.execution is None else self._purses.get(order.execution)
        own = self.free(given) if purse is None or given == purse.home else purse.held[given]
        shared = [
            open_.left
            for open_ in self._orders.values()
            if order.oco is not None
            and (open_.order.oco, open_.order.strategy) == (order.oco, order.strategy)
            and currencies(open_.order)[0] == given
        ]
        return own + max(shared, default=0.0)

    def held(self, execution: str) -> Mapping[str, float]:
        """What a cycle has in hand, not set aside for an order, by currency."""
        purse = self._purses.get(execution)
        return {c: amount for c, amount in purse.held.items() if amount} if purse else {}

    def residuals(self) -> Mapping[str, float]:
        """What ended cycles have left behind, by currency."""
        return dict(self._residuals)

    def balances(self) -> Mapping[str, float]:
        """Give all that is in hand, set aside or not, by currency."""
        total = defaultdict(float, self._free)
        for open_ in self._orders.values():
            total[currencies(open_.order)[0]] += open_.left
        for held in (self._residuals, *(purse.held for purse in self._purses.values())):
            for currency, amount in held.items():
                total[currency] += amount
        return dict(total)

    def equity(self, rates: Mapping[str, float]) -> float:
        """Value all that is in hand; ``rates`` are by currency, in the value currency.

        Raises:
            InvariantBroken: a currency in hand has no rate.
        """
        value = 0.0
        for currency, amount in self.balances().items():
            if amount and currency not in rates:
                raise InvariantBroken(f"{amount} {currency} in hand and no rate to value them")
            value += amount * rates[currency] if amount else 0.0
        return value

    def on_order(self, order: Order) -> None:
        """Set aside what an order may spend.

        Raises:
            InvariantBroken: its client id is in use.
        """
        if order.client_id in self._orders:
            raise InvariantBroken(f"two orders have the client id {order.client_id}")
        given, _ = currencies(order)
        self._orders[order.client_id] = _Open(order, order.reserve)
        if order.execution is not None and order.execution not in self._purses:
            self._purses[order.execution] = _Purse(given, defaultdict(float))
        self._book(order, given, -order.reserve)

    def on_broker(self, event: BrokerEvent) -> None:
        """Book what an order spent and received; free what it leaves when it has ended.

        Raises:
            InvariantBroken: the order is not known, or has ended.
        """
        open_ = self._orders.get(event.client_id)
        if open_ is None:
            raise InvariantBroken(f"no open order has the client id {event.client_id}")
        given, got = currencies(open_.order)
        if isinstance(event, OrderFill):
            open_.left -= event.spent
            self._book(open_.order, got, event.received)
        if isinstance(event, Cancelled) or (isinstance(event, OrderFill) and event.final):
            del self._orders[event.client_id]
            self._book(open_.order, given, open_.left)

    def on_ended(self, ended: Ended) -> None:
        """Turn what a cycle's purse still holds into residuals."""
        purse = None if ended.execution is None else self._purses.pop(ended.execution, None)
        if purse is not None:
            for currency, amount in purse.held.items():
                self._residuals[currency] += amount

    def _book(self, order: Order, currency: str, amount: float) -> None:
        purse = None if order.execution is None else self._purses[order.execution]
        if purse is None or currency == purse.home:
            self._free[currency] += amount
        else:
            purse.held[currency] += amount
