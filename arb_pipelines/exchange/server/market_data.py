"""What the public topics and tickers say about a book after it changed.

Every change is published at once; the venue gathers those of depth and ticker
topics for up to 100 ms.
"""

from __future__ import annotations

from decimal import Decimal

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.exchange.engine.events import BookChanged, LevelChange, Traded
from arb_pipelines.exchange.engine.orders import Side
from arb_pipelines.exchange.engine.views import BookSnapshot, ExchangeView
from arb_pipelines.exchange.server import topics
from arb_pipelines.exchange.server.documents import Document, levels
from arb_pipelines.exchange.server.streams import Streams
from arb_pipelines.exchange.server.texts import level_text, text


class MarketData:
    """Publishes books, and remembers each symbol's last trade for the tickers."""

    def __init__(self, exchange: ExchangeView, streams: Streams) -> None:
        self._exchange, self._streams = exchange, streams
        self._last: dict[str, tuple[Decimal, Decimal]] = {}

    def traded(self, event: Traded) -> None:
        """Take note of a trade."""
        self._last[event.symbol] = (event.price, event.size)

    def changed(self, event: BookChanged) -> None:
        """Send what subscribers want to know about the changed book."""
        streams, symbol = self._streams, event.symbol
        time_ms = event.time_ns // NS_PER_MS
        if streams.wanted(topic := f"{topics.LEVEL2}:{symbol}"):
            streams.publish(topic, "trade.l2update", increment(event))
        for name, depth in ((topics.DEPTH5, 5), (topics.DEPTH50, 50)):
            if streams.wanted(topic := f"{name}:{symbol}"):
                book = self._exchange.book(symbol, depth)
                data = {"asks": levels(book.asks), "bids": levels(book.bids), "timestamp": time_ms}
                streams.publish(topic, "level2", data)
        if streams.wanted(topic := f"{topics.LEVEL1}:{symbol}"):
            book = self._exchange.book(symbol, 1)
            asks, bids = levels(book.asks), levels(book.bids)
            data = {
                "asks": asks[0] if asks else [],
                "bids": bids[0] if bids else [],
                "timestamp": time_ms,
            }
            streams.publish(topic, "level1", data)
        everything = f"{topics.TICKER}:all"
        if streams.wanted(topic := f"{topics.TICKER}:{symbol}"):
            streams.publish(topic, "trade.ticker", self.ticker(symbol, time_ms))
        if streams.wanted(everything):
            streams.publish(everything, symbol, self.ticker(symbol, time_ms))

    def ticker(self, symbol: str, time_ms: int) -> Document:
        """Best bid and ask, and the last trade: before the first one, the best bid.

        Raises:
            Refused: the symbol is not listed.
        """
        book = self._exchange.book(symbol, 1)
        bid, ask = _best(book.bids), _best(book.asks)
        price, size = self._last.get(symbol) or bid or (None, None)
        return {
            "time": time_ms,
            "sequence": str(book.sequence),
            "price": text(price) if price is not None else None,
            "size": text(size) if size is not None else None,
            "bestBid": text(bid[0]) if bid else None,
            "bestBidSize": text(bid[1]) if bid else None,
            "bestAsk": text(ask[0]) if ask else None,
            "bestAskSize": text(ask[1]) if ask else None,
        }


def increment(event: BookChanged) -> Document:
    """Data of ``trade.l2update``: each change ``[price, size, sequence]``."""

    def side(wanted: Side) -> list[list[str]]:
        return [_change(change) for change in event.changes if change.side is wanted]

    return {
        "changes": {"asks": side(Side.SELL), "bids": side(Side.BUY)},
        "sequenceEnd": event.sequence_end,
        "sequenceStart": event.sequence_start,
        "symbol": event.symbol,
        "time": event.time_ns // NS_PER_MS,
    }


def book_document(book: BookSnapshot, time_ms: int) -> Document:
    """A book as REST answers it."""
    return {
        "time": time_ms,
        "sequence": str(book.sequence),
        "bids": levels(book.bids),
        "asks": levels(book.asks),
    }


def _change(change: LevelChange) -> list[str]:
    return [level_text(change.price), level_text(change.size), str(change.sequence)]


def _best(side: tuple[tuple[Decimal, Decimal], ...]) -> tuple[Decimal, Decimal] | None:
    return side[0] if side else None
