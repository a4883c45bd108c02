"""The SMA cross as components on a desk: what the kernel is held to, and how to wire a strategy.

Some thousand times slower than ``sma_cross.run_sma_cross``, with the same result. Any
other strategy on bars runs in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from arb_pipelines.backtest.bars.arrays import BarArrays
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.bars.kernel import FILL
from arb_pipelines.backtest.bars.sma_cross import BarOutcome
from arb_pipelines.backtest.brokers.bars import BarBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator
from arb_pipelines.containers.desk import Desk
from arb_pipelines.trading.events import Bar, Event, OrderFill
from arb_pipelines.trading.lifecycle import OrderStatus
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import Report
from arb_pipelines.trading.single_orders import SingleOrderRisk, SingleOrders
from arb_pipelines.trading.sma_cross import SmaCross, SmaCrossStrategy


def run_readable(
    bars: BarArrays, params: SmaCross, execution: BarExecution, *, cash: float
) -> BarOutcome:
    """Run the SMA cross as ``run_sma_cross`` does, through strategy, risk, orders and broker."""
    base, _, quote = bars.symbol.partition("-")
    portfolio = Portfolio({quote: cash})
    fills: list[OrderFill] = []

    def note(event: Event | Report) -> None:
        if isinstance(event, OrderFill):
            fills.append(event)

    desk = Desk(
        SmaCrossStrategy(params, bars.symbol, cash),
        SingleOrderRisk(portfolio),
        SingleOrders("sma_cross"),
        portfolio,
        publish=note,
    )
    equity: list[float] = []

    def played() -> Iterator[Bar]:
        for bar in bars:
            yield bar
            balances = portfolio.balances()
            equity.append(balances[quote] + balances.get(base, 0.0) * bar.close)

    result = BacktestCoordinator(desk, BarBroker(execution), portfolio).run(played())
    return BarOutcome(
        np.array([(f.ts, f.side, f.size, f.funds, f.fee) for f in fills], FILL),
        np.array(equity),
        sum(f.fee for f in fills),
        result.balances[quote],
        result.orders.get(OrderStatus.REJECTED, 0),
    )
