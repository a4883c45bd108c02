"""Telling our own trades from the market's news in the books a venue shows.

A venue shows our trade twice: as news of the order, and as a level that shrank. The
decisions know it from the order already, so the book that shows nothing else is no news.
While an order is out on a symbol, the symbol's books wait: the trade that made them may
not have been told yet, and would be counted twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.events import Book, Floats


class OwnTrades:
    """Lets books through to a desk that decides by ``shelf``; ``number`` is by symbol.

    ``shown`` is ``False`` where the venue's books never show our trades, since its orders are
    tested only: then every book is news, and none waits.
    """

    def __init__(
        self, shelf: BookShelf, number: Mapping[str, int], depth: int, *, shown: bool = True
    ) -> None:
        self._shelf, self._number, self._depth, self._shown = shelf, number, depth, shown
        self._out: Counter[str] = Counter()
        self._waiting: dict[str, Book] = {}
        self.echoes = 0

    def is_out(self, symbol: str) -> bool:
        """Whether an order is out on a symbol, so that its books wait."""
        return self._shown and self._out[symbol] > 0

    def newest(self, symbol: str) -> Book:
        """Give the newest book of a symbol of the shelf: the one that waits, or what is left."""
        if symbol in self._waiting:
            return self._waiting[symbol]
        number, shelf = self._number[symbol], self._shelf
        (ask_px, ask_sz), (bid_px, bid_sz) = shelf.levels(number, BUY), shelf.levels(number, SELL)
        return Book(symbol, int(shelf.updated[number]), bid_px, bid_sz, ask_px, ask_sz)

    def sent(self, symbol: str) -> None:
        """Note an order that leaves."""
        self._out[symbol] += 1

    def ended(self, symbol: str) -> Book | None:
        """Note an order that has ended and is booked; give the book that waited for it."""
        self._out[symbol] -= 1
        if self._out[symbol]:
            return None
        waited = self._waiting.pop(symbol, None)
        return self.admit(waited) if waited is not None else None

    def admit(self, book: Book) -> Book | None:
        """Give a book in the shelf's depth, if it is news; keep the newest that has to wait."""
        padded = _padded(book, self._depth)
        if not self._shown:
            return padded
        if self._out[book.symbol]:
            self._waiting[book.symbol] = padded
            return None
        symbol = self._number.get(book.symbol)
        if symbol is not None and self._is_echo(symbol, padded):
            self.echoes += 1
            return None
        return padded

    def _is_echo(self, symbol: int, book: Book) -> bool:
        """Whether it shows what we took, and nothing else that the shelf does not know."""
        shelf = self._shelf
        if not (shelf.taken_of(symbol, BUY) or shelf.taken_of(symbol, SELL)):
            return False
        # deeper levels that come into view where ours are gone tell nothing of a change
        return shelf.leaves(symbol, BUY, book.ask_px, book.ask_sz) and shelf.leaves(
            symbol, SELL, book.bid_px, book.bid_sz
        )


def _padded(book: Book, depth: int) -> Book:
    """Cut or fill a book to ``depth`` levels; a price of NaN ends a side."""
    return Book(
        book.symbol,
        book.ts_recv,
        _to_depth(book.bid_px, depth, np.nan),
        _to_depth(book.bid_sz, depth, 0.0),
        _to_depth(book.ask_px, depth, np.nan),
        _to_depth(book.ask_sz, depth, 0.0),
        book.ts_event,
    )


def _to_depth(levels: Floats, depth: int, filler: float) -> Floats:
    if len(levels) == depth:
        return levels
    filled = np.full(depth, filler)
    filled[: len(levels)] = levels[:depth]
    filled.setflags(write=False)
    return filled
