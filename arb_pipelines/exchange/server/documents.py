"""What REST answers say about symbols, books, orders, fills and accounts.

Source: the OpenAPI files of KuCoin's official SDK, 1.3.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from functools import cache

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.exchange.engine.accounts import Balance
from arb_pipelines.exchange.engine.orders import Fill, Order
from arb_pipelines.exchange.engine.symbols import ListedSymbol
from arb_pipelines.exchange.server.texts import level_text, optional_text, text

Document = dict[str, object]

#: Markets of the quote currencies that have one of their own.
_MARKETS = {"USDT": "USDS", "USDC": "USDS", "BTC": "BTC", "KCS": "KCS"}


def symbol_document(symbol: ListedSymbol) -> Document:
    """An entry of ``/api/v2/symbols``."""
    return {
        "symbol": symbol.symbol,
        "name": symbol.symbol,
        "baseCurrency": symbol.base,
        "quoteCurrency": symbol.quote,
        "feeCurrency": symbol.quote,
        "market": _MARKETS.get(symbol.quote, "ALTS"),
        "baseMinSize": text(symbol.base_min_size),
        "quoteMinSize": text(symbol.quote_min_size),
        "baseMaxSize": text(symbol.base_max_size),
        "quoteMaxSize": text(symbol.quote_max_size),
        "baseIncrement": text(symbol.base_increment),
        "quoteIncrement": text(symbol.quote_increment),
        "priceIncrement": text(symbol.price_increment),
        "priceLimitRate": text(symbol.price_limit_rate),
        "minFunds": text(symbol.min_funds),
        "isMarginEnabled": False,
        "enableTrading": symbol.enabled,
        "feeCategory": 1,
        "makerFeeCoefficient": text(symbol.maker_fee_coefficient),
        "takerFeeCoefficient": text(symbol.taker_fee_coefficient),
        "st": False,
        "callauctionIsEnabled": False,
        "callauctionPriceFloor": None,
        "callauctionPriceCeiling": None,
        "callauctionFirstStageStartTime": None,
        "callauctionSecondStageStartTime": None,
        "callauctionThirdStageStartTime": None,
        "tradingStartTime": None,
    }


def currency_document(currency: str) -> Document:
    """An entry of ``/api/v3/currencies``: a currency without chains, for nothing leaves here."""
    return {
        "currency": currency,
        "name": currency,
        "fullName": currency,
        "precision": 8,
        "confirms": None,
        "contractAddress": None,
        "isMarginEnabled": False,
        "isDebitEnabled": False,
        "chains": [],
    }


def levels(side: Iterable[tuple[Decimal, Decimal]]) -> list[tuple[str, str]]:
    """Levels of a book as the venue writes them: ``[["60000.1","0.25"], ...]``."""
    return [(level_text(price), level_text(size)) for price, size in side]


def order_document(order: Order) -> Document:
    """An order's detail."""
    request = order.request
    return {
        "id": order.id,
        "clientOid": request.client_oid,
        "symbol": request.symbol,
        "opType": "DEAL",
        "type": request.type,
        "side": request.side,
        "price": optional_text(request.price),
        "size": optional_text(request.size),
        "funds": optional_text(request.funds),
        "dealSize": text(order.deal_size),
        "dealFunds": text(order.deal_funds),
        "remainSize": optional_text(order.remain_size),
        "remainFunds": optional_text(order.remain_funds),
        "cancelledSize": text(order.cancelled_size),
        "cancelledFunds": text(order.cancelled_funds),
        "fee": text(order.fee),
        "feeCurrency": order.fee_currency,
        "stp": request.stp,
        "timeInForce": request.time_in_force,
        "postOnly": request.post_only,
        "hidden": request.hidden,
        "iceberg": request.iceberg,
        "visibleSize": "0",
        "cancelAfter": -1 if request.cancel_after_s is None else request.cancel_after_s,
        "channel": "API",
        "remark": request.remark,
        "tags": request.tags,
        "cancelExist": order.cancel_exist,
        "tradeType": "TRADE",
        "inOrderBook": order.in_book,
        "active": order.active,
        "tax": "0",
        "createdAt": order.created_ns // NS_PER_MS,
        "lastUpdatedAt": order.updated_ns // NS_PER_MS,
    }


def sync_document(order: Order) -> Document:
    """What ``/sync`` answers: how far the order came. Sizes are funds on an order by funds."""
    by_funds = order.request.size is None
    origin = order.request.funds if by_funds else order.request.size
    return {
        "orderId": order.id,
        "clientOid": order.request.client_oid,
        "orderTime": order.created_ns // NS_PER_MS,
        "originSize": optional_text(origin),
        "dealSize": text(order.deal_funds if by_funds else order.deal_size),
        "remainSize": optional_text(order.remain_funds if by_funds else order.remain_size),
        "canceledSize": text(order.cancelled_funds if by_funds else order.cancelled_size),
        "status": "open" if order.active else "done",
        "matchTime": order.updated_ns // NS_PER_MS,
    }


def fill_document(fill: Fill) -> Document:
    """An entry of ``/api/v1/hf/fills``."""
    return {
        "id": fill.id,
        "symbol": fill.symbol,
        "tradeId": fill.trade_id,
        "orderId": fill.order_id,
        "counterOrderId": fill.counter_order_id,
        "side": fill.side,
        "liquidity": fill.liquidity,
        "forceTaker": False,
        "price": text(fill.price),
        "size": text(fill.size),
        "funds": text(fill.funds),
        "fee": text(fill.fee),
        "feeRate": text(fill.fee_rate),
        "feeCurrency": fill.fee_currency,
        "stop": "",
        "tradeType": "TRADE",
        "taxRate": "0",
        "tax": "0",
        "type": fill.type,
        "createdAt": fill.time_ns // NS_PER_MS,
    }


def account_document(user: str, currency: str, balance: Balance, kind: str) -> Document:
    """An entry of ``/api/v1/accounts`` of type ``kind``."""
    return {
        "id": account_id(user, currency),
        "currency": currency,
        "type": kind,
        "balance": text(balance.total),
        "available": text(balance.available),
        "holds": text(balance.hold),
    }


@cache
def account_id(user: str, currency: str) -> str:
    """Name an account so that it is the same after a restart."""
    return hashlib.blake2b(f"{user}/{currency}".encode(), digest_size=12).hexdigest()
