"""The kernel's books: newly shown levels, less what we took of those that did not change."""

from __future__ import annotations

import numpy as np
from numba import njit

from arb_pipelines.backtest.state import BookState, Floats
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.orders import rest_of, take
from arb_pipelines.trading.signals import top_rates


@njit(cache=True)
def show_again(
    books: BookState,
    s: int,
    bid_px: Floats,
    bid_sz: Floats,
    ask_px: Floats,
    ask_sz: Floats,
    step: float,
) -> None:
    """Replace a book of which we took by a newly shown one; ``step`` is as in ``rest_of``."""
    _show_side(books, s, BUY, ask_px, ask_sz, step)
    _show_side(books, s, SELL, bid_px, bid_sz, step)
    books.touched[s] = books.taken[s].any()
    books.rate[2 * s], books.rate[2 * s + 1] = top_rates(books.px, books.left, s)


@njit(cache=True)
def _show_side(books: BookState, s: int, side: int, px: Floats, sz: Floats, step: float) -> None:
    """Replace one side by newly shown levels; keep what we took of unchanged ones."""
    depth = px.shape[0]
    shown, taken = np.zeros(depth), np.zeros(depth)
    for i in range(depth):
        for j in range(depth):
            same = books.taken[s, side, j] > 0.0 and books.px[s, side, j] == px[i]
            if same and books.shown[s, side, j] == sz[i]:
                shown[i], taken[i] = sz[i], books.taken[s, side, j]
    for i in range(depth):
        books.px[s, side, i] = px[i]
        size = sz[i] if sz[i] > 0.0 else 0.0
        books.left[s, side, i] = rest_of(shown[i], taken[i], step) if taken[i] > 0.0 else size
    books.shown[s, side] = shown
    books.taken[s, side] = taken


@njit(cache=True)
def take_from(books: BookState, s: int, side: int, size: float, step: float) -> None:
    """Take ``size`` from one side, best level first; it is gone until the venue refreshes."""
    left, shown, taken = books.left[s, side], books.shown[s, side], books.taken[s, side]
    for i in range(left.shape[0]):
        if taken[i] == 0.0:
            shown[i] = left[i]
    take(left, taken, size)
    for i in range(left.shape[0]):
        if taken[i] > 0.0:
            left[i] = rest_of(shown[i], taken[i], step)
    books.touched[s] = 1
    books.rate[2 * s], books.rate[2 * s + 1] = top_rates(books.px, books.left, s)
