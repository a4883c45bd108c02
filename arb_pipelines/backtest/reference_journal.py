"""What the reference engine carries along and writes down: executions, orders, records."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from arb_pipelines.backtest.records import LEFT_OUT, LEG, TRADE, LegStatus, Outcome, TradeStatus
from arb_pipelines.backtest.scenario import Floats, Int64
from arb_pipelines.trading.gate import Refusal
from arb_pipelines.trading.ledger import leg_parts
from arb_pipelines.trading.orders import Fill


@dataclass(slots=True, eq=False)
class Execution:
    """One cycle under way: its plan, its place in it, and what it has in hand."""

    trade: dict[str, float]
    legs: list[tuple[int, int]]
    start: int
    symbol_set: int
    bests: Floats
    limits: Floats
    planned: list[tuple[float, float]]
    #: Value of one unit of the currency before each leg, and after the last.
    values: list[float]
    seen: list[tuple[Floats, Floats]]
    #: Currency -> amount in hand, and its value at the decision.
    holdings: dict[int, tuple[float, float]] = field(default_factory=dict)
    orders: int = 0
    fell_short: bool = False

    def hold(self, currency: int, amount: float, value: float) -> None:
        """Note what it has in hand outside its start currency, and its value."""
        if amount != 0.0:
            held, worth_ = self.holdings.get(currency, (0.0, 0.0))
            self.holdings[currency] = (held + amount, worth_ + value)


@dataclass(slots=True, eq=False)
class Order:
    """One order on its way. ``leg`` is its place in the cycle, None when it unwinds."""

    execution: Execution
    leg: int | None
    symbol: int
    side: int
    amount: float
    limit: float
    best: float
    available: float
    value_after: float
    planned: tuple[float, float]
    seen: tuple[Floats, Floats]
    sent: int


class Journal:
    """The records of a replay, in the order they were made."""

    def __init__(self, currencies: int) -> None:
        self.trades: list[dict[str, float]] = []
        self.legs: list[dict[str, float]] = []
        self.signals: Int64 = np.zeros(currencies, np.int64)
        self.refused: Int64 = np.zeros((currencies, len(Refusal)), np.int64)
        self.updates = 0

    def begin(self, **facts: float) -> dict[str, float]:
        """Open the record of a trade; what is not told is 0."""
        trade = dict.fromkeys(TRADE.names or (), 0.0) | {"trade_no": len(self.trades)} | facts
        self.trades.append(trade)
        return trade

    def record(self, order: Order, done: Fill, now: int) -> None:
        """Write down what an order came to."""
        execution = order.execution
        parts = leg_parts(
            order.side, order.best, order.value_after,
            *order.seen, done,
        )  # fmt: skip
        status = (
            LegStatus.MISSED
            if done.size <= 0.0
            else LegStatus.PARTIAL
            if done.short
            else LegStatus.FILLED
        )
        self.legs.append(
            {
                "trade_no": execution.trade["trade_no"],
                "leg_no": execution.orders,
                "unwinds": order.leg is None,
                "symbol": order.symbol,
                "side": order.side,
                "status": status,
                "ts_sent": order.sent,
                "ts_filled": now,
                "best_px": order.best,
                "limit_px": order.limit,
                "order": order.amount,
                "planned_spent": order.planned[0],
                "planned_received": order.planned[1],
                "size": done.size,
                "funds": done.funds,
                "spent": done.spent,
                "received": done.received,
            }
            | parts._asdict()
        )
        execution.orders += 1
        if order.leg is not None:
            trade = execution.trade
            trade["legs"] += 1
            trade["legs_filled"] += status == LegStatus.FILLED
            for part in ("fee", "slippage", "latency"):
                trade[part] += getattr(parts, part)
            if order.leg == 0:
                trade["spent"] = done.spent
                trade["expected_profit"] = parts.expected - done.spent

    def outcome(self) -> Outcome:
        """Give the records in the kernel's form."""
        legs = sorted(self.legs, key=lambda leg: (leg["trade_no"], leg["leg_no"]))
        return Outcome(
            np.array(
                [tuple(trade[name] for name in TRADE.names or ()) for trade in self.trades], TRADE
            ),
            np.array([tuple(leg[name] for name in LEG.names or ()) for leg in legs], LEG),
            self.signals,
            self.refused,
            self.updates,
        )


def status_of(execution: Execution) -> TradeStatus:
    """Say how an execution ended."""
    trade = execution.trade
    if not trade["spent"] > 0.0:
        return TradeStatus.MISSED
    if not execution.fell_short:
        return TradeStatus.COMPLETED
    if trade["residual"] > LEFT_OUT * trade["spent"]:
        return TradeStatus.RESIDUAL
    return TradeStatus.UNWOUND
