"""One leg as an order: its price limit, whether the venue would take it, what it fills.

An order is immediate-or-cancel with a price limit. A sell carries a size in base
currency; a buy carries funds in quote currency, and buys as much as they pay for.
``fill`` is the venue's arithmetic on given levels: a plan calls it with the levels
as they are seen, a backtest with the levels the order meets.

Levels are two arrays, prices from the best and sizes in base; a price that is not
above zero (NaN included) ends them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from arb_pipelines.market.graph import BUY
from arb_pipelines.market.rounding import ceil_to, floor_to, multiple
from arb_pipelines.trading.terms import Floats, Terms

#: Share of an order that may be left over without the fill counting as short: float64 noise.
SHORT_EPSILON = 1e-9
#: Share of a size that float64 sums of levels miss it by: below any step of a million sizes.
NOISE = 1e-14
#: Share of a step by which what is left of a level may miss it and is still on it.
STEP_NOISE = 1e-6


class Fill(NamedTuple):
    """What an order came to. ``spent`` and ``received`` are in the leg's two currencies.

    ``size`` is the base traded, ``funds`` its value in quote before fees.
    ``short`` tells that levels within the limit ran out before the order did.
    """

    size: float
    funds: float
    spent: float
    received: float
    short: bool


@njit(cache=True)
def limit_price(terms: Terms, symbol: int, side: int, best: float, max_slippage: float) -> float:
    """Worst price accepted, ``max_slippage`` (a fraction) beyond ``best``.

    A buy's limit rounds down to the price step and a sell's up, both towards
    safety, but never to the far side of ``best``.
    """
    if side == BUY:
        return max(best, floor_to(best * (1.0 + max_slippage), terms.price_step[symbol]))
    return min(best, ceil_to(best * (1.0 - max_slippage), terms.price_step[symbol]))


@njit(cache=True)
def order_amount(
    terms: Terms, symbol: int, side: int, amount: float, best: float, limit: float
) -> float:
    """Round what is in hand to an order the venue takes; 0 if it takes none.

    ``amount`` is in the currency given. The answer is a sell's size, or the
    funds a buy may pay for base currency, its fee on top of them left out.
    ``best`` turns a buy's funds into a size, for the venue's least and greatest; a sell
    is worth its size at its ``limit``, which is what a venue holds against its least funds.

    Source: Binance, Filters, NOTIONAL (``price * quantity`` of the order).
    """
    if side == BUY:
        funds = amount * terms.on_input[symbol, BUY]
        most = terms.max_size[symbol]
        funds = floor_to(min(funds, most * best) if most > 0.0 else funds, terms.funds_step[symbol])
        size = floor_to(funds / best, terms.base_step[symbol])
    else:
        most = terms.max_size[symbol]
        size = floor_to(min(amount, most) if most > 0.0 else amount, terms.base_step[symbol])
        funds = size * limit
    if size <= 0.0 or size < terms.min_size[symbol] or funds < terms.min_funds[symbol]:
        return 0.0
    return funds if side == BUY else size


@njit(cache=True)
def value_at(px: Floats, sz: Floats, size: float) -> float:
    """Value in quote of ``size`` taken from the levels; beyond the last, at the last price."""
    value = 0.0
    last = 0.0
    left = size
    for i in range(px.shape[0]):
        if left <= 0.0 or not px[i] > 0.0:
            break
        last = px[i]
        part = min(left, sz[i])
        value += part * last
        left -= part
    if left > 0.0:
        value += left * last
    return value


@njit(cache=True)
def fill(
    terms: Terms,
    symbol: int,
    side: int,
    order: float,
    limit: float,
    px: Floats,
    sz: Floats,
) -> Fill:
    """Fill an ``order`` (as ``order_amount`` gives it) from levels no worse than ``limit``.

    The size traded rounds down to the base step. What is spent may pass what is
    in hand by rounding noise: a few units of the last place, or ``STEP_EPSILON``
    of a step.
    """
    size = 0.0
    left = order
    for i in range(px.shape[0]):
        price = px[i]
        if left <= 0.0 or not price > 0.0:
            break
        if (price > limit) if side == BUY else (price < limit):
            break
        if side == BUY:
            part = min(left / price, sz[i])
            left -= part * price
        else:
            part = min(left, sz[i])
            left -= part
        size += part
    short = left > SHORT_EPSILON * order
    size = floor_to(size, terms.base_step[symbol])
    if size <= 0.0:
        return Fill(0.0, 0.0, 0.0, 0.0, True)
    funds = value_at(px, sz, size)
    keep = terms.on_output[symbol, side]
    if side == BUY:
        return Fill(size, funds, funds / terms.on_input[symbol, side], size * keep, short)
    return Fill(size, funds, size, funds * keep, short)


@njit(cache=True, inline="always")
def rest_of(shown: float, taken: float, step: float) -> float:
    """What is left for us of a level, on the venue's ``step`` of sizes where it almost is.

    So float64 noise of what was taken in parts is nothing, and what is left is the float64
    that the venue's own book would show; a ``step`` of 0 is not known.
    """
    left = shown - taken
    if left <= NOISE * shown:
        return 0.0
    if step > 0.0:
        on_step = multiple(math.floor(left / step + 0.5), step)
        if abs(on_step - left) <= max(NOISE * shown, STEP_NOISE * step):
            return on_step
    return left


@njit(cache=True, inline="always")
def part_of(available: float, wanted: float, noise: float) -> float:
    """What an order takes of a level: all of it also where ``wanted`` misses that by ``noise``."""
    return available if available - wanted <= noise else wanted


@njit(cache=True)
def take(sz: Floats, taken: Floats, size: float) -> None:
    """Add to ``taken`` what ``size`` takes of ``sz``, what was left of the levels, best first."""
    left, noise = size, NOISE * size
    for i in range(sz.shape[0]):
        if left <= noise:
            break
        part = part_of(sz[i], left, noise)
        taken[i] += part
        left -= part
