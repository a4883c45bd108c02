"""The desk: the one place that says who is called, and in which order, when something happens.

    market data ─► strategy ─► risk ─► order manager ─► orders
    fate of an order ─► portfolio ─► strategy ─► order manager ─► orders

A backtest's coordinator and a live session both drive a desk: they bring it market
data and what the broker tells, and ``hand_over`` what it answers with to their broker.
So what is decided cannot differ between them. The desk does no I/O, asks no time,
and keeps the lifecycle of every open order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from arb_pipelines.containers.protocols import (
    Broker,
    Check,
    OrderManager,
    Portfolio,
    Risk,
    Step,
    Strategy,
)
from arb_pipelines.containers.spec import ORDER_MANAGER, PORTFOLIO, RISK, STRATEGY, VALIDATOR
from arb_pipelines.errors import InvariantBroken
from arb_pipelines.trading.events import (
    BrokerEvent,
    Cancel,
    Cancelled,
    Ended,
    Ending,
    Event,
    MarketEvent,
    Order,
    OrderFill,
    Refused,
    Signal,
)
from arb_pipelines.trading.lifecycle import OrderState, OrderStatus, Validated, apply, received
from arb_pipelines.trading.reports import CycleReport, LegReport, Report

if TYPE_CHECKING:
    from arb_pipelines.containers.container import Container

#: Hears of everything that happens, in order; the container's bus, or nobody.
Publish = Callable[[Event | Report], object]
#: What leaves a desk for its broker.
Outgoing = Order | Cancel


def _unheard(event: Event | Report) -> None:
    return None


@dataclass(slots=True)
class Tally:
    """What has happened so far, counted. ``refused`` is by check, ``orders`` by how they ended."""

    signals: int = 0
    fills: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    orders: Counter[OrderStatus] = field(default_factory=Counter)


class Desk:
    """Strategy, risk, order manager and portfolio of one execution context, joined."""

    def __init__(
        self,
        strategy: Strategy,
        risk: Risk,
        orders: OrderManager,
        portfolio: Portfolio,
        *,
        publish: Publish = _unheard,
        check: Check | None = None,
    ) -> None:
        self._strategy, self._risk, self._orders = strategy, risk, orders
        self._portfolio, self._publish, self._check = portfolio, publish, check
        self._open: dict[str, OrderState] = {}
        self.tally = Tally()

    @property
    def open_orders(self) -> tuple[OrderState, ...]:
        """Orders of which something may still come, oldest first."""
        return tuple(self._open.values())

    def on_market(self, event: MarketEvent) -> list[Outgoing]:
        """Take in a bar or a book; give what to send, in order."""
        self._publish(event)
        return self._consider(self._strategy.on_market(event))

    def on_broker(self, event: BrokerEvent) -> list[Outgoing]:
        """Take in what became of an order; give what to send, in order.

        Raises:
            InvariantBroken: the order is not open, or its life has no such step.
        """
        if event.client_id not in self._open:
            raise InvariantBroken(f"{event} is of no open order")
        self._step(apply(self._open[event.client_id], event))
        self.tally.fills += isinstance(event, OrderFill)
        self._portfolio.on_broker(event)
        return self._follow(event)

    def on_signals(self, signals: Iterable[Signal]) -> list[Outgoing]:
        """Take in signals from outside the strategy; give what to send, in order."""
        return self._consider(signals)

    def close(self, ts: int) -> list[Outgoing]:
        """Give the orders that close open positions, when no more data is to come."""
        return self._carry_out(self._orders.close(ts))

    def _consider(self, signals: Iterable[Signal]) -> list[Outgoing]:
        """Review signals one after the other: each is begun before the next is reviewed."""
        orders: list[Outgoing] = []
        for signal in signals:
            self.tally.signals += 1
            self._publish(signal)
            verdict = self._risk.review(signal)
            self._publish(verdict)
            if isinstance(verdict, Refused):
                self.tally.refused[verdict.reason] += 1
            else:
                orders += self._carry_out(self._orders.begin(verdict))
        return orders

    def _carry_out(self, steps: Iterable[Step]) -> list[Outgoing]:
        orders: list[Outgoing] = []
        for step in steps:
            match step:
                case Order():
                    orders += self._take(step)
                case Cancel():
                    if step.client_id in self._open:  # else it has ended meanwhile
                        self._publish(step)
                        orders.append(step)
                case Ended():
                    if step.declined is not None:
                        self.tally.refused[step.declined] += 1
                    self._risk.on_ended(step)
                    self._portfolio.on_ended(step)
                    self._publish(step)
                case LegReport() | CycleReport():
                    self._publish(step)
                case _:
                    assert_never(step)
        return orders

    def _take(self, order: Order) -> list[Outgoing]:
        """Register an order before it leaves; one that breaks a rule is rejected here."""
        if order.client_id in self._open:
            raise InvariantBroken(f"two orders have the client id {order.client_id}")
        state = received(order)
        self._publish(order)
        wrong = self._check(order) if self._check is not None else None
        if wrong is not None:
            rejected = Cancelled(order.client_id, order.ts, str(wrong), Ending.REJECTED)
            self._step(apply(state, rejected))
            return self._follow(rejected)
        self._step(apply(state, Validated(order.client_id, order.ts)))
        self._portfolio.on_order(order)
        return [order]

    def _step(self, state: OrderState) -> None:
        if state.open:
            self._open[state.client_id] = state
        else:
            self._open.pop(state.client_id, None)
            self.tally.orders[state.status] += 1

    def _follow(self, event: BrokerEvent) -> list[Outgoing]:
        """Tell what became of an order; the order manager's answer comes before new signals."""
        self._publish(event)
        signals = list(self._strategy.on_broker(event))
        return self._carry_out(self._orders.on_broker(event)) + self._consider(signals)


def open_desk(container: Container) -> Desk:
    """Join what decides in a container; its bus hears all."""
    return Desk(
        container.get(STRATEGY),
        container.get(RISK),
        container.get(ORDER_MANAGER),
        container.get(PORTFOLIO),
        publish=container.bus.publish,
        check=container.get(VALIDATOR) if container.spec.component(VALIDATOR) else None,
    )


def hand_over(outgoing: Iterable[Outgoing], broker: Broker) -> None:
    """Bring what a desk answered with to its broker, in order."""
    for step in outgoing:
        if isinstance(step, Cancel):
            broker.cancel(step.client_id, step.ts)
        else:
            broker.submit(step)
