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


#: Everything a run remembers. Of the open order: what is ``left`` of it, in base or (a
#: buy by funds) quote, what is set aside and spent, and its fees without and with the minimum.
STATE = np.dtype(
    [
        ("cash", np.float64),
        ("position", np.float64),
        ("fees", np.float64),
        ("made", np.int64),  # fills
        ("rejected", np.int64),
        ("oldest", np.int64),  # fill that counts for the fee's tier
        ("traded", np.float64),  # value of the fills from there on
        ("waiting", np.bool_),  # an order is open
        ("side", np.int64),
        ("by_funds", np.bool_),
        ("left", np.float64),
        ("reserve", np.float64),
        ("spent", np.float64),
        ("plain", np.float64),
        ("charged", np.float64),
        ("wants_position", np.bool_),
        ("above", np.bool_),
        ("below", np.bool_),
        ("fast_hi", np.float64),  # sums over the windows, in two numbers
        ("fast_lo", np.float64),
        ("slow_hi", np.float64),
        ("slow_lo", np.float64),
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
    state = np.zeros(1, STATE)[0]
    state.cash = cash
    last = bars.close.shape[0] - 1
    for i in range(last + 1):
        if state.waiting:
            _fill(bars, rules, costs, i, state, fills)
        _average(bars, rules, i, state)
        _cross(rules, i, state)
        _order(rules, state)
        equity[i] = state.cash + state.position * bars.close[i]
    if state.position > 0.0:
        _close(bars, costs, last, state, fills)
    return Totals(state.made, state.fees, state.cash, state.rejected)


@njit(cache=True)
def _average(bars: Columns, rules: Rules, i: int, state: Any) -> None:
    """Take a close into both windows, and out what has left them."""
    close = bars.close[i]
    state.fast_hi, state.fast_lo = _add(state.fast_hi, state.fast_lo, close)
    state.slow_hi, state.slow_lo = _add(state.slow_hi, state.slow_lo, close)
    if i >= rules.fast:
        gone = bars.close[i - rules.fast]
        state.fast_hi, state.fast_lo = _add(state.fast_hi, state.fast_lo, -gone)
    if i >= rules.slow:
        gone = bars.close[i - rules.slow]
        state.slow_hi, state.slow_lo = _add(state.slow_hi, state.slow_lo, -gone)


@njit(cache=True)
def _cross(rules: Rules, i: int, state: Any) -> None:
    """Note which side the averages are on, and what a change of it asks for."""
    if i < rules.slow - 1:
        return
    fast, slow = state.fast_hi / rules.fast, state.slow_hi / rules.slow
    above, below = fast > slow, fast < slow
    if i >= rules.slow:
        if above and not state.above:
            state.wants_position = True
        elif below and not state.below:
            state.wants_position = False
    state.above, state.below = above, below


@njit(cache=True)
def _order(rules: Rules, state: Any) -> None:
    """Send an order if none is open and the position is not what is wanted."""
    if state.cash <= 0.0 and state.position == 0.0:
        state.wants_position = False
    if state.waiting or state.wants_position == (state.position > 0.0):
        return
    state.waiting = True
    state.spent, state.plain, state.charged = 0.0, 0.0, 0.0
    if state.wants_position:
        state.side = BUY
        state.by_funds = rules.size == 0.0
        state.left = state.cash * rules.funds_share if state.by_funds else rules.size
        state.reserve = state.cash
    else:
        state.side = SELL
        state.by_funds = False
        state.left = state.position
        state.reserve = state.position


@njit(cache=True)
def _fill(bars: Columns, rules: Rules, costs: Costs, i: int, state: Any, fills: Records) -> None:
    """Fill what the bar's volume leaves room for, or reject what would spend too much."""
    ts = bars.ts_open[i]
    px = bars.open[i]
    if rules.vwap:
        ts += bars.interval_ns
        px = (bars.high[i] + bars.low[i] + bars.close[i]) / 3.0
    room = rules.volume_share * bars.volume[i] if rules.volume_share > 0.0 else np.inf
    size = min(state.left / px if state.by_funds else state.left, room)
    px = _slipped(bars, costs, i, state.side, px, size)
    most = state.left / px if state.by_funds else state.left
    size = min(most, room)
    if size <= 0.0:
        return
    funds = size * px
    plain = _plain_fee(costs, ts, size, funds, state, fills)
    fee = max(plain, costs.minimum) - state.charged
    spends = funds + fee if state.side == BUY else size
    if state.spent + spends > state.reserve * (1.0 + rules.noise):
        state.waiting = False
        state.rejected += state.spent == 0.0
        state.wants_position = state.position > 0.0
        return
    state.plain = plain
    state.charged += fee
    state.spent += spends
    state.left -= funds if state.by_funds else size
    state.waiting = most > room
    _book(ts, size, funds, fee, state, fills)


@njit(cache=True)
def _close(bars: Columns, costs: Costs, last: int, state: Any, fills: Records) -> None:
    """Sell the position at the last close, whatever the volume."""
    state.side = SELL
    state.plain, state.charged = 0.0, 0.0
    ts = bars.ts_open[last] + bars.interval_ns
    size = state.position
    funds = size * _slipped(bars, costs, last, SELL, bars.close[last], size)
    fee = max(_plain_fee(costs, ts, size, funds, state, fills), costs.minimum)
    _book(ts, size, funds, fee, state, fills)


@njit(cache=True)
def _book(ts: int, size: float, funds: float, fee: float, state: Any, fills: Records) -> None:
    """Write a fill down, and move cash and position by it."""
    fill = fills[state.made]
    fill.ts, fill.side = ts, state.side
    fill.size, fill.funds, fill.fee = size, funds, fee
    state.made += 1
    state.traded += funds
    state.fees += fee
    if state.side == BUY:
        state.cash -= funds + fee
        state.position += size
    else:
        state.cash += funds - fee
        state.position -= size


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
def _plain_fee(
    costs: Costs, ts: int, size: float, funds: float, state: Any, fills: Records
) -> float:
    """Fee of the order's fills, this one included, without regard to the minimum."""
    while state.oldest < state.made and fills[state.oldest].ts <= ts - costs.tier_window_ns:
        state.traded -= fills[state.oldest].funds
        state.oldest += 1
    if state.oldest == state.made:
        state.traded = 0.0
    tier = 0
    while tier + 1 < costs.tier_from.shape[0] and costs.tier_from[tier + 1] <= state.traded:
        tier += 1
    fee: float = state.plain + (funds * costs.tier_rate[tier] + size * costs.per_unit)
    return fee


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
