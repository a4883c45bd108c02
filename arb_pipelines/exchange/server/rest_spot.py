"""Endpoints of orders and fills: the high-frequency API."""

from __future__ import annotations

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.exchange.engine.archive import HistoryFilter
from arb_pipelines.exchange.engine.orders import OrderType, Side
from arb_pipelines.exchange.engine.refusals import Refused
from arb_pipelines.exchange.server.answers import BAD_PARAMETER, Refusal
from arb_pipelines.exchange.server.documents import (
    Document,
    fill_document,
    order_document,
    sync_document,
)
from arb_pipelines.exchange.server.requests import choice, parse_order
from arb_pipelines.exchange.server.routes import Call, Route
from arb_pipelines.exchange.server.texts import number, text
from arb_pipelines.exchange.server.venue import Venue

_BATCH_MAX = 20
_PAGE_MAX = 100


def _add(venue: Venue, call: Call) -> object:
    order = venue.place(call.user, parse_order(call.document()))
    return {"orderId": order.id, "clientOid": order.request.client_oid}


def _add_sync(venue: Venue, call: Call) -> object:
    return sync_document(venue.place(call.user, parse_order(call.document())))


def _add_test(venue: Venue, call: Call) -> object:
    request = parse_order(call.document())
    return {"orderId": venue.try_order(call.user, request), "clientOid": request.client_oid}


def _add_multi(venue: Venue, call: Call) -> object:
    return [
        answer
        if not answer["success"]
        else {name: answer[name] for name in ("orderId", "clientOid", "success")}
        for answer in _add_each(venue, call)
    ]


def _add_multi_sync(venue: Venue, call: Call) -> object:
    return _add_each(venue, call)


def _add_each(venue: Venue, call: Call) -> list[Document]:
    """Place the orders of a batch one after the other; a refused one stops none."""
    wanted = call.document().get("orderList")
    if not isinstance(wanted, list) or not 1 <= len(wanted) <= _BATCH_MAX:
        raise Refusal(BAD_PARAMETER, f"orderList: 1 to {_BATCH_MAX} orders.")
    answers: list[Document] = []
    for body in wanted:
        try:
            if not isinstance(body, dict):
                raise Refusal(BAD_PARAMETER, "orderList parameter is invalid.")
            order = venue.place(call.user, parse_order(body))
            answers.append(sync_document(order) | {"success": True})
        except Refusal as refusal:
            answers.append({"success": False, "failMsg": refusal.msg})
        except Refused as refused:
            answers.append({"success": False, "failMsg": refused.message})
    return answers


def _alter(venue: Venue, call: Call) -> object:
    body = call.document()
    order = venue.alter(
        call.user,
        order_id=_identity(body, "orderId"),
        client_oid=_identity(body, "clientOid"),
        price=number(body["newPrice"], "newPrice") if body.get("newPrice") else None,
        size=number(body["newSize"], "newSize") if body.get("newSize") else None,
    )
    return {"newOrderId": order.id, "clientOid": order.request.client_oid}


def _identity(body: Document, name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) and value else None


def _cancel(venue: Venue, call: Call) -> object:
    order = venue.cancel(call.user, order_id=call.path("order"))
    return {"orderId": order.id}


def _cancel_sync(venue: Venue, call: Call) -> object:
    return _cancelled(sync_document(venue.cancel(call.user, order_id=call.path("order"))))


def _cancel_client(venue: Venue, call: Call) -> object:
    order = venue.cancel(call.user, client_oid=call.path("client"))
    return {"clientOid": order.request.client_oid}


def _cancel_client_sync(venue: Venue, call: Call) -> object:
    return _cancelled(sync_document(venue.cancel(call.user, client_oid=call.path("client"))))


def _cancelled(document: Document) -> Document:
    return {k: v for k, v in document.items() if k not in ("orderTime", "matchTime")}


def _cancel_part(venue: Venue, call: Call) -> object:
    size = number(call.query("cancelSize"), "cancelSize")
    order_id = call.path("order")
    venue.cancel_part(call.user, order_id, size)
    return {"orderId": order_id, "cancelSize": text(size)}


def _cancel_symbol(venue: Venue, call: Call) -> object:
    venue.cancel_all(call.user, call.query("symbol"))
    return "success"


def _cancel_all(venue: Venue, call: Call) -> object:
    return {"succeedSymbols": venue.cancel_all(call.user, None), "failedSymbols": []}


def _order(venue: Venue, call: Call) -> object:
    return _found(venue, call, order_id=call.path("order"))


def _order_client(venue: Venue, call: Call) -> object:
    return _found(venue, call, client_oid=call.path("client"))


