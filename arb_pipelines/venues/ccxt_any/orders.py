"""Orders between our words and ccxt's: what leaves, exactly, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.errors import ProtocolViolation, Rejected
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import OrderKind, TimeInForce
from arb_pipelines.venues.base import NewOrder, OrderReport
from arb_pipelines.venues.ccxt_any.numbers import exact

_SIDES = {"buy": BUY, "sell": SELL}
_CANCELLED = frozenset({"canceled", "expired", "rejected"})
_ENDED = _CANCELLED | {"closed"}
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Listed:
    """A symbol: ``name`` is ccxt's ('BTC/USDT'), ``market`` what the exchange lists of it."""

    name: str
    market: Market


@dataclass(frozen=True, slots=True)
class Request:
    """A call of ccxt's ``create_order``: amounts as ``Decimal``, options in ``params``."""

    name: str
    kind: str
    side: str
    amount: Decimal
    price: Decimal | None
    params: Mapping[str, object]


def request_of(client: Any, order: NewOrder, listed: Listed) -> Request:
    """Put an order into ccxt's words; it is refused where ccxt would change what it says.

    ccxt cuts sizes and rounds prices to the exchange's precision without a word; an amount
    that is on the increments passes through it unchanged, and any other is refused here.

    Raises:
        Rejected: ccxt would change an amount, or cannot send such an order; nothing left.
    """
    features = ((client.features or {}).get("spot") or {}).get("createOrder") or {}
    params: dict[str, object] = {"clientOrderId": order.client_id}
    name, amount = listed.name, order.size
    if order.kind is OrderKind.LIMIT:
        assert order.price is not None
        _expect(order, "price", order.price, client.price_to_precision(name, order.price))
        if order.time_in_force is not TimeInForce.GTC:
            wanted = order.time_in_force.name
            if not (features.get("timeInForce") or {}).get(wanted):
                raise _cannot(client, order, f"time in force {wanted}")
            params["timeInForce"] = wanted
    if order.post_only:
        if not (features.get("timeInForce") or {}).get("PO"):
            raise _cannot(client, order, "post only")
        params["postOnly"] = True
    if order.funds is not None:
        by_funds = "createMarketBuyOrderWithCost" if order.side == BUY else None
        if by_funds is None or not client.has.get(by_funds):
            raise _cannot(client, order, "market orders by funds")
        step = listed.market.quote_increment
        if step is None:
            _expect(order, "funds", order.funds, client.cost_to_precision(name, order.funds))
        elif order.funds % step:
            raise _changed(order, "funds", order.funds, order.funds - order.funds % step)
        params["cost"], amount = order.funds, order.funds
    else:
        assert amount is not None
        _expect(order, "size", amount, client.amount_to_precision(name, amount))
    side = "buy" if order.side == BUY else "sell"
    return Request(name, order.kind.value, side, amount, order.price, params)


def report_of(order: Mapping[str, Any], symbol: str) -> OrderReport:
    """Read ccxt's order structure.

    ``{"id": "5bd6", "clientOrderId": "5c52", "symbol": "BTC/USDT", "side": "buy",
    "status": "closed", "filled": 0.1, "cost": 6400.1, "average": 64001.0, "fee":
    {"cost": 6.4, "currency": "USDT"}, "timestamp": 1700000000000,
    "lastUpdateTimestamp": 1700000000001}``; ms, and more. The fee is None where the class
    does not tell it.

    Raises:
        ProtocolViolation: side, status or an amount is not as above.
    """
    status, filled = order.get("status"), order.get("filled")
    if order.get("side") not in _SIDES or status not in (*_ENDED, "open") or filled is None:
        raise ProtocolViolation(
            f"order {order.get('id')}: side {order.get('side')}, status {status}, filled {filled}"
        )
    size = exact(filled)
    fee, currency = _fee(order)
    time_ms = order.get("lastUpdateTimestamp") or order.get("timestamp") or 0
    return OrderReport(
        client_id=str(order.get("clientOrderId") or ""),
        order_id=str(order["id"]),
        symbol=symbol,
        side=_SIDES[order["side"]],
        active=status == "open",
        cancelled=was_cancelled(order),
        size=size,
        funds=_funds(order, size),
        fee=fee,
        fee_currency=currency,
        ts_event=int(time_ms) * NS_PER_MS,
    )


def has_ended(order: Mapping[str, Any]) -> bool:
    """Whether nothing more of an order will fill."""
    return order.get("status") in _ENDED


def was_cancelled(order: Mapping[str, Any]) -> bool:
    """Whether an order ended before it was filled, in the exchange's words."""
    return order.get("status") in _CANCELLED


def _funds(order: Mapping[str, Any], size: Decimal) -> Decimal:
    if order.get("cost") is not None:
        return exact(order["cost"])
    if not size:
        return _ZERO
    if order.get("average") is None:
        raise ProtocolViolation(f"order {order.get('id')}: filled, and neither cost nor average")
    return size * exact(order["average"])


def _fee(order: Mapping[str, Any]) -> tuple[Decimal | None, str | None]:
    """The fee and its currency, where it is told, and in one currency."""
    fees = [order["fee"]] if order.get("fee") else list(order.get("fees") or [])
    told = [fee for fee in fees if fee.get("cost") is not None and fee.get("currency")]
    currencies = {fee["currency"] for fee in told}
    if not told or len(told) != len(fees) or len(currencies) != 1:
        return None, None
    return sum((exact(fee["cost"]) for fee in told), _ZERO), str(currencies.pop())


def _expect(order: NewOrder, what: str, ours: Decimal, theirs: str) -> None:
    if Decimal(theirs) != ours:
        raise _changed(order, what, ours, Decimal(theirs))


def _changed(order: NewOrder, what: str, ours: Decimal, theirs: Decimal) -> Rejected:
    return Rejected(
        f"order {order.client_id}: ccxt would make {what} {ours:f} into {theirs:f}; not sent"
    )


def _cannot(client: Any, order: NewOrder, what: str) -> Rejected:
    return Rejected(f"order {order.client_id}: ccxt's {client.id} has no {what}; not sent")
