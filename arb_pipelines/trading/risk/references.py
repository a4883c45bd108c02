"""What a symbol has been worth of late: an average of its mids, by how long each stood.

A price that has just come has no weight in its own reference, however far off it is: it
counts from the next book on, by the time for which it was there. Old ones fade with the
time constant, so that after it they weigh 1/e.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.trading.events import Book


@dataclass(slots=True)
class _Watched:
    """A symbol's average and its mid since ``ts``; watched since ``since``."""

    since: int
    ts: int
    mid: float
    average: float


class References:
    """Follows the mids of symbols; times are ns of one clock that does not step."""

    def __init__(self, minutes: float, warm_up_s: float) -> None:
        self._tau_ns = minutes * 60.0 * NS_PER_S
        self._warm_up_ns = warm_up_s * NS_PER_S
        self._watched: dict[str, _Watched] = {}

    def on_mid(self, symbol: str, mid: float, ts: int) -> None:
        """Take in the mid of a book with both sides."""
        watched = self._watched.get(symbol)
        if watched is None:
            self._watched[symbol] = _Watched(ts, ts, mid, mid)
            return
        watched.average = self._average(watched, ts)
        watched.ts, watched.mid = max(ts, watched.ts), mid

    def on_book(self, book: Book) -> None:
        """Take in a book; one with a single side leaves the mid as it was."""
        bid, ask = float(book.bid_px[0]), float(book.ask_px[0])
        if bid > 0.0 and ask > 0.0:
            self.on_mid(book.symbol, (bid + ask) / 2.0, book.ts_recv)

    def reference(self, symbol: str, now_ns: int) -> float:
        """Give the average up to now; NaN until the symbol is watched for long enough."""
        watched = self._watched.get(symbol)
        if watched is None or now_ns - watched.since < self._warm_up_ns:
            return math.nan
        return self._average(watched, now_ns)

    def _average(self, watched: _Watched, now_ns: int) -> float:
        stood = max(0, now_ns - watched.ts)
        kept = math.exp(-stood / self._tau_ns)
        return watched.mid + (watched.average - watched.mid) * kept