def _found(
    venue: Venue, call: Call, *, order_id: str | None = None, client_oid: str | None = None
) -> Document:
    order = venue.exchange.order(call.user, order_id=order_id, client_oid=client_oid)
    if order is None:
        raise Refusal("100001", "error.getOrder.orderNotExist")
    return order_document(order)


def _active(venue: Venue, call: Call) -> object:
    orders = venue.exchange.active_orders(call.user, call.query("symbol"))
    return [order_document(order) for order in orders]


def _active_page(venue: Venue, call: Call) -> object:
    size = call.integer("pageSize", 20, most=_PAGE_MAX)
    page = call.integer("pageNum", 1, most=1_000_000)
    orders = venue.exchange.active_orders(call.user, call.query("symbol"))
    return {
        "currentPage": page,
        "pageSize": size,
        "totalNum": len(orders),
        "totalPage": -(-len(orders) // size),
        "items": [order_document(order) for order in orders[(page - 1) * size : page * size]],
    }


def _active_symbols(venue: Venue, call: Call) -> object:
    orders = venue.exchange.active_orders(call.user)
    return {"symbols": sorted({order.request.symbol for order in orders})}


def _done(venue: Venue, call: Call) -> object:
    call.query("symbol")
    page = venue.exchange.done_orders(
        call.user,
        _history(call),
        last_id=call.time_ms("lastId") or 0,
        limit=call.integer("limit", 20, most=_PAGE_MAX),
    )
    return {"lastId": page.last_id, "items": [order_document(order) for order in page.items]}


def _fills(venue: Venue, call: Call) -> object:
    if not call.request.query.get("orderId"):
        call.query("symbol")
    page = venue.exchange.fills(
        call.user,
        _history(call),
        last_id=call.time_ms("lastId") or 0,
        limit=call.integer("limit", 20, most=_PAGE_MAX),
    )
    return {"lastId": page.last_id, "items": [fill_document(fill) for fill in page.items]}


def _history(call: Call) -> HistoryFilter:
    query = call.request.query
    start, end = call.time_ms("startAt"), call.time_ms("endAt")
    return HistoryFilter(
        symbol=query.get("symbol") or None,
        side=choice(Side, query["side"], "side") if query.get("side") else None,
        type=choice(OrderType, query["type"], "type") if query.get("type") else None,
        order_id=query.get("orderId") or None,
        start_ns=None if start is None else start * NS_PER_MS,
        end_ns=None if end is None else (end + 1) * NS_PER_MS - 1,
    )


_ORDERS = "/api/v1/hf/orders"
ROUTES = [
    Route("POST", _ORDERS, 1, _add, permission="Spot"),
    Route("POST", f"{_ORDERS}/sync", 1, _add_sync, permission="Spot"),
    Route("POST", f"{_ORDERS}/test", 1, _add_test, permission="Spot"),
    Route("POST", f"{_ORDERS}/multi", 1, _add_multi, permission="Spot"),
    Route("POST", f"{_ORDERS}/multi/sync", 1, _add_multi_sync, permission="Spot"),
    Route("POST", f"{_ORDERS}/alter", 1, _alter, permission="Spot"),
    Route("DELETE", _ORDERS, 2, _cancel_symbol, permission="Spot"),
    Route("DELETE", f"{_ORDERS}/cancelAll", 30, _cancel_all, permission="Spot"),
    Route("DELETE", f"{_ORDERS}/cancel/{{order}}", 2, _cancel_part, permission="Spot"),
    Route("DELETE", f"{_ORDERS}/sync/client-order/{{client}}", 1, _cancel_client_sync,
          permission="Spot"),
    Route("DELETE", f"{_ORDERS}/sync/{{order}}", 1, _cancel_sync, permission="Spot"),
    Route("DELETE", f"{_ORDERS}/client-order/{{client}}", 1, _cancel_client, permission="Spot"),
    Route("DELETE", f"{_ORDERS}/{{order}}", 1, _cancel, permission="Spot"),
    Route("GET", f"{_ORDERS}/active", 2, _active),
    Route("GET", f"{_ORDERS}/active/page", 2, _active_page),
    Route("GET", f"{_ORDERS}/active/symbols", 2, _active_symbols, permission="Spot"),
    Route("GET", f"{_ORDERS}/done", 2, _done),
    Route("GET", f"{_ORDERS}/client-order/{{client}}", 2, _order_client),
    Route("GET", f"{_ORDERS}/{{order}}", 2, _order),
    Route("GET", "/api/v1/hf/fills", 2, _fills),
]  # fmt: skip
