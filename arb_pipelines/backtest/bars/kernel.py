"""The fast bar engine: the SMA cross over one symbol's arrays, in one compiled loop.

What it does is told by ``trading.sma_cross`` and the package's docstring; here the
same arithmetic stands in the same order, so that results are equal to the last bit.
The file imports no module that changes often: each change there compiles anew.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.market.graph import BUY, SELL

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Records = npt.NDArray[Any]

#: One execution; ``size`` in base, ``funds`` (before the fee) and ``fee`` in quote.
FILL = np.dtype(
    [
        ("ts", np.int64),
        ("side", np.int64),
        ("size", np.float64),
        ("funds", np.float64),
        ("fee", np.float64),
    ]
)


class Columns(NamedTuple):
    """The bars' arrays; a bar closes ``interval_ns`` after it opens."""

    ts_open: Int64
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    interval_ns: int


class Rules(NamedTuple):
    """The strategy's parameters and the model's choices; a share or size of 0 is not set.

    An order is rejected when it spends more than what is set aside by a share of ``noise``.
    """

    fast: int
    slow: int
    size: float
    funds_share: float
    vwap: bool
    volume_share: float
    noise: float


class Costs(NamedTuple):
    """One form for all slippage and commission models: what a model does not use is 0.

    ``slip_rate`` is a share of the price, ``impact`` the square-root law's coefficient and
    ``sigma_of_range`` Parkinson's constant. The tiers are arrays of one length with
    rising ``tier_from``; a traded value counts for ``tier_window_ns``.
    """

    slip_rate: float
    impact: float
    sigma_of_range: float
    per_unit: float
    minimum: float
    tier_from: Floats
    tier_rate: Floats
    tier_window_ns: int


class Totals(NamedTuple):
    """What a run comes to: its fills' number and fees, cash, and orders that were rejected."""

    fills: int
    fees: float
    cash: float
    rejected: int


@njit(cache=True)
def replay(
    bars: Columns, rules: Rules, costs: Costs, cash: float, fills: Records, equity: Floats
) -> Totals:
    """Run over all bars and close the position at the last close.

    Writes ``equity`` (one a bar) and ``fills``, which has room for one a bar and one more.
    """
    fast_hi, fast_lo, slow_hi, slow_lo = 0.0, 0.0, 0.0, 0.0
    was_above, was_below, compared = False, False, False
    wants_position = False
    position = 0.0
    # the open order: what is left of it, in base or (a buy by funds) quote
    waiting, side, by_funds = False, BUY, False
    left, reserve, spent, plain, charged = 0.0, 0.0, 0.0, 0.0, 0.0
    made, rejected, oldest = 0, 0, 0
    fees, traded = 0.0, 0.0
    last = bars.close.shape[0] - 1
    for i in range(last + 1):
        if waiting:
            if rules.vwap:
                px = (bars.high[i] + bars.low[i] + bars.close[i]) / 3.0
                ts = bars.ts_open[i] + bars.interval_ns
            else:
                px = bars.open[i]
                ts = bars.ts_open[i]
            room = rules.volume_share * bars.volume[i] if rules.volume_share > 0.0 else np.inf
            size = min(left / px if by_funds else left, room)
            whole = not by_funds and left <= room
            px = _slipped(bars, costs, i, side, px, size)
            if by_funds:
                size = min(left / px, room)
                whole = left / px <= room
            if size > 0.0:
                funds = size * px
                oldest, traded = _forget(fills, oldest, made, traded, ts - costs.tier_window_ns)
                plain += _fee(costs, size, funds, traded)
                fee = max(plain, costs.minimum) - charged
                spends = funds + fee if side == BUY else size
                if spent + spends > reserve * (1.0 + rules.noise):
                    waiting = False
                    rejected += spent == 0.0
                    wants_position = position > 0.0
                else:
                    fills[made].ts, fills[made].side = ts, side
                    fills[made].size, fills[made].funds, fills[made].fee = size, funds, fee
                    made += 1
                    traded += funds
                    fees += fee
                    charged += fee
                    spent += spends
                    left -= funds if by_funds else size
                    if side == BUY:
                        cash -= spends
                        position += size
                    else:
                        cash += funds - fee
                        position -= size
                    waiting = not whole
        close = bars.close[i]
        fast_hi, fast_lo = _add(fast_hi, fast_lo, close)
        slow_hi, slow_lo = _add(slow_hi, slow_lo, close)
        if i >= rules.fast:
            fast_hi, fast_lo = _add(fast_hi, fast_lo, -bars.close[i - rules.fast])
        if i >= rules.slow:
            slow_hi, slow_lo = _add(slow_hi, slow_lo, -bars.close[i - rules.slow])
        if i >= rules.slow - 1:
            fast, slow = fast_hi / rules.fast, slow_hi / rules.slow
            above, below = fast > slow, fast < slow
            if compared and above and not was_above:
                wants_position = True
            elif compared and below and not was_below:
                wants_position = False
            was_above, was_below, compared = above, below, True
        if cash <= 0.0 and position == 0.0:
            wants_position = False
        if not waiting and wants_position != (position > 0.0):
            waiting = True
            spent, plain, charged = 0.0, 0.0, 0.0
            side = BUY if wants_position else SELL
            by_funds = wants_position and rules.size == 0.0
            reserve = cash if wants_position else position
            if wants_position:
                left = cash * rules.funds_share if by_funds else rules.size
            else:
                left = position
        equity[i] = cash + position * close
    if position > 0.0:
        px = _slipped(bars, costs, last, SELL, bars.close[last], position)
        ts = bars.ts_open[last] + bars.interval_ns
        funds = position * px
        oldest, traded = _forget(fills, oldest, made, traded, ts - costs.tier_window_ns)
        fee = max(_fee(costs, position, funds, traded), costs.minimum)
        fills[made].ts, fills[made].side = ts, SELL
        fills[made].size, fills[made].funds, fills[made].fee = position, funds, fee
        made += 1
        fees += fee
        cash += funds - fee
    return Totals(made, fees, cash, rejected)


