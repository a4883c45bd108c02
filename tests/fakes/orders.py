"""Orders and fills for tests, with what does not matter filled in."""

from __future__ import annotations

from typing import Any

from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import (
    Order,
    OrderFill,
    OrderKind,
    TimeInForce,
    currencies,
)


def an_order(client_id: str = "a", side: int = BUY, **changes: Any) -> Order:
    """A market order on BTC-USDT over 100 USDT or 0.01 BTC, unless changed."""
    amount = {"funds": 100.0, "size": None} if side == BUY else {"funds": None, "size": 0.01}
    facts: dict[str, Any] = {
        "client_id": client_id,
        "ts": 0,
        "strategy": "test",
        "symbol": "BTC-USDT",
        "side": side,
        "kind": OrderKind.MARKET,
        "time_in_force": TimeInForce.GTC,
        "limit_px": None,
        "stop_px": None,
        "reserve": 100.0 if side == BUY else 0.01,
    }
    return Order(**(facts | amount | changes))


def a_fill(order: Order, spent: float, got: float, *, final: bool, ts: int = 1) -> OrderFill:
    """A fill without a fee."""
    buys = order.side == BUY
    return OrderFill(
        client_id=order.client_id,
        ts=ts,
        symbol=order.symbol,
        side=order.side,
        size=got if buys else spent,
        funds=spent if buys else got,
        spent=spent,
        received=got,
        fee=0.0,
        fee_currency=currencies(order)[1],
        final=final,
    )
