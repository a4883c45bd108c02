"""From a signal to a plan: how much to put in, and what each leg should then give.

Books are handed over as ``px`` and ``left`` of shape ``(symbols, 2, depth)``:
prices, and sizes less what we took ourselves. The second index is the side an
order has: ``BUY`` (0) finds the asks, ``SELL`` (1) the bids.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.gate import Refusal
from arb_pipelines.trading.orders import fill, limit_price, net_rate, order_amount
from arb_pipelines.trading.rules import Rules
from arb_pipelines.trading.terms import Floats, Terms

Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]

#: Share of a level below which the rest of it counts as used: float64 noise.
_USED = 1e-12


@njit(cache=True)
def best_price(px: Floats, left: Floats) -> float:
    """Best price of one side at which anything is left; 0 if nothing is."""
    for i in range(px.shape[0]):
        if not px[i] > 0.0:
            break
        if left[i] > 0.0:
            return float(px[i])
    return 0.0


@njit(cache=True)
def profitable_input(
    terms: Terms,
    px: Floats,
    left: Floats,
    symbols: Int32,
    sides: Int8,
    limits: Floats,
    most: float,
    min_profit: float,
) -> float:
    """Input, in start currency, up to which each further unit still earns ``min_profit``.

    Profit is concave and piecewise linear in the input: walk all legs' levels at
    once, from breakpoint to breakpoint, while the product of the marginal net
    rates holds. ``limits`` end a leg's levels, ``most`` ends the walk.
    """
    n = symbols.shape[0]
    depth = px.shape[2]
    level = np.full(n, -1, np.int64)
    room = np.zeros(n)
    size = np.zeros(n)
    rate = np.zeros(n)
    total = 0.0
    while True:
        product = 1.0
        for k in range(n):
            s, side = symbols[k], sides[k]
            while room[k] <= _USED * size[k]:
                level[k] += 1
                if level[k] >= depth:
                    return total
                price = px[s, side, level[k]]
                if not price > 0.0:
                    return total
                if (price > limits[k]) if side == BUY else (price < limits[k]):
                    return total
                rate[k] = net_rate(terms, s, side, price)
                base = max(left[s, side, level[k]], 0.0)
                # what the level takes of the currency this leg gives
                size[k] = base * price if side == BUY else base
                if side == BUY and terms.fee_on_quote[s]:
                    size[k] *= 1.0 + terms.fee[s]
                room[k] = size[k]
            product *= rate[k]
        if product < 1.0 + min_profit:
            return total
        step = most - total
        along = 1.0
        tightest = -1
        for k in range(n):
            if room[k] < step * along:
                step = room[k] / along
                tightest = k
            along *= rate[k]
        if tightest < 0:
            return most
        total += step
        along = 1.0
        for k in range(n):
            room[k] = 0.0 if k == tightest else room[k] - step * along
            along *= rate[k]


@njit(cache=True)
def plan(
    terms: Terms,
    rules: Rules,
    px: Floats,
    left: Floats,
    symbols: Int32,
    sides: Int8,
    most: float,
    bests: Floats,
    limits: Floats,
    spent: Floats,
    received: Floats,
) -> tuple[int, float]:
    """Size a cycle and walk it through the books as they are seen.

    Writes, for each leg, the best price, the limit, and what it should spend
    and receive. Returns a ``Refusal`` code and the input to commit.
    """
    for k in range(symbols.shape[0]):
        s, side = symbols[k], sides[k]
        bests[k] = best_price(px[s, side], left[s, side])
        if not bests[k] > 0.0:
            return Refusal.DEPTH.value, 0.0
        limits[k] = limit_price(terms, s, side, bests[k], rules.max_slippage)
    amount = profitable_input(terms, px, left, symbols, sides, limits, most, rules.min_profit)
    if not amount > 0.0:
        return Refusal.DEPTH.value, 0.0
    have = amount
    for k in range(symbols.shape[0]):
        s, side = symbols[k], sides[k]
        order = order_amount(terms, s, side, have, bests[k])
        if not order > 0.0:
            return Refusal.MINIMUM.value, 0.0
        done = fill(terms, s, side, order, limits[k], px[s, side], left[s, side])
        if not done.received > 0.0:
            return Refusal.MINIMUM.value, 0.0
        spent[k] = done.spent
        received[k] = done.received
        have = done.received
    if have < spent[0] * (1.0 + rules.min_profit):
        return Refusal.EDGE.value, 0.0
    return Refusal.NONE.value, amount
