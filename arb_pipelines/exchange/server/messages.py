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
    Events,
    OrderChanged,
    Relation,
)
from arb_pipelines.exchange.engine.orders import Liquidity, Order
from arb_pipelines.exchange.server import topics
from arb_pipelines.exchange.server.documents import Document, account_id
from arb_pipelines.exchange.server.texts import optional_text, text

_TOPICS = (topics.ORDERS_V2, topics.ORDERS_V1)
_TOPICS_OF_RECEIPTS = (topics.ORDERS_V2,)
#: Topic, subject, data, user.
PrivateMessage = tuple[str, str, Document, str]
#: Whether anybody listens to a topic of a user, so that a message is worth making.
Wanted = Callable[[str, str], bool]


def private_messages(events: Events, wanted: Wanted) -> Iterator[PrivateMessage]:
    """Messages of a call; an order's come on both topics, but V1 knows no ``received``."""
    heads: dict[str, Document] = {}
    for event in events:
        if isinstance(event, OrderChanged):
            order, change = event.order, event.change
            told = [
                topic
                for topic in (_TOPICS_OF_RECEIPTS if change is Change.RECEIVED else _TOPICS)
                if wanted(topic, order.user)
            ]
            if told:
                head = heads.get(order.id)
                if head is None:
                    head = heads[order.id] = _head(order)
                data = order_changed(event, head)
                for topic in told:
                    yield topic, "orderChange", data, order.user
        elif isinstance(event, BalanceChanged) and wanted(topics.BALANCE, event.user):
            yield topics.BALANCE, "account.balance", balance_changed(event), event.user


def _head(order: Order) -> Document:
    """What all messages of an order say."""
    request = order.request
    return {
        "clientOid": request.client_oid,
        "orderId": order.id,
        "orderTime": order.created_ns // NS_PER_MS,
        "orderType": request.type,
        "originFunds": optional_text(request.funds),
        "originSize": optional_text(request.size),
        "price": optional_text(request.price),
        "side": request.side,
        "symbol": request.symbol,
    }


def order_changed(event: OrderChanged, head: Document) -> Document:
    """Data of ``orderChange``: of the end of an order neither price nor fee, as the venue has it.

    A match::

        {"canceledSize":"0","clientOid":"5c52e11203aa677f33e493fb","feeType":"takerFee",
         "filledSize":"0.00001","liquidity":"taker","matchPrice":"50000","matchSize":"0.00001",
         "orderId":"6720df7640e6fe0007b57696","orderTime":1730208630684,"orderType":"limit",
         "originSize":"0.00001","price":"50000","remainFunds":"0","remainSize":"0",
         "side":"buy","size":"0.00001","status":"match","symbol":"BTC-USDT",
         "tradeId":"11116472408358913","ts":1730208630701000000,"type":"match"}
    """
    data = {**head, "status": event.status, "ts": event.time_ns, "type": event.change}
    if event.change is Change.RECEIVED:
        return data
    order = event.order
    data["size"] = head["originSize"]
    data["filledSize"] = text(order.deal_size)
    data["canceledSize"] = text(order.cancelled_size)
    data["canceledFunds"] = text(order.cancelled_funds)
    data["remainSize"] = optional_text(order.remain_size)
    data["remainFunds"] = optional_text(order.remain_funds)
    if event.old_size is not None:
        data["oldSize"] = text(event.old_size)
    fill = event.fill
    if fill is not None:
        data["liquidity"] = fill.liquidity
        data["feeType"] = "takerFee" if fill.liquidity is Liquidity.TAKER else "makerFee"
        data["matchPrice"] = text(fill.price)
        data["matchSize"] = text(fill.size)
        data["tradeId"] = str(fill.trade_id)
    return data


def balance_changed(event: BalanceChanged) -> Document:
    """Data of ``account.balance``: the balance after the change, and what caused it."""
    available = text(event.available)
    data: Document = {
        "accountId": account_id(event.user, event.currency),
        "currency": event.currency,
        "total": text(event.total) if event.hold else available,
        "available": available,
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