@njit(cache=True)
def _slipped(bars: Columns, costs: Costs, i: int, side: int, px: float, size: float) -> float:
    """Move a price against an order of ``size``, by the model."""
    if costs.impact == 0.0:
        return px * (1.0 + costs.slip_rate) if side == BUY else px * (1.0 - costs.slip_rate)
    high, low, volume = bars.high[i], bars.low[i], bars.volume[i]
    sigma = costs.sigma_of_range * (2.0 * (high - low) / (high + low))
    share = min(1.0, size / volume) if volume > 0.0 else 1.0
    impact = costs.impact * sigma * math.sqrt(share)
    slipped: float = px * (1.0 + impact) if side == BUY else px / (1.0 + impact)
    return slipped


@njit(cache=True)
def _fee(costs: Costs, size: float, funds: float, traded: float) -> float:
    """Fee of a fill without regard to the minimum."""
    tier = 0
    while tier + 1 < costs.tier_from.shape[0] and costs.tier_from[tier + 1] <= traded:
        tier += 1
    fee: float = funds * costs.tier_rate[tier] + size * costs.per_unit
    return fee


@njit(cache=True)
def _forget(fills: Records, oldest: int, made: int, traded: float, until: int) -> tuple[int, float]:
    """Take out of the traded value what was traded at or before ``until``."""
    while oldest < made and fills[oldest].ts <= until:
        traded -= fills[oldest].funds
        oldest += 1
    return oldest, traded if oldest < made else 0.0


@njit(cache=True)
def _add(hi: float, lo: float, value: float) -> tuple[float, float]:
    """Add to a sum kept as two numbers (Knuth's two-sum), so that nothing is rounded away.

    A running sum in one number drifts and finds crosses where closes have stood
    still; this one rounds as ``math.fsum`` over the window does.
    """
    total = hi + value
    part = total - hi
    error = (hi - (total - part)) + (value - part) + lo
    hi = total + error
    return hi, error - (hi - total)
