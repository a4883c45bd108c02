"""Endpoints of the market: symbols, currencies, books, tickers, time, WebSocket tokens."""

from __future__ import annotations

import msgspec

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.exchange.engine.refusals import unknown_symbol
from arb_pipelines.exchange.server.documents import (
    Document,
    currency_document,
    symbol_document,
)
from arb_pipelines.exchange.server.market_data import book_document
from arb_pipelines.exchange.server.routes import Call, Route
from arb_pipelines.exchange.server.streams import PING_INTERVAL_MS, PING_TIMEOUT_MS
from arb_pipelines.exchange.server.texts import text
from arb_pipelines.exchange.server.venue import Venue
from arb_pipelines.exchange.server.weights import Pool

#: Path of the WebSocket topics.
ENDPOINT = "/endpoint"


def _timestamp(venue: Venue, _call: Call) -> object:
    return venue.clock.now_ns() // NS_PER_MS


def _status(venue: Venue, _call: Call) -> object:
    return msgspec.to_builtins(venue.service)


def _currencies(venue: Venue, _call: Call) -> object:
    return list(_all_currencies(venue).values())


def _currency(venue: Venue, call: Call) -> object:
    return _all_currencies(venue).get(call.path("currency"))


def _symbols(venue: Venue, _call: Call) -> object:
    return [symbol_document(listed) for listed in venue.exchange.symbols()]


def _symbol(venue: Venue, call: Call) -> object:
    wanted = call.path("symbol")
    for listed in venue.exchange.symbols():
        if listed.symbol == wanted:
            return symbol_document(listed)
    raise unknown_symbol(wanted)


def _no_symbols(_venue: Venue, _call: Call) -> object:
    return []


def _no_symbol_items(venue: Venue, _call: Call) -> object:
    return {"timestamp": venue.clock.now_ns() // NS_PER_MS, "items": []}


def _all_tickers(venue: Venue, _call: Call) -> object:
    time_ms = venue.clock.now_ns() // NS_PER_MS
    return {"time": time_ms, "ticker": [_ticker_row(venue, s, time_ms) for s in venue.symbols]}


def _ticker_row(venue: Venue, symbol: str, time_ms: int) -> Document:
    """One of all tickers; nothing is known of the last 24 hours but the last price."""
    ticker = venue.market_data.ticker(symbol, time_ms)
    listed, fees = venue.symbols[symbol], venue.exchange.fees()
    return {
        "symbol": symbol,
        "symbolName": symbol,
        "buy": ticker["bestBid"],
        "bestBidSize": ticker["bestBidSize"],
        "sell": ticker["bestAsk"],
        "bestAskSize": ticker["bestAskSize"],
        "changeRate": "0",
        "changePrice": "0",
        "high": ticker["price"],
        "low": ticker["price"],
        "vol": "0",
        "volValue": "0",
        "last": ticker["price"],
        "averagePrice": ticker["price"],
        "takerFeeRate": text(fees.taker),
        "makerFeeRate": text(fees.maker),
        "takerCoefficient": text(listed.taker_fee_coefficient),
        "makerCoefficient": text(listed.maker_fee_coefficient),
    }


def _level1(venue: Venue, call: Call) -> object:
    return venue.market_data.ticker(call.query("symbol"), venue.clock.now_ns() // NS_PER_MS)


def _level2_20(venue: Venue, call: Call) -> object:
    return _book(venue, call, 20)


def _level2_100(venue: Venue, call: Call) -> object:
    return _book(venue, call, 100)


def _level2(venue: Venue, call: Call) -> object:
    return _book(venue, call, None)


def _book(venue: Venue, call: Call, depth: int | None) -> Document:
    time_ms = venue.clock.now_ns() // NS_PER_MS
    return book_document(venue.exchange.book(call.query("symbol"), depth), time_ms)


def _bullet(venue: Venue, call: Call) -> object:
    scheme = "wss" if call.request.secure else "ws"
    server = {
        "endpoint": f"{scheme}://{call.request.host}{ENDPOINT}",
        "encrypt": call.request.secure,
        "protocol": "websocket",
        "pingInterval": PING_INTERVAL_MS,
        "pingTimeout": PING_TIMEOUT_MS,
    }
    return {"token": venue.tokens.issue(call.user or None), "instanceServers": [server]}


def _all_currencies(venue: Venue) -> dict[str, Document]:
    listed = venue.symbols.values()
    names = sorted({symbol.base for symbol in listed} | {symbol.quote for symbol in listed})
    return {name: currency_document(name) for name in names}


ROUTES = [
    Route("GET", "/api/v1/timestamp", 3, _timestamp, Pool.PUBLIC, None),
    Route("GET", "/api/v1/status", 3, _status, Pool.PUBLIC, None),
    Route("GET", "/api/v3/currencies", 3, _currencies, Pool.PUBLIC, None),
    Route("GET", "/api/v3/currencies/{currency}", 3, _currency, Pool.PUBLIC, None),
    Route("GET", "/api/v2/symbols", 4, _symbols, Pool.PUBLIC, None),
    Route("GET", "/api/v2/symbols/{symbol}", 4, _symbol, Pool.PUBLIC, None),
    Route("GET", "/api/v1/market/allTickers", 15, _all_tickers, Pool.PUBLIC, None),
    Route("GET", "/api/v1/market/orderbook/level1", 2, _level1, Pool.PUBLIC, None),
    Route("GET", "/api/v1/market/orderbook/level2_20", 2, _level2_20, Pool.PUBLIC, None),
    Route("GET", "/api/v1/market/orderbook/level2_100", 2, _level2_100, Pool.PUBLIC, None),
    Route("POST", "/api/v1/bullet-public", 10, _bullet, Pool.PUBLIC, None),
    Route("POST", "/api/v1/bullet-private", 10, _bullet, Pool.PUBLIC),
    Route("GET", "/api/v3/market/orderbook/level2", 3, _level2),
    # Nothing is traded on margin here; clients ask when they load the markets.
    Route("GET", "/api/v3/margin/symbols", 3, _no_symbol_items),
    Route("GET", "/api/v1/isolated/symbols", 3, _no_symbols),
]
