"""From each book to the cycles it makes worth trading, the most promising first."""

from __future__ import annotations

from collections.abc import Sequence

from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import Book, BrokerEvent, CycleSignal, MarketEvent, OrderFill


class CycleStrategy:
    """Signals the cycles through a book's symbol whose best prices promise enough.

    It keeps the shelf of books that risk and order manager decide by, since it
    hears of books and fills before they do. With ``scan`` false it does just that.
    """

    def __init__(
        self, name: str, traded: TradedCycles, shelf: BookShelf, *, scan: bool = True
    ) -> None:
        self._name, self._traded, self._shelf, self._scan = name, traded, shelf, scan

    def on_market(self, event: MarketEvent) -> Sequence[CycleSignal]:
        """Take in a book; of equal products the lower cycle comes first."""
        symbol = self._traded.number.get(event.symbol)
        if symbol is None or not isinstance(event, Book):
            return ()
        self._shelf.show(symbol, event)
        if not self._scan:
            return ()
        threshold = 1.0 + self._traded.rules.min_profit
        ranked = sorted((-self._product(cycle), cycle) for cycle in self._traded.through[symbol])
        return [
            CycleSignal(event.ts_recv, self._name, cycle, -product, ts_book=event.ts_event)
            for product, cycle in ranked
            if -product >= threshold
        ]

    def on_broker(self, event: BrokerEvent) -> Sequence[CycleSignal]:
        """Note what we took of a book."""
        if isinstance(event, OrderFill):
            self._shelf.take(self._traded.number[event.symbol], event.side, event.size)
        return ()

    def _product(self, cycle: int) -> float:
        product = 1.0
        for symbol, side in self._traded.legs[cycle]:
            product *= self._shelf.rates[symbol][side]
        return float(product * self._traded.keep[cycle])
