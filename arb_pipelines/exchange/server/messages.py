"""What the private topics say when an order or a balance changed.

Source: KuCoin's pages on the topics, and the recordings of gocryptotrader and
KuCoin.Net in their tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.exchange.engine.events import (
    BalanceChanged,
    Change,
    Event,
    OrderChanged,
    Relation,
)
from arb_pipelines.exchange.engine.orders import Liquidity
from arb_pipelines.exchange.server import topics
from arb_pipelines.exchange.server.documents import Document, account_id
from arb_pipelines.exchange.server.texts import optional_text, text

_TOPICS_OF_ORDERS = (topics.ORDERS_V2, topics.ORDERS_V1)
#: Topic, subject, data, user.
PrivateMessage = tuple[str, str, Document, str]
#: Whether anybody listens to a topic of a user, so that a message is worth making.
Wanted = Callable[[str, str], bool]


def private_messages(event: Event, wanted: Wanted) -> Iterator[PrivateMessage]:
    """Messages of ``event``; an order's come on both topics, but V1 knows no ``received``."""
    if isinstance(event, OrderChanged):
        user = event.order.user
        told = [topic for topic in _TOPICS_OF_ORDERS if wanted(topic, user)]
        if event.change is Change.RECEIVED:
            told = [topic for topic in told if topic != topics.ORDERS_V1]
        if told:
            data = order_changed(event)
            for topic in told:
                yield topic, "orderChange", data, user
    elif isinstance(event, BalanceChanged) and wanted(topics.BALANCE, event.user):
        yield topics.BALANCE, "account.balance", balance_changed(event), event.user


def order_changed(event: OrderChanged) -> Document:
    """Data of ``orderChange``: of the end of an order neither price nor fee, as the venue has it.

    A match::

        {"canceledSize":"0","clientOid":"5c52e11203aa677f33e493fb","feeType":"takerFee",
         "filledSize":"0.00001","liquidity":"taker","matchPrice":"50000","matchSize":"0.00001",
         "orderId":"6720df7640e6fe0007b57696","orderTime":1730208630684,"orderType":"limit",
         "originSize":"0.00001","price":"50000","remainFunds":"0","remainSize":"0",
         "side":"buy","size":"0.00001","status":"match","symbol":"BTC-USDT",
         "tradeId":"11116472408358913","ts":1730208630701000000,"type":"match"}
    """
    order = event.order
    request = order.request
    data: Document = {
        "clientOid": request.client_oid,
        "orderId": order.id,
        "orderTime": order.created_ns // NS_PER_MS,
        "orderType": request.type,
        "originFunds": optional_text(request.funds),
        "originSize": optional_text(request.size),
        "price": optional_text(request.price),
        "side": request.side,
        "status": event.status,
        "symbol": request.symbol,
        "ts": event.time_ns,
        "type": event.change,
    }
    if event.change is Change.RECEIVED:
        return data
    data |= {
        "size": optional_text(request.size),
        "filledSize": text(order.deal_size),
        "canceledSize": text(order.cancelled_size),
        "canceledFunds": text(order.cancelled_funds),
        "remainSize": optional_text(order.remain_size),
        "remainFunds": optional_text(order.remain_funds),
    }
    if event.old_size is not None:
        data["oldSize"] = text(event.old_size)
    if event.fill is not None:
        fill = event.fill
        data |= {
            "liquidity": fill.liquidity,
            "feeType": "takerFee" if fill.liquidity is Liquidity.TAKER else "makerFee",
            "matchPrice": text(fill.price),
            "matchSize": text(fill.size),
            "tradeId": str(fill.trade_id),
        }
    return data


def balance_changed(event: BalanceChanged) -> Document:
    """Data of ``account.balance``: the balance after the change, and what caused it."""
    data: Document = {
        "accountId": account_id(event.user, event.currency),
        "currency": event.currency,
        "total": text(event.total),
        "available": text(event.available),
        "hold": text(event.hold),
        "availableChange": text(event.available_change),
        "holdChange": text(event.hold_change),
        "relationEvent": event.relation,
        "relationEventId": event.order_id or str(event.time_ns),
        "time": str(event.time_ns // NS_PER_MS),
    }
    if event.relation is not Relation.DEPOSIT:
        context = {"symbol": event.symbol, "orderId": event.order_id}
        if event.trade_id is not None:
            context["tradeId"] = str(event.trade_id)
        data["relationContext"] = context
    return data
