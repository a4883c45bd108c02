"""Lists of open orders and executions through ccxt, however an exchange pages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.errors import ProtocolViolation, Rejected
from arb_pipelines.market.symbols import Market
from arb_pipelines.venues.ccxt_any.history import ask_fills, ask_open_orders
from arb_pipelines.venues.ccxt_any.orders import Listed

LISTED = {
    symbol: Listed(symbol.replace("-", "/"), Market("some", symbol, *symbol.split("-"), symbol))
    for symbol in ("BTC-USDT", "ETH-USDT")
}
DAY_MS = 24 * 3600 * 1000


def trade(number: int, time_ms: int, name: str = "BTC/USDT") -> dict[str, Any]:
    return {
        "id": str(number),
        "order": f"order-{number // 2}",
        "symbol": name,
        "side": "buy",
        "price": Decimal(100),
        "amount": Decimal("0.5"),
        "fee": {"cost": Decimal("0.05"), "currency": "USDT"},
        "timestamp": time_ms,
    }


class Paging:
    """A class of ccxt that gives three executions at a time, from one end of what is asked."""

    id = "some"

    def __init__(self, times_ms: list[int], *, newest: bool, until: bool) -> None:
        self.trades = [trade(number, at) for number, at in enumerate(sorted(times_ms))]
        self.newest, self.questions = newest, 0
        self.has = {"fetchMyTrades": True, "fetchOpenOrders": True, "fetchOrder": True}
        told: dict[str, Any] = {"limit": 3, "untilDays": 7 if until else None}
        self.features = {"spot": {"fetchMyTrades": told}}
        self.open: list[dict[str, Any]] = []

    async def fetch_my_trades(
        self, name: str, since: int, limit: int, params: Mapping[str, int] | None = None
    ) -> list[dict[str, Any]]:
        self.questions += 1
        until = (params or {}).get("until", 10**15)
        found = [t for t in self.trades if t["symbol"] == name and since <= t["timestamp"] <= until]
        return found[-limit:] if self.newest else found[:limit]

    async def fetch_order(self, order_id: str, name: str) -> dict[str, Any]:
        return {"id": order_id, "clientOrderId": f"mine-{order_id}"}

    async def fetch_open_orders(self, name: str | None = None) -> list[dict[str, Any]]:
        self.questions += 1
        return [order for order in self.open if name in (None, order["symbol"])]


@pytest.mark.parametrize(("newest", "until"), [(True, True), (False, True), (False, False)])
def test_all_executions_are_found_over_all_pages(newest: bool, until: bool) -> None:
    """The oldest first, each once, with the client id of its order."""
    times_ms = [100 + 7 * n for n in range(20)] + [20 * DAY_MS + n for n in range(5)]
    client = Paging(times_ms, newest=newest, until=until)
    now_ns = 30 * DAY_MS * NS_PER_MS
    fills = asyncio.run(ask_fills(client, LISTED, 107 * NS_PER_MS, now_ns, ["BTC-USDT"]))
    assert [fill.trade_id for fill in fills] == [str(n) for n in range(1, 25)]
    assert fills[0].client_id == "mine-order-0"
    assert fills[0].funds == Decimal(50)
    assert fills[0].ts_event == 107 * NS_PER_MS
    assert asyncio.run(ask_fills(client, LISTED, 0, now_ns, ["ETH-USDT"])) == []


def test_an_execution_without_a_fee_is_refused() -> None:
    """Its order could not be held to the account's balances."""
    client = Paging([1], newest=False, until=True)
    client.trades[0]["fee"] = None
    with pytest.raises(ProtocolViolation, match="fee None"):
        asyncio.run(ask_fills(client, LISTED, 0, 10 * NS_PER_MS, ["BTC-USDT"]))


@pytest.mark.parametrize("required", [True, False])
def test_open_orders_are_asked_for_at_once_where_that_can_be(required: bool) -> None:
    """Else symbol by symbol; those of other symbols are nobody's business."""
    client = Paging([], newest=False, until=True)
    client.features["spot"]["fetchOpenOrders"] = {"symbolRequired": required}
    known = {"side": "buy", "status": "open", "filled": 0, "cost": 0}
    for name in ("BTC/USDT", "ETH/USDT", "SOL/USDT"):
        client.open.append({"id": name, "clientOrderId": name, "symbol": name, **known})
    found = asyncio.run(ask_open_orders(client, LISTED, ["BTC-USDT", "ETH-USDT"]))
    assert [order.symbol for order in found] == ["BTC-USDT", "ETH-USDT"]
    assert client.questions == (2 if required else 1)


def test_a_class_without_lists_says_so() -> None:
    """So that recovery can go on without them."""
    client = Paging([], newest=False, until=True)
    client.has = {}
    with pytest.raises(Rejected, match="no fetchOpenOrders"):
        asyncio.run(ask_open_orders(client, LISTED, ["BTC-USDT"]))
    with pytest.raises(Rejected, match="no fetchMyTrades"):
        asyncio.run(ask_fills(client, LISTED, 0, 1, ["BTC-USDT"]))
