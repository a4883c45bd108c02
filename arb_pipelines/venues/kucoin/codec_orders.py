"""KuCoin's messages about orders and balances as msgspec structs, with exact amounts.

As in ``codec`` every parser quotes one message, and what cannot be is ``ProtocolViolation``.
What the messages do belongs to ``account`` and ``order_entry``.

Source: https://www.kucoin.com/docs-new, and the OpenAPI files of kucoin-universal-sdk.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.errors import ProtocolViolation
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import OrderKind
from arb_pipelines.venues.base import NewOrder, OrderReport
from arb_pipelines.venues.kucoin.limits import Quota

_LARGEST = Decimal(10) ** 30
_SIDES = {"buy": BUY, "sell": SELL}


# -- The account --------------------------------------------------------------------------


class OrderChange(msgspec.Struct, rename="camel"):
    """``{"symbol":"KCS-USDT","orderType":"limit","side":"sell","orderId":"5efab079","type":"match",
    "liquidity":"taker","orderTime":1593487482038,"size":"0.1","filledSize":"0.1","price":"0.938",
    "matchPrice":"0.96738","matchSize":"0.1","tradeId":"5efab07a","clientOid":"1593487481000313",
    "remainSize":"0","status":"match","ts":1593487482038606180}``; ``ts`` is in ns. ``received``
    has no sizes, the last message of an order (``status`` is ``done``) no price of a match.
    """

    symbol: str
    side: str
    order_id: str
    type: str
    status: str
    ts: int
    client_oid: str = ""
    filled_size: Decimal = Decimal(0)
    match_price: Decimal | None = None
    match_size: Decimal | None = None
    trade_id: str = ""
    liquidity: str = ""


class BalanceContext(msgspec.Struct, rename="camel"):
    """What moved a balance: ``{"symbol":"BTC-USDT","tradeId":"5e6a","orderId":"5ea1"}``."""

    order_id: str | None = None


class BalanceMessage(msgspec.Struct, rename="camel"):
    """``{"accountId":"5bd6","currency":"KCS","total":"88","available":"88","availableChange":"88",
    "hold":"0","holdChange":"0","relationContext":{"symbol":"BTC-USDT","orderId":"5ea1"},
    "relationEvent":"trade_hf.hold","relationEventId":"5c21","time":"1545743136994"}``; ms.
    """

    currency: str
    available: Decimal
    hold: Decimal
    relation_event: str
    time: int
    relation_context: BalanceContext | None = None


class AccountRow(msgspec.Struct):
    """``{"id":"5bd6","currency":"BTC","type":"trade","balance":"2","available":"1","holds":"1"}``"""

    currency: str
    type: str
    available: Decimal
    holds: Decimal


class OrderDetail(msgspec.Struct, rename="camel"):
    """``{"id":"5f31","clientOid":"6d53","symbol":"KCS-BTC","type":"limit","side":"buy",
    "dealSize":"1","dealFunds":"0.00001","fee":"0.00000001","feeCurrency":"BTC","active":false,
    "cancelExist":false,"createdAt":1547026471000,"lastUpdatedAt":1547026471001}``; ms, and more.
    """

    id: str
    symbol: str
    side: str
    active: bool
    cancel_exist: bool
    deal_size: Decimal
    deal_funds: Decimal
    fee: Decimal
    fee_currency: str
    last_updated_at: int
    client_oid: str | None = None


class FillRow(msgspec.Struct, rename="camel"):
    """``{"id":2678765568,"orderId":"6306","tradeId":616179312641,"symbol":"BTC-ETC","side":"buy",
    "liquidity":"taker","price":"1","size":"1","funds":"1","fee":"0.00021","feeRate":"0.00021",
    "feeCurrency":"USDT","createdAt":1661390702919}``; ms.
    """

    order_id: str
    symbol: str
    side: str
    trade_id: str | int
    liquidity: str
    price: Decimal
    size: Decimal
    funds: Decimal
    fee: Decimal
    fee_currency: str
    created_at: int


class FillPage(msgspec.Struct, rename="camel"):
    """``{"items":[{"id":2678765568,…}],"lastId":2678765568}``"""

    items: list[FillRow]
    last_id: int = 0


class OrderPage(msgspec.Struct, rename="camel"):
    """``{"items":[{"id":"5f31","clientOid":"6d53",…}],"lastId":2678765568}``"""

    items: list[OrderDetail]
    last_id: int = 0


class OpenSymbols(msgspec.Struct):
    """``{"symbols":["BTC-USDT"]}``"""

    symbols: list[str]


def report_of(detail: OrderDetail) -> OrderReport:
    """Give an order's detail as every venue's.

    Raises:
        ProtocolViolation: an amount or side that is none.
    """
    return OrderReport(
        client_id=detail.client_oid or "",
        order_id=detail.id,
        symbol=detail.symbol,
        side=side_of(detail.side),
        active=detail.active,
        cancelled=detail.cancel_exist,
        size=amount(detail.deal_size, "dealSize"),
        funds=amount(detail.deal_funds, "dealFunds"),
        fee=detail.fee,
        fee_currency=detail.fee_currency,
        ts_event=detail.last_updated_at * NS_PER_MS,
    )


def side_of(text: str) -> int:
    """``buy`` or ``sell`` as ``market.graph`` has it.

    Raises:
        ProtocolViolation: it is neither.
    """
    if text not in _SIDES:
        raise ProtocolViolation(f"{text[:20]!r} is not a side of an order")
    return _SIDES[text]


def amount(value: Decimal | None, what: str) -> Decimal:
    """Make sure that a number of the account is there, finite and not negative.

    Raises:
        ProtocolViolation: it is not.
    """
    if value is None or not value.is_finite() or not 0 <= value < _LARGEST:
        raise ProtocolViolation(f"{what} is {value}, not an amount")
    return value


# -- Orders ------------------------------------------------------------------------------


class Placed(msgspec.Struct, rename="camel"):
    """``{"orderId":"5bd6e9286d99522a52e458de","clientOid":"5c52e11203aa677f33e493fb"}``"""

    order_id: str
    client_oid: str = ""


class SocketQuota(msgspec.Struct):
    """``{"limit":4000,"reset":29976,"remaining":3999}``; ``reset`` in ms."""

    limit: int
    reset: int
    remaining: int


class SocketAnswer(msgspec.Struct, rename="camel"):
    """``{"id":"1","op":"spot.order","code":"200000","data":{"orderId":"5bd6","clientOid":"5c52"},
    "inTime":1700000000000,"outTime":1700000000001,"rateLimit":{"limit":4000,"reset":29976,
    "remaining":3999}}``, ``{"id":"2","op":"pong","timestamp":1700000000000}``, and at login
    ``{"sessionId":"a1","timestamp":1700000000000}``, then
    ``{"sessionId":"a1","data":"welcome","pingInterval":18000,"pingTimeout":10000}``.
    """

    id: str = ""
    code: str = ""
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    rate_limit: SocketQuota | None = None
    ping_interval: int = 0
    ping_timeout: int = 10_000

    def quota(self) -> Quota | None:
        """What it tells of the rate budget."""
        told = self.rate_limit
        return Quota(told.limit, told.remaining, told.reset) if told else None


def order_fields(order: NewOrder) -> dict[str, str | bool]:
    """The body of an order.

    ``{"clientOid":"5c52","symbol":"BTC-USDT","side":"buy","type":"market","funds":"50"}`` or
    ``{…,"type":"limit","size":"0.001","price":"64000.1","timeInForce":"IOC"}``, or ``"GTC"``,
    with ``"postOnly":true`` where it may not trade at once.
    """
    fields: dict[str, str | bool] = {
        "clientOid": order.client_id,
        "symbol": order.symbol,
        "side": "buy" if order.side == BUY else "sell",
        "type": order.kind.value,
    }
    if order.size is not None:
        fields["size"] = f"{order.size:f}"
    if order.funds is not None:
        fields["funds"] = f"{order.funds:f}"
    if order.kind is OrderKind.LIMIT:
        fields["price"] = f"{order.price:f}"
        fields["timeInForce"] = order.time_in_force.name
    if order.post_only:
        fields["postOnly"] = True
    return fields
