"""The kernel's look at the prices of a tick: plain arrays, since it happens at every tick."""

from __future__ import annotations

import numpy as np
from numba import njit

from arb_pipelines.allocation.simulation.panel import STRIDE
from arb_pipelines.allocation.simulation.world import Floats, Int32, Int64, UInt8


@njit(cache=True, nogil=True)
def show(path: Floats, shown: Floats, last: Floats, hour: int, part: int) -> None:
    """Set the prices of the tick, NaN where a symbol has no bar."""
    leg, step = part // STRIDE, part % STRIDE
    for s in range(shown.shape[0]):
        px = path[hour, s, leg]
        if step:
            px = px + (path[hour, s, leg + 1] - px) * (step / STRIDE)
        shown[s] = px
        if not np.isnan(px):
            last[s] = px


@njit(cache=True, nogil=True)
def any_below(px: Floats, bounds: Floats) -> bool:
    """Whether any symbol's price is at or below its bound."""
    below = 0
    for s in range(px.shape[0]):
        below += px[s] <= bounds[s]
    return below > 0


@njit(cache=True, nogil=True)
def is_reached(orders: Int64, px: Floats, symbol: Int32, bounds: Floats) -> bool:
    """Whether the price of any order is at or below its bound."""
    reached = 0
    for order in orders:
        reached += px[symbol[order]] <= bounds[order]
    return reached > 0


@njit(cache=True, nogil=True)
def see_above(
    orders: Int64,
    px: Floats,
    symbol: Int32,
    limit: Floats,
    entered_at: Int64,
    above: UInt8,
    tick: int,
    opening: bool,
) -> None:
    """Note whose limit is still to be reached from above: as they enter, and at opens."""
    for order in orders:
        if (opening or entered_at[order] == tick) and px[symbol[order]] > limit[order]:
            above[order] = 1


@njit(cache=True, nogil=True)
def exit_is_due(
    held: Int64, px: Floats, symbol: Int32, stop: Floats, target: Floats, due: Int64, tick: int
) -> bool:
    """Whether any position may be closed in this tick."""
    for i in range(held.shape[0]):
        order = held[i]
        price = px[symbol[order]]
        if price <= stop[order] or price >= target[order] or tick >= due[order]:
            return True
    return False


@njit(cache=True, nogil=True)
def low_at(path: Floats, hour: int, symbol: int) -> int:
    """Tick of the hour at which a bar is at its low."""
    return STRIDE if path[hour, symbol, 1] <= path[hour, symbol, 2] else 2 * STRIDE
