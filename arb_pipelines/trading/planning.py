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
from arb_pipelines.market.sizing import optimal_input
from arb_pipelines.trading.gate import Refusal
from arb_pipelines.trading.orders import fill, limit_price, order_amount
from arb_pipelines.trading.rules import Rules
from arb_pipelines.trading.terms import Floats, Terms

Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]


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
def small_leg(
    terms: Terms, px: Floats, left: Floats, symbols: Int32, sides: Int8, bests: Floats, have: float
) -> tuple[int, float]:
    """First leg of a cycle that ``have``, in start currency, makes no order of; -1 if none.

    Each leg is taken to trade at its best price: that of ``bests``, or where it is 0 that of the
    books. With the leg comes what is in hand there; NaN if nothing is known of its price.
    """
    for k in range(symbols.shape[0]):
        s, side = symbols[k], sides[k]
        best = bests[k] if bests[k] > 0.0 else best_price(px[s, side], left[s, side])
        if not best > 0.0:
            return k, np.nan
        order = order_amount(terms, s, side, have, best, best)
        if not order > 0.0:
            return k, have
        have = (order / best if side == BUY else order * best) * terms.on_output[s, side]
    return -1, have


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
    """Input, in start currency, up to which each further unit earns more than ``min_profit``.

    What we took ourselves, and what lies beyond a leg's limit, is not there.
    """
    n, depth = symbols.shape[0], px.shape[2]
    leg_px, leg_sz = np.zeros((n, depth)), np.zeros((n, depth))
    on_input, on_output = np.empty(n), np.empty(n)
    for k in range(n):
        s, side = symbols[k], sides[k]
        on_input[k], on_output[k] = terms.on_input[s, side], terms.on_output[s, side]
        at = 0
        for i in range(depth):
            price = px[s, side, i]
            within = price <= limits[k] if side == BUY else price >= limits[k]
            if not (price > 0.0 and within):
                break
            if left[s, side, i] > 0.0:
                leg_px[k, at], leg_sz[k, at] = price, left[s, side, i]
                at += 1
    best = optimal_input(
        leg_px, leg_sz, sides, on_input, on_output, most, np.empty(n), 1.0 + min_profit
    )
    return float(best.input)


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
        order = order_amount(terms, s, side, have, bests[k], limits[k])
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
