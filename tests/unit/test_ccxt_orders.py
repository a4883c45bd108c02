"""Orders, reports and numbers between our words and ccxt's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from arb_pipelines.errors import (
    OutcomeUnknown,
    ProtocolViolation,
    Rejected,
)
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import OrderKind, TimeInForce
from arb_pipelines.venues.base import NewOrder
from arb_pipelines.venues.ccxt_any.account import CcxtAccount
from arb_pipelines.venues.ccxt_any.order_entry import CcxtOrderEntry
from arb_pipelines.venues.ccxt_any.orders import Listed, report_of, request_of

MARKET = Market("some", "BTC-USDT", "BTC", "USDT", "btcusdt", quote_increment=Decimal("0.01"))
LISTED = {"BTC-USDT": Listed("BTC/USDT", MARKET)}
FILLED = {
    "id": "77",
    "clientOrderId": "mine",
    "side": "buy",
    "status": "closed",
    "filled": Decimal("0.1"),
    "cost": Decimal("6400.1"),
    "fee": {"cost": Decimal("6.4001"), "currency": "USDT"},
    "timestamp": 1_700_000_000_000,
}


class ScriptedClient:
    """A class of ccxt with the methods that a test gives it."""

    id = "some"

    def __init__(self, has: set[str], orders: list[dict[str, Any]] | None = None) -> None:
        self.has = dict.fromkeys(has, True)
        self.orders = orders or []
        self.sent: list[tuple[Any, ...]] = []
        self.features: Mapping[str, Any] = {"spot": {"createOrder": {"timeInForce": {"IOC": True}}}}

    def amount_to_precision(self, _: str, amount: Decimal) -> str:
        return f"{amount:.3f}"

    price_to_precision = amount_to_precision

    async def create_order(self, *request: Any) -> dict[str, Any]:
        self.sent.append(request)
        return {"id": "77", "clientOrderId": "another"}

    async def fetch_order_with_client_order_id(self, *_: str) -> dict[str, Any]:
        return {"id": "1", "clientOrderId": None}  # as a class does that ignores the client id

    async def fetch_open_orders(self, _: str) -> list[dict[str, Any]]:
        return [order for order in self.orders if order["status"] == "open"]

    async def fetch_closed_orders(self, _: str) -> list[dict[str, Any]]:
        return [order for order in self.orders if order["status"] != "open"]


def new(side: int = BUY, **fields: Any) -> NewOrder:
    """An order of a test."""
    kind = OrderKind.LIMIT if "price" in fields else OrderKind.MARKET
    return NewOrder("mine", "BTC-USDT", side, kind, **fields)


@pytest.mark.parametrize(
    ("order", "has", "reason"),
    [
        (new(size=Decimal("0.0015")), set(), "make size 0.0015 into 0.002"),
        (new(size=Decimal(1), price=Decimal("7.0001")), set(), "make price 7.0001 into 7.000"),
        (new(funds=Decimal(10)), set(), "no market orders by funds"),
        (
            new(funds=Decimal("10.001")),
            {"createMarketBuyOrderWithCost"},
            "make funds 10.001 into 10.000",
        ),
        (
            new(size=Decimal(1), price=Decimal(7), time_in_force=TimeInForce.FOK),
            set(),
            "no time in force FOK",
        ),
    ],
)
def test_what_ccxt_would_change_is_not_sent(order: NewOrder, has: set[str], reason: str) -> None:
    """Refused with what it would have become."""

    async def body() -> None:
        client = ScriptedClient(has)
        account = CcxtAccount(client, LISTED)
        with pytest.raises(Rejected, match=f"{reason}; not sent"):
            await CcxtOrderEntry(client, account, LISTED).place(order)
        assert client.sent == []
        account.follow(order)  # the id is free again

    asyncio.run(body())


def test_an_order_is_put_into_ccxts_words() -> None:
    """Amounts stay decimals."""
    client = ScriptedClient({"createMarketBuyOrderWithCost"})
    by_funds = request_of(client, new(funds=Decimal("10.5")), LISTED["BTC-USDT"])
    assert (by_funds.kind, by_funds.side) == ("market", "buy")
    assert by_funds.params == {"clientOrderId": "mine", "cost": Decimal("10.5")}
    limit = new(SELL, size=Decimal(1), price=Decimal(7), time_in_force=TimeInForce.IOC)
    request = request_of(client, limit, LISTED["BTC-USDT"])
    assert (request.kind, request.side, request.amount, request.price) == ("limit", "sell", 1, 7)
    assert request.params["timeInForce"] == "IOC"


def test_an_answer_for_another_order_is_no_answer() -> None:
    """What became of ours is to be looked up."""

    async def body() -> None:
        client = ScriptedClient(set())
        entry = CcxtOrderEntry(client, CcxtAccount(client, LISTED), LISTED)
        with pytest.raises(OutcomeUnknown, match="look it up"):
            await entry.place(new(size=Decimal(1)))
        assert len(client.sent) == 1

    asyncio.run(body())


def test_a_check_is_not_asked_of_a_class_that_would_place_the_order() -> None:
    """Most classes ignore the mark."""

    async def body() -> None:
        client = ScriptedClient(set())
        entry = CcxtOrderEntry(client, CcxtAccount(client, LISTED), LISTED)
        with pytest.raises(Rejected, match="cannot have orders checked"):
            await entry.test(new(size=Decimal(1)))
        assert client.sent == []

    asyncio.run(body())


@pytest.mark.parametrize("asked", [set(), {"fetchOrder"}])
def test_an_order_is_found_in_the_lists(asked: set[str]) -> None:
    """Where the class cannot ask by client id, or pretends to; ``None`` is a real answer."""

    async def body() -> None:
        lists = {"fetchOpenOrders", "fetchClosedOrders"}
        client = ScriptedClient(asked | lists, [FILLED | {"clientOrderId": "x"}, FILLED])
        account = CcxtAccount(client, LISTED)
        report = await account.look_up("mine", "BTC-USDT")
        assert report is not None
        assert (report.size, report.funds) == (Decimal("0.1"), Decimal("6400.1"))
        assert await account.look_up("never", "BTC-USDT") is None
        blind = CcxtAccount(ScriptedClient({"fetchOpenOrders"}), LISTED)
        with pytest.raises(Rejected, match="cannot look orders up"):
            await blind.look_up("mine", "BTC-USDT")

    asyncio.run(body())


def test_a_report_is_read_from_what_a_class_tells() -> None:
    """Cost or average, one fee or several of one currency, or none."""
    report = report_of(FILLED, "BTC-USDT")
    assert (report.side, report.active, report.cancelled) == (BUY, False, False)
    assert (report.fee, report.fee_currency) == (Decimal("6.4001"), "USDT")
    assert report.ts_event == 1_700_000_000_000_000_000
    fees = [{"cost": Decimal(1), "currency": "BNB"}, {"cost": Decimal(2), "currency": "BNB"}]
    several = FILLED | {"cost": None, "average": Decimal(64000), "fee": None, "fees": fees}
    report = report_of(several, "BTC-USDT")
    assert (report.funds, report.fee, report.fee_currency) == (6400, 3, "BNB")
    mixed = FILLED | {"fee": None, "fees": [*fees, {"cost": Decimal(1), "currency": "USDT"}]}
    assert report_of(mixed, "BTC-USDT").fee is None
    cancelled = report_of(FILLED | {"status": "canceled", "filled": 0, "cost": None}, "BTC-USDT")
    assert (cancelled.active, cancelled.cancelled, cancelled.funds) == (False, True, 0)
    for bad in ({"status": None}, {"side": "both"}, {"filled": None}, {"cost": None}):
        with pytest.raises(ProtocolViolation):
            report_of(FILLED | bad, "BTC-USDT")
