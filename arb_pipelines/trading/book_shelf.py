"""The books as they are seen: what is displayed, less what we took of it.

What we take of a level stays gone for us until an update of the symbol shows that
price with another size, or no longer shows it. A decision looks at such a shelf,
and a backtest's model of the venue keeps one of its own: each learns of books and
fills when they reach it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.orders import NOISE, part_of, rest_of
from arb_pipelines.trading.signals import top_rates

Floats = npt.NDArray[np.float64]


class BookShelf:
    """The newest book of every symbol, in the form the decisions ask for.

    ``px`` and ``left`` have shape ``(symbols, 2, depth)``, by the side an order
    has; ``rate`` has one gross rate a leg (``2 * symbol + side``), at the best prices of
    which something is left, and a last one of 1; ``updated`` is the receipt in ns.
    ``base_step`` are the venue's steps of sizes, 0 where they are not known; none is
    without it.
    """

    def __init__(self, symbols: int, depth: int, base_step: Floats | None = None) -> None:
        self.px = np.full((symbols, 2, depth), np.nan)
        self.left = np.zeros((symbols, 2, depth))
        self.rate = np.zeros(2 * symbols + 1)
        self.rate[-1] = 1.0
        self.updated = np.zeros(symbols, np.int64)
        self._step = [0.0] * symbols if base_step is None else base_step.tolist()
        # (symbol, side) -> price -> size displayed when we took of it, and what we took
        self._taken: dict[tuple[int, int], dict[float, tuple[float, float]]] = {}

    def show(self, symbol: int, book: Book) -> None:
        """Put a newly received book in the old one's place."""
        self._show_side(symbol, BUY, book.ask_px, book.ask_sz)
        self._show_side(symbol, SELL, book.bid_px, book.bid_sz)
        self.rate[2 * symbol : 2 * symbol + 2] = top_rates(self.px, self.left, symbol)
        self.updated[symbol] = book.ts_recv

    def take(self, symbol: int, side: int, size: float) -> None:
        """Take ``size`` from one side, best level first; it is gone until the venue refreshes."""
        gone = self._taken.setdefault((symbol, side), {})
        noise, step = NOISE * size, self._step[symbol]
        for i, price in enumerate(self.px[symbol, side].tolist()):
            if size <= noise:
                break
            available = float(self.left[symbol, side, i])
            part = part_of(available, size, noise)
            if part > 0.0:
                shown, taken = gone.get(price, (available, 0.0))
                gone[price] = (shown, taken + part)
                self.left[symbol, side, i] = rest_of(shown, taken + part, step)
                size -= part
        self.rate[2 * symbol : 2 * symbol + 2] = top_rates(self.px, self.left, symbol)

    def taken_of(self, symbol: int, side: int) -> bool:
        """Whether we took of this side since its levels were refreshed."""
        return bool(self._taken.get((symbol, side)))

    def leaves(self, symbol: int, side: int, px: Floats, sz: Floats) -> bool:
        """Whether levels begin with what is left of a side, but for noise of what we took.

        The noise is a share of the largest size that was displayed, not of what is left: the
        last step of a level of 50 is 1e-8 to the venue, and 9.99999994e-9 here.
        """
        known, left = self.px[symbol, side], self.left[symbol, side]
        there = (known > 0.0) & (left > 0.0)
        n = int(there.sum())
        if int((px > 0.0).sum()) < n or not np.array_equal(px[:n], known[there]):
            return False
        gone = self._taken.get((symbol, side), {})
        largest = max(
            (*sz[:n].tolist(), *(displayed for displayed, _ in gone.values())), default=0.0
        )
        return bool(np.all(np.abs(sz[:n] - left[there]) <= NOISE * largest))

    def levels(self, symbol: int, side: int) -> tuple[Floats, Floats]:
        """Give prices and what is left of the sizes on one side, as they are now."""
        return self.px[symbol, side].copy(), self.left[symbol, side].copy()

    def _show_side(self, symbol: int, side: int, px: Floats, sz: Floats) -> None:
        self.px[symbol, side] = px
        self.left[symbol, side] = np.where(sz > 0.0, sz, 0.0)
        gone = self._taken.pop((symbol, side), None)
        if gone is None:
            return
        displayed = dict(zip(px.tolist(), sz.tolist(), strict=True))
        kept = {
            price: (shown, t) for price, (shown, t) in gone.items() if displayed.get(price) == shown
        }
        if kept:
            self._taken[symbol, side] = kept
            step = self._step[symbol]
            for i, price in enumerate(px.tolist()):
                if price in kept:
                    shown, taken = kept[price]
                    self.left[symbol, side, i] = rest_of(shown, taken, step)
