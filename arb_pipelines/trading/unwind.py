"""Bringing a residual back to the start currency: by which symbols, and what it is worth.

One order at a time: the best route is chosen by the books as they are now, its
first order is sent, and when that is done the choice is made anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.ledger import value_before
from arb_pipelines.trading.orders import fill, limit_price, order_amount
from arb_pipelines.trading.planning import best_price
from arb_pipelines.trading.terms import Floats, Terms

Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]

#: A residual worth less than this share of the cycle's input is not worth an order.
WORTH_AN_ORDER = 1e-6
#: Most orders on a way back.
MOST_HOPS = 3


class Routes(NamedTuple):
    """Ways from any currency to a start currency, over up to three symbols.

    Those from currency ``c`` to ``s`` are rows ``ptr[k]:ptr[k + 1]`` with
    ``k = s * currencies + c``. ``symbol`` and ``side`` have shape ``(ways, 3)``, a column an
    order; a symbol of -1 says that the way has ended.
    """

    ptr: Int32
    symbol: Int32
    side: Int8
    currencies: int


def routes_of(cycles: CycleSet, max_hops: int) -> Routes:
    """List every way over at most ``max_hops`` (1 to 3) of the universe's symbols.

    Direct ones first, then by length, each by symbol name; none passes a currency twice.
    """
    number = {currency: i for i, currency in enumerate(cycles.currencies)}
    out: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for symbol, name in enumerate(cycles.symbols):
        base, _, quote = name.partition("-")
        out[number[quote]].append((symbol, BUY, number[base]))
        out[number[base]].append((symbol, SELL, number[quote]))
    starts = set(cycles.start.tolist())
    ptr, ways = [0], []
    for start in range(len(cycles.currencies)):
        for currency in range(len(cycles.currencies)):
            if start in starts and currency != start:
                ways += _ways(out, currency, start, max_hops)
            ptr.append(len(ways))
    symbols = np.full((len(ways), MOST_HOPS), -1, np.int32)
    sides = np.zeros((len(ways), MOST_HOPS), np.int8)
    for row, way in enumerate(ways):
        symbols[row, : len(way)] = [symbol for symbol, _ in way]
        sides[row, : len(way)] = [side for _, side in way]
    return Routes(np.array(ptr, np.int32), symbols, sides, len(cycles.currencies))


def _ways(
    out: Mapping[int, Sequence[tuple[int, int, int]]], currency: int, start: int, max_hops: int
) -> list[tuple[tuple[int, int], ...]]:
    """List the ways between two currencies, shorter ones first."""
    found: list[tuple[tuple[int, int], ...]] = []
    reached: list[tuple[tuple[tuple[int, int], ...], tuple[int, ...]]] = [((), (currency,))]
    for _ in range(max_hops):
        further = []
        for way, passed in reached:
            for symbol, side, to in out.get(passed[-1], ()):
                if to == start:
                    found.append((*way, (symbol, side)))
                elif to not in passed:
                    further.append(((*way, (symbol, side)), (*passed, to)))
        reached = further
    return found


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

    Fees, increments, minimums and the price limit count on each of its orders. Of
    equal routes the first in ``Routes`` wins.
    """
    key = start * routes.currencies + currency
    chosen = -1
    most = 0.0
    for r in range(routes.ptr[key], routes.ptr[key + 1]):
        value = amount
        for hop in range(routes.symbol.shape[1]):
            s = routes.symbol[r, hop]
            if s < 0 or not value > 0.0:
                break
            value = _through(terms, px, left, s, routes.side[r, hop], max_slippage, value)
        if value > most:
            chosen, most = r, value
    return chosen


@njit(cache=True)
def value_after_first(routes: Routes, route: int, px: Floats, left: Floats) -> float:
    """Value one unit of what a route's first order brings, at the best prices of the rest."""
    value = 1.0
    for hop in range(routes.symbol.shape[1] - 1, 0, -1):
        s, side = routes.symbol[route, hop], routes.side[route, hop]
        if s >= 0:
            value = value_before(side, best_price(px[s, side], left[s, side]), value)
    return value


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
        value = amount
        for hop in range(routes.symbol.shape[1]):
            s, side = routes.symbol[r, hop], routes.side[r, hop]
            if s < 0:
                break
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
