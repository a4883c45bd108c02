"""From an update of one book to the cycles it makes worth trading.

A signal needs the best prices alone; what can be done with it is decided by the
gate and by the plan. Cycles and fees are laid out as the scanner has them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.market.graph import BUY, SELL

Floats = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
UInt32 = npt.NDArray[np.uint32]


@njit(cache=True, inline="always")
def top_rates(px: Floats, left: Floats, symbol: int) -> tuple[float, float]:
    """Gross rates of a buy and of a sell at the best prices of which something is left.

    ``px`` and ``left`` have shape ``(symbols, 2, depth)``, by the side an order has.
    Both are 0 for a book that is crossed as it is displayed, or has one side alone.
    """
    ask = bid = 0.0
    for i in range(px.shape[2]):
        if not px[symbol, BUY, i] > 0.0:
            break
        if left[symbol, BUY, i] > 0.0:
            ask = px[symbol, BUY, i]
            break
    for i in range(px.shape[2]):
        if not px[symbol, SELL, i] > 0.0:
            break
        if left[symbol, SELL, i] > 0.0:
            bid = px[symbol, SELL, i]
            break
    if bid > 0.0 and 0.0 < ask < np.inf and px[symbol, SELL, 0] < px[symbol, BUY, 0]:
        return 1.0 / ask, bid
    return 0.0, 0.0


@njit(cache=True)
def rank_signals(
    rate: Floats,
    legs: UInt32,
    keep: Floats,
    first: int,
    last: int,
    threshold: float,
    entries: Int32,
    products: Floats,
) -> int:
    """List the entries in ``first:last`` whose net product reaches ``threshold``, best first.

    Of equals the lower entry comes first. Writes ``entries`` and ``products``
    and returns how many.
    """
    found = 0
    for entry in range(first, last):
        product = rate[legs[entry, 0]]
        for k in range(1, legs.shape[1]):
            product *= rate[legs[entry, k]]
        product *= keep[entry]
        if product >= threshold:
            at = found
            while at > 0 and products[at - 1] < product:
                entries[at], products[at] = entries[at - 1], products[at - 1]
                at -= 1
            entries[at], products[at] = entry, product
            found += 1
    return found
