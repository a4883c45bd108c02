"""Risk and order manager of strategies whose signals are single orders, each on one symbol.

A signal becomes one order, as it stands. Positions are spot: a buy spends quote
currency that is free, a sell base currency that is in hand. Cycles, which are
several orders one after the other, have their own in ``cycles``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import count

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    Approved,
    BrokerEvent,
    Cancelled,
    Ended,
    Order,
    OrderFill,
    OrderKind,
    OrderSignal,
    Refused,
    Signal,
    TimeInForce,
)
from arb_pipelines.trading.portfolio import Portfolio


class SingleOrderRisk:
    """Lets no order sell more than is in hand, nor buy with more than is free.

    What a buy will cost is not known before it fills, so it may use all the quote
    currency that is free: another buy with the same currency waits until it has
    ended. Orders that cancel each other (``oco``) share what the first may spend.
    """

    def __init__(self, portfolio: Portfolio) -> None:
        self._portfolio = portfolio
        self._groups: dict[tuple[str, str], list[float]] = {}

    def review(self, signal: Signal) -> Approved | Refused:
        """Let an order pass with what it may spend, or refuse it for lack of ``funds``."""
        signal = _order_signal(signal)
        base, _, quote = signal.symbol.partition("-")
        group = self._groups.get((signal.strategy, signal.oco), []) if signal.oco else []
        most = max([self._portfolio.free(quote if signal.side == BUY else base), *group])
        budget = most if signal.side == BUY else signal.size
        if budget is None or not 0.0 < budget <= most:
            return Refused(signal, "funds")
        if signal.oco:
            self._groups.setdefault((signal.strategy, signal.oco), []).append(budget)
        return Approved(signal, budget)

    def on_ended(self, ended: Ended) -> None:
        """Take an order out of its group; what it set aside is the portfolio's to free."""
        signal = _order_signal(ended.approved.signal)
        if signal.oco:
            key = (signal.strategy, signal.oco)
            self._groups[key].remove(ended.approved.budget)
            if not self._groups[key]:
                del self._groups[key]


class SingleOrders:
    """Sends each approved signal as one order, and closes positions at the end."""

    def __init__(self, name: str) -> None:
        self._name, self._numbers = name, count(1)
        self._open: dict[str, Approved] = {}
        self._positions: defaultdict[str, float] = defaultdict(float)

    def begin(self, approved: Approved) -> Iterable[Order]:
        """Give the signal's order."""
        signal = _order_signal(approved.signal)
        order = Order(
            client_id=self._next_id(),
            ts=signal.ts,
            strategy=signal.strategy,
            symbol=signal.symbol,
            side=signal.side,
            kind=signal.kind,
            time_in_force=signal.time_in_force,
            size=signal.size,
            funds=signal.funds,
            limit_px=signal.limit_px,
            stop_px=signal.stop_px,
            reserve=approved.budget,
            expires=signal.expires,
            oco=signal.oco,
        )
        self._open[order.client_id] = approved
        return (order,)

    def on_broker(self, event: BrokerEvent) -> Iterable[Ended]:
        """Keep count of positions; give ``Ended`` with an order's last event."""
        if isinstance(event, OrderFill):
            buys = event.side == BUY
            self._positions[event.symbol] += event.received if buys else -event.spent
        over = isinstance(event, Cancelled) or (isinstance(event, OrderFill) and event.final)
        approved = self._open.pop(event.client_id, None) if over else None
        return () if approved is None else (Ended(approved, event.ts),)

    def close(self, ts: int) -> Iterable[Order]:
        """Give market orders that sell each position."""
        return tuple(
            Order(
                client_id=self._next_id(),
                ts=ts,
                strategy=self._name,
                symbol=symbol,
                side=SELL,
                kind=OrderKind.MARKET,
                time_in_force=TimeInForce.GTC,
                size=position,
                funds=None,
                limit_px=None,
                stop_px=None,
                reserve=position,
            )
            for symbol, position in sorted(self._positions.items())
            if position > 0.0
        )

    def _next_id(self) -> str:
        return f"{self._name}-{next(self._numbers)}"


def _order_signal(signal: Signal) -> OrderSignal:
    if not isinstance(signal, OrderSignal):
        raise InvariantBroken(f"{signal} is no signal for a single order")
    return signal
