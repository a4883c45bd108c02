"""KuCoin's names for what a session can subscribe to.

Source: https://www.kucoin.com/docs-new/websocket-api/base-info/introduction
"""

from __future__ import annotations

TICKER = "/market/ticker"
LEVEL2 = "/market/level2"
DEPTH5 = "/spotMarket/level2Depth5"
DEPTH50 = "/spotMarket/level2Depth50"
LEVEL1 = "/spotMarket/level1"
ORDERS_V2 = "/spotMarket/tradeOrdersV2"
ORDERS_V1 = "/spotMarket/tradeOrders"
BALANCE = "/account/balance"

OF_SYMBOLS = frozenset({TICKER, LEVEL2, DEPTH5, DEPTH50, LEVEL1})
PRIVATE = frozenset({ORDERS_V2, ORDERS_V1, BALANCE})

#: Most symbols one subscription may name, and one session may hold.
REQUEST_MAX, SESSION_MAX = 100, 300


def parse_topic(text: str) -> tuple[str, tuple[str, ...]]:
    """Part ``/market/level2:BTC-USDT,ETH-BTC`` into its name and symbols; blanks are ignored."""
    name, _, symbols = text.partition(":")
    return name, tuple(symbol.strip() for symbol in symbols.split(",") if symbol.strip())
