"""Lists of an account's open orders and executions, through ccxt.

Exchanges page in their own ways, some from the oldest on and some from the newest; a time that
holds a full page is asked for again in halves, which is right for all that take an end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.errors import ProtocolViolation, Rejected
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.venues.base import OrderReport, OwnFill
from arb_pipelines.venues.ccxt_any.failures import asking
from arb_pipelines.venues.ccxt_any.numbers import exact
from arb_pipelines.venues.ccxt_any.orders import Listed, report_of

_MS_PER_DAY = 24 * 3600 * 1000
#: What an exchange gives at once where its class does not say.
_PAGE = 100


async def ask_open_orders(
    client: Any, listed: Mapping[str, Listed], symbols: Collection[str]
) -> list[OrderReport]:
    """Ask for the orders on some symbols that may still fill, in one question where one will do.

    Raises:
        Rejected: the class has no such question.
        Transient, Fatal, ProtocolViolation: no answer, or none that makes sense.
    """
    _expect(client, "fetchOpenOrders")
    names = {listed[symbol].name: symbol for symbol in symbols}
    with asking("open orders", acts=False):
        if not _feature(client, "fetchOpenOrders", "symbolRequired", True):
            found = await client.fetch_open_orders()
        else:
            found = [order for name in names for order in await client.fetch_open_orders(name)]
    return [report_of(order, names[order["symbol"]]) for order in found if order["symbol"] in names]


async def ask_fills(
    client: Any,
    listed: Mapping[str, Listed],
    since_ns: int,
    now_ns: int,
    symbols: Collection[str],
) -> list[OwnFill]:
    """Ask for all executions on some symbols since a time, the oldest first.

    Raises:
        Rejected: the class has no such question.
        Transient, Fatal, ProtocolViolation: no answer, or none that makes sense.
    """
    _expect(client, "fetchMyTrades")
    found: dict[tuple[str, str], OwnFill] = {}
    for symbol in symbols:
        name, client_ids = listed[symbol].name, dict[str, str]()
        for trade in await _trades(client, name, since_ns // NS_PER_MS, now_ns // NS_PER_MS):
            order_id = str(trade.get("order") or "")
            if order_id and order_id not in client_ids:
                client_ids[order_id] = await _client_id(client, order_id, name)
            fill = _fill_of(trade, symbol, order_id, client_ids.get(order_id, ""))
            found[symbol, fill.trade_id] = fill
    return sorted(found.values(), key=lambda fill: (fill.ts_event, fill.trade_id))


async def _trades(client: Any, name: str, since_ms: int, now_ms: int) -> list[Mapping[str, Any]]:
    """Ask for the executions on a symbol within a time, both ends included."""
    until_days = _feature(client, "fetchMyTrades", "untilDays", None)
    page = int(_feature(client, "fetchMyTrades", "limit", None) or _PAGE)
    with asking(f"executions on {name}", acts=False):
        if until_days is None:
            return await _onwards(client, name, since_ms, page)
        step_ms = min(int(until_days), 7) * _MS_PER_DAY
        found: list[Mapping[str, Any]] = []
        spans = [(at, min(at + step_ms - 1, now_ms)) for at in range(since_ms, now_ms + 1, step_ms)]
        while spans:
            start, end = spans.pop()
            told = await client.fetch_my_trades(name, start, page, {"until": end})
            if len(told) < page or start >= end:
                found += told
            else:
                middle = (start + end) // 2
                spans += [(start, middle), (middle + 1, end)]
        return found


async def _onwards(client: Any, name: str, since_ms: int, page: int) -> list[Mapping[str, Any]]:
    """Ask from a time on, and from the last that was told, until nothing new is."""
    found: dict[str, Mapping[str, Any]] = {}
    while True:
        told = await client.fetch_my_trades(name, since_ms, page)
        new = {str(trade["id"]): trade for trade in told if str(trade["id"]) not in found}
        if not new:
            return list(found.values())
        found |= new
        since_ms = max(int(trade["timestamp"]) for trade in told)


async def _client_id(client: Any, order_id: str, name: str) -> str:
    """Ask for an order's client id; "" where that is not told."""
    if not client.has.get("fetchOrder"):
        return ""
    try:
        with asking(f"order {order_id}", acts=False):
            return str((await client.fetch_order(order_id, name)).get("clientOrderId") or "")
    except Rejected:  # listed no more
        return ""


def _fill_of(
    trade: Mapping[str, Any], symbol: str, order_id: str, client_id: str
) -> OwnFill:  # fmt: skip
    """Read ccxt's trade structure.

    ``{"id": "616", "order": "5bd6", "symbol": "BTC/USDT", "side": "buy", "price": 64001.0,
    "amount": 0.1, "cost": 6400.1, "fee": {"cost": 6.4, "currency": "USDT"},
    "timestamp": 1700000000000}``; ms, and more.
    """
    sides, fee = {"buy": BUY, "sell": SELL}, trade.get("fee") or {}
    if trade.get("side") not in sides or fee.get("cost") is None:
        raise ProtocolViolation(
            f"execution {trade.get('id')}: side {trade.get('side')}, fee {fee.get('cost')}"
        )
    price, size = exact(trade.get("price")), exact(trade.get("amount"))
    return OwnFill(
        client_id=client_id,
        order_id=order_id,
        trade_id=str(trade["id"]),
        symbol=symbol,
        side=sides[str(trade["side"])],
        price=price,
        size=size,
        funds=price * size,
        fee=exact(fee["cost"]),
        fee_currency=str(fee.get("currency") or ""),
        ts_event=int(trade.get("timestamp") or 0) * NS_PER_MS,
    )


def _expect(client: Any, ability: str) -> None:
    if not client.has.get(ability):
        raise Rejected(f"ccxt's {client.id} has no {ability}")


def _feature(client: Any, method: str, name: str, otherwise: Any) -> Any:
    said = ((client.features or {}).get("spot") or {}).get(method) or {}
    return said.get(name, otherwise)
