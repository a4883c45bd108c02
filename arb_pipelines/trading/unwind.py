"""Bringing a residual back to the start currency: by which symbols, and what it is worth.

One order at a time: the best route is chosen by the books as they are now, its
first order is sent, and when that is done the choice is made anew.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.orders import fill, limit_price, order_amount
from arb_pipelines.trading.planning import best_price
from arb_pipelines.trading.terms import Floats, Terms

Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]

#: A residual worth less than this share of the cycle's input is not worth an order.
WORTH_AN_ORDER = 1e-6


class Routes(NamedTuple):
    """Ways from any currency to a start currency, by one symbol or by two.

    Those from currency ``c`` to ``s`` are rows ``ptr[k]:ptr[k + 1]`` with
    ``k = s * currencies + c``. The second symbol is -1 on a direct route.
    ``via`` is the currency after the first order.
    """

    ptr: Int32
    first: Int32
    first_side: Int8
    via: Int32
    second: Int32
    second_side: Int8
    currencies: int


def routes_of(cycles: CycleSet) -> Routes:
    """List every route over the universe's symbols: direct ones first, then by symbol name."""
    number = {currency: i for i, currency in enumerate(cycles.currencies)}
    out: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for symbol, name in enumerate(cycles.symbols):
        base, _, quote = name.partition("-")
        out[number[quote]].append((symbol, BUY, number[base]))
        out[number[base]].append((symbol, SELL, number[quote]))
    starts = set(cycles.start.tolist())
    ptr, rows = [0], []
    for start in range(len(cycles.currencies)):
        for currency in range(len(cycles.currencies)):
            if start in starts and currency != start:
                rows += [(s, side, to, -1, 0) for s, side, to in out[currency] if to == start]
                rows += [
                    (s, side, via, s2, side2)
                    for s, side, via in out[currency]
                    if via != start
                    for s2, side2, to in out[via]
                    if to == start and s2 != s
                ]
            ptr.append(len(rows))
    columns = np.array(rows, np.int32).reshape(-1, 5)
    return Routes(
        np.array(ptr, np.int32),
        columns[:, 0].copy(),
        columns[:, 1].astype(np.int8),
        columns[:, 2].copy(),
        columns[:, 3].copy(),
        columns[:, 4].astype(np.int8),
        len(cycles.currencies),
    )


@njit(cache=True)
def choose_route(
    terms: Terms,
    routes: Routes,
    px: Floats,
    left: Floats,
    max_slippage: float,
    currency: int,
    start: int,
    amount: float,
) -> int:
    """Pick the route that brings most of the start currency; -1 if none takes an order.

    Fees, increments, minimums and the price limit count on both orders. Of
    equal routes the first in ``Routes`` wins.
    """
    key = start * routes.currencies + currency
    chosen = -1
    most = 0.0
    for r in range(routes.ptr[key], routes.ptr[key + 1]):
        value = _through(
            terms, px, left, routes.first[r], routes.first_side[r], max_slippage, amount
        )
        if routes.second[r] >= 0 and value > 0.0:
            value = _through(
                terms, px, left, routes.second[r], routes.second_side[r], max_slippage, value
            )
        if value > most:
            chosen, most = r, value
    return chosen


@njit(cache=True)
def _through(
    terms: Terms, px: Floats, left: Floats, s: int, side: int, max_slippage: float, amount: float
) -> float:
    best = best_price(px[s, side], left[s, side])
    if not best > 0.0:
        return 0.0
    limit = limit_price(terms, s, side, best, max_slippage)
    order = order_amount(terms, s, side, amount, best, limit)
    if not order > 0.0:
        return 0.0
    done = fill(terms, s, side, order, limit, px[s, side], left[s, side])
    return float(done.received)


@njit(cache=True)
def worth(
    terms: Terms, routes: Routes, px: Floats, left: Floats, currency: int, start: int, amount: float
) -> float:
    """Value ``amount`` of a currency by what the books would pay for it now, after fees.

    By the best route, without increments, minimums or limits, since small
    residuals add up to an order in time; what exceeds the known depth is worth
    nothing, and so is a currency without a route.
    """
    key = start * routes.currencies + currency
    most = 0.0
    for r in range(routes.ptr[key], routes.ptr[key + 1]):
        s, side = routes.first[r], routes.first_side[r]
        value = _proceeds(terms, px[s, side], left[s, side], s, side, amount)
        if routes.second[r] >= 0:
            s, side = routes.second[r], routes.second_side[r]
            value = _proceeds(terms, px[s, side], left[s, side], s, side, value)
        most = max(most, value)
    return most


@njit(cache=True)
def _proceeds(terms: Terms, px: Floats, left: Floats, s: int, side: int, amount: float) -> float:
    amount = amount * terms.on_input[s, side]
    value = 0.0
    for i in range(px.shape[0]):
        if amount <= 0.0 or not px[i] > 0.0:
            break
        size = min(amount / px[i] if side == BUY else amount, left[i])
        amount -= size * px[i] if side == BUY else size
        value += size if side == BUY else size * px[i]
    return value * float(terms.on_output[s, side])
