"""From each book to the cycles it makes worth trading, the most promising first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import Book, BrokerEvent, CycleSignal, MarketEvent, OrderFill
from arb_pipelines.trading.signals import rank_signals


class CycleStrategy:
    """Signals the cycles through a book's symbol whose best prices promise enough.

    It keeps the shelf of books that risk and order manager decide by, since it
    hears of books and fills before they do. With ``scan`` false it does just that.
    """

    def __init__(
        self, name: str, traded: TradedCycles, shelf: BookShelf, *, scan: bool = True
    ) -> None:
        self._name, self._traded, self._shelf, self._scan = name, traded, shelf, scan
        self._threshold = 1.0 + traded.rules.min_profit
        self._first: list[int] = traded.scanned.ptr.tolist()
        most = max((len(cycles) for cycles in traded.through), default=0)
        self._entries, self._products = np.empty(most, np.int32), np.empty(most)

    def on_market(self, event: MarketEvent) -> Sequence[CycleSignal]:
        """Take in a book; of equal products the lower cycle comes first."""
        symbol = self._traded.number.get(event.symbol)
        if symbol is None or not isinstance(event, Book):
            return ()
        self._shelf.show(symbol, event)
        if not self._scan:
            return ()
        scanned, first, last = self._traded.scanned, self._first[symbol], self._first[symbol + 1]
        found = rank_signals(
            self._shelf.rate, scanned.legs, scanned.keep, first, last,
            self._threshold, self._entries, self._products,
        )  # fmt: skip
        return [
            CycleSignal(
                event.ts_recv,
                self._name,
                int(scanned.cycle[self._entries[at]]),
                float(self._products[at]),
                ts_book=event.ts_event,
            )
            for at in range(found)
        ]

    def on_broker(self, event: BrokerEvent) -> Sequence[CycleSignal]:
        """Note what we took of a book."""
        if isinstance(event, OrderFill):
            self._shelf.take(self._traded.number[event.symbol], event.side, event.size)
        return ()
