"""The reference engine's books: what is displayed, less what we took of it."""

from __future__ import annotations

import numpy as np

from arb_pipelines.backtest.scenario import Floats
from arb_pipelines.market.cycles import BUY, SELL
from arb_pipelines.trading.signals import top_rates


class BookShelf:
    """The newest book of every symbol, in the form the decisions ask for.

    ``px`` and ``left`` have shape ``(symbols, 2, depth)``, ``rates`` the gross
    rates of a buy and a sell by symbol, ``updated`` the receipt in ns.
    """

    def __init__(self, symbols: int, depth: int) -> None:
        self.px = np.full((symbols, 2, depth), np.nan)
        self.left = np.zeros((symbols, 2, depth))
        self.rates = [(0.0, 0.0)] * symbols
        self.updated = np.zeros(symbols, np.int64)
        # (symbol, side, price) -> size displayed when we took of it, and what we took
        self._taken: dict[tuple[int, int, float], tuple[float, float]] = {}

    def show(
        self, symbol: int, ts: int, asks: tuple[Floats, Floats], bids: tuple[Floats, Floats]
    ) -> None:
        """Put a newly received book in the old one's place."""
        for side, (px, sz) in ((BUY, asks), (SELL, bids)):
            displayed = dict(zip(px.tolist(), sz.tolist(), strict=True))
            for level, (shown, _) in list(self._taken.items()):
                if level[:2] == (symbol, side) and displayed.get(level[2]) != shown:
                    del self._taken[level]  # refreshed, or gone
            self.px[symbol, side] = px
            self.left[symbol, side] = [
                self._left(symbol, side, price, size)
                for price, size in zip(px.tolist(), sz.tolist(), strict=True)
            ]
        (ask_px, ask_sz), (bid_px, bid_sz) = asks, bids
        self.rates[symbol] = top_rates(bid_px[0], bid_sz[0], ask_px[0], ask_sz[0])
        self.updated[symbol] = ts

    def take(self, symbol: int, side: int, size: float) -> None:
        """Take ``size`` from one side, best level first; it is gone until the venue refreshes."""
        for i, price in enumerate(self.px[symbol, side].tolist()):
            available = float(self.left[symbol, side, i])
            part = min(size, available)
            if part > 0.0:
                level = (symbol, side, price)
                shown, taken = self._taken.get(level, (available, 0.0))
                self._taken[level] = (shown, taken + part)
                self.left[symbol, side, i] = self._left(symbol, side, price, shown)
                size -= part

    def _left(self, symbol: int, side: int, price: float, size: float) -> float:
        shown, taken = self._taken.get((symbol, side, price), (size, 0.0))
        if taken > 0.0:
            return max(0.0, shown - taken)
        return size if size > 0.0 else 0.0
