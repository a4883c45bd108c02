"""How much of a cycle is worth trading: the input of greatest profit, from depth.

What a cycle gives back is concave and piecewise linear in what is put in, since
each leg's levels get worse. So walk all legs' levels at once, from breakpoint to
breakpoint, while one more unit still comes back as more than one. Float64;
``exact`` prices the result again with the venue's increments and minimums.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.market.graph import BUY

Floats = npt.NDArray[np.float64]
Int8 = npt.NDArray[np.int8]

UNLIMITED = -1


class Optimum(NamedTuple):
    """Input, output and profit in start currency, and the leg whose level ended the walk.

    ``limiting_leg`` is ``UNLIMITED`` when the greatest input asked for did.
    """

    input: float
    output: float
    profit: float
    limiting_leg: int


@njit(cache=True)
def optimal_input(
    px: Floats,
    sz: Floats,
    side: Int8,
    on_input: Floats,
    on_output: Floats,
    max_input: float,
    volume: Floats,
    least: float = 1.0,
) -> Optimum:
    """Find the input of greatest profit; write each leg's base volume to ``volume``.

    One more unit must come back as more than ``least``; above 1, each is to earn
    something, and what is found is less than the greatest profit.

    ``px`` and ``sz`` have shape ``(legs, depth)``, best level first; a leg's
    levels end with the first price or size that is not above zero. ``side``,
    ``on_input``, ``on_output`` and ``volume`` have shape ``(legs,)``. The input
    is at most ``max_input``, and 0 where not even the tops are worth taking.
    """
    n, depth = px.shape
    level = np.zeros(n, np.int64)
    rate = np.zeros(n)  # marginal, net of fees
    room = np.zeros(n)  # what is left of the level, in the currency the leg gives
    volume[:] = 0.0
    total_in, total_out = 0.0, 0.0
    fresh = -1  # leg that has just reached a new level; all at first
    limiting = UNLIMITED
    while True:
        product = 1.0
        for k in range(n):
            if fresh in (-1, k):
                i = level[k]
                if i == depth or not (px[k, i] > 0.0 and sz[k, i] > 0.0):
                    return Optimum(total_in, total_out, total_out - total_in, k)
                gross = 1.0 / px[k, i] if side[k] == BUY else px[k, i]
                rate[k] = gross * on_input[k] * on_output[k]
                room[k] = (sz[k, i] * px[k, i] if side[k] == BUY else sz[k, i]) / on_input[k]
            product *= rate[k]
        if product <= least or total_in >= max_input:
            break
        step, limiting, along = max_input - total_in, UNLIMITED, 1.0
        for k in range(n):
            if room[k] < step * along:
                step, limiting = room[k] / along, k
            along *= rate[k]
        along = 1.0
        for k in range(n):
            given = room[k] if k == limiting else step * along
            room[k] = max(room[k] - given, 0.0)
            traded = given * on_input[k]
            volume[k] += traded / px[k, level[k]] if side[k] == BUY else traded
            along *= rate[k]
        total_in += step
        total_out += step * along
        if limiting == UNLIMITED:
            break
        level[limiting] += 1
        fresh = limiting
    return Optimum(total_in, total_out, total_out - total_in, limiting)
