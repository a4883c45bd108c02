"""The SMA cross as two other engines run it: backtrader and vectorbt.

Each gets the bars and the rule, and nothing of ours: backtrader computes its own
averages and decides in its own strategy; vectorbt is given crosses computed here from
whole windows. Fills are told by the number of their bar.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import backtrader as bt
import numpy as np
import numpy.typing as npt
import pandas as pd

from arb_pipelines.backtest.bars.arrays import BarArrays
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.bars.sma_cross import BarOutcome, run_sma_cross
from arb_pipelines.backtest.commission import BpsCommission
from arb_pipelines.backtest.slippage import FixedBps
from arb_pipelines.trading.sma_cross import SmaCross

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PeerRun:
    """Fills as (bar, bought, size, price) and equity at each close."""

    fills: list[tuple[int, bool, float, float]]
    equity: Floats


def pandas_frame(bars: BarArrays) -> pd.DataFrame:
    """Give the bars as pandas users have them."""
    columns = ("open", "high", "low", "close", "volume")
    index = pd.to_datetime(bars.ts_open, unit="ns")
    return pd.DataFrame({name: getattr(bars, name) for name in columns}, index=index)


class _Cross(bt.Strategy):  # type: ignore[misc]
    """Buys when the fast average crosses above the slow, sells when below; keeps a diary."""

    params = (("fast", 0), ("slow", 0), ("size", 0.0))

    def __init__(self) -> None:
        self.fast = bt.indicators.SMA(self.data.close, period=self.p.fast)
        self.slow = bt.indicators.SMA(self.data.close, period=self.p.slow)
        self.fills: list[tuple[int, bool, float, float]] = []
        self.equity: list[float] = []

    def notify_order(self, order: bt.Order) -> None:
        if order.status == order.Completed:
            done = order.executed
            self.fills.append((len(self) - 1, order.isbuy(), abs(done.size), done.price))
        assert order.status not in (order.Margin, order.Rejected)

    def prenext(self) -> None:
        self.equity.append(self.broker.getvalue())

    def next(self) -> None:
        self.equity.append(self.broker.getvalue())
        if self.fast[0] > self.slow[0] and self.fast[-1] <= self.slow[-1]:
            if not self.position:
                self.buy(size=self.p.size)
        elif self.fast[0] < self.slow[0] and self.fast[-1] >= self.slow[-1] and self.position:
            self.sell(size=self.position.size)


def run_backtrader(
    frame: pd.DataFrame, params: SmaCross, *, cash: float, fee_bps: float, slippage_bps: float
) -> PeerRun:
    """Run backtrader: orders at the next open, no cheating on close, vectorised indicators."""
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.addstrategy(_Cross, fast=params.fast, slow=params.slow, size=params.size)
    cerebro.broker.setcash(cash)
    cerebro.broker.setcommission(commission=fee_bps / 1e4)
    if slippage_bps:
        # ours is not held inside of the bar's range either
        cerebro.broker.set_slippage_perc(
            slippage_bps / 1e4, slip_open=True, slip_match=True, slip_out=True
        )
    (strategy,) = cerebro.run()
    return PeerRun(strategy.fills, np.array(strategy.equity))


def run_vectorbt(
    frame: pd.DataFrame, params: SmaCross, *, cash: float, fee_bps: float, slippage_bps: float
) -> PeerRun:
    """Run vectorbt: one bar after a cross, at the open, hold the size or nothing."""
    import vectorbt as vbt

    up, down = crosses(frame["close"].to_numpy(), params.fast, params.slow)
    held = pd.Series(np.where(up, params.size, np.where(down, 0.0, math.nan)), frame.index)
    portfolio = vbt.Portfolio.from_orders(
        frame["close"],
        size=held.shift(1),
        size_type="targetamount",
        price=frame["open"],
        fees=fee_bps / 1e4,
        slippage=slippage_bps / 1e4,
        init_cash=cash,
        freq="1h",
    )
    orders = portfolio.orders.records
    columns = (orders["idx"], orders["side"] == 0, orders["size"], orders["price"])
    fills = list(zip(*(column.tolist() for column in columns), strict=True))
    return PeerRun(fills, portfolio.value().to_numpy())


def crosses(
    close: Floats, fast: int, slow: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Tell at which closes the fast average crosses above and below, each window summed anew."""

    def averages(window: int) -> Floats:
        sums = [
            math.fsum(close[end - window : end]) if end >= slow else math.nan
            for end in range(1, len(close) + 1)
        ]
        return np.array(sums) / window

    a, b = averages(fast), averages(slow)
    before_a, before_b = np.append(math.nan, a[:-1]), np.append(math.nan, b[:-1])
    return (a > b) & (before_a <= before_b), (a < b) & (before_a >= before_b)


def run_ours(
    bars: BarArrays, params: SmaCross, *, cash: float, fee_bps: float, slippage_bps: float
) -> BarOutcome:
    """Run the kernel with the same costs."""
    execution = BarExecution(
        slippage=FixedBps(bps=slippage_bps), commission=BpsCommission(bps=fee_bps)
    )
    return run_sma_cross(bars, params, execution, cash=cash)


def assert_same(bars: BarArrays, ours: BarOutcome, peer: PeerRun) -> None:
    """Hold the fills and the equity of a peer to ours.

    Bars, sides and sizes are equal. Prices and equity may differ by 1e-12 of themselves,
    some thousand roundings: our price is value by size, and the peers add up cash and
    position in another order. (On the recorded bars the largest was 4e-15.) Ours closes
    the position at the end; that fill the peers do not have.
    """
    fills = ours.fills
    closed = fills["ts"] > bars.ts_open[-1]
    told = list(
        zip(
            np.searchsorted(bars.ts_open, fills["ts"][~closed]).tolist(),
            (fills["side"] == 0)[~closed].tolist(),
            fills["size"][~closed].tolist(),
            strict=True,
        )
    )
    assert told == [fill[:3] for fill in peer.fills]
    np.testing.assert_allclose(ours.price[~closed], [fill[3] for fill in peer.fills], rtol=1e-12)
    np.testing.assert_allclose(ours.equity, peer.equity, rtol=1e-12)
