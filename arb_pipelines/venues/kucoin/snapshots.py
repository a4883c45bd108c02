"""KuCoin's market asked for once, by REST: one book, or the best prices of all symbols.

Books that are kept belong to ``books``.

Source: https://www.kucoin.com/docs-new/rest/spot-trading/market-data/get-part-orderbook and
get-all-tickers
"""

from __future__ import annotations

from arb_pipelines.clock import steady_ns
from arb_pipelines.market.book import Top
from arb_pipelines.trading.events import Book
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.books import event_ns, ladder, whole_book
from arb_pipelines.venues.kucoin.codec import AllTickers, FullBook, Reader
from arb_pipelines.venues.kucoin.rest import Rest

_BOOK = Reader(FullBook, "a book")
_TICKERS = Reader(AllTickers, "the tickers of all symbols")


async def ask_book(client: Rest, symbol: str, depth: int) -> Book:
    """Ask for a book of at most ``depth`` levels a side: the cheapest call that has as many.

    Raises:
        VenueError: no answer, or none that makes sense.
    """
    call = rest.BOOK_20 if depth <= 20 else rest.BOOK_100 if depth <= 100 else rest.FULL_BOOK
    told = _BOOK.read(await client.call(call, query={"symbol": symbol}))
    bids, asks = ladder(told.bids[:depth]), ladder(told.asks[:depth])
    return whole_book(symbol, bids, asks, steady_ns(), event_ns(told.time))


async def ask_tops(client: Rest) -> dict[str, Top]:
    """Ask for the best prices of all symbols.

    Raises:
        VenueError: no answer, or none that makes sense.
    """
    told = _TICKERS.read(await client.call(rest.ALL_TICKERS))
    return {row.symbol: Top(row.buy or 0.0, row.sell or 0.0) for row in told.ticker}
