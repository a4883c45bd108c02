"""Risk and order manager of single orders: what may be spent, and when an approval has ended."""

from __future__ import annotations

from typing import Any

from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    Approved,
    Cancelled,
    Ended,
    Order,
    OrderFill,
    OrderKind,
    OrderSignal,
    Refused,
)
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.single_orders import SingleOrderRisk, SingleOrders

SYMBOL = "ETH-USDT"


def signal(side: int, size: float, **given: Any) -> OrderSignal:
    """A wish for a market order."""
    return OrderSignal(1, "s", SYMBOL, side, OrderKind.MARKET, size=size, **given)


def _fill(order: Order, size: float, *, final: bool) -> OrderFill:
    spent, received = (size * 10, size) if order.side == BUY else (size, size * 10)
    return OrderFill(
        *(order.client_id, 2, SYMBOL, order.side, size, size * 10, spent, received),
        *(0.0, "USDT", final),
    )


def test_buy_may_use_all_that_is_free() -> None:
    """One buy takes all quote currency; the next is refused until it has ended."""
    portfolio = Portfolio({"USDT": 100.0})
    risk, orders = SingleOrderRisk(portfolio), SingleOrders("s")
    approved = risk.review(signal(BUY, 1.0))
    assert isinstance(approved, Approved)
    assert approved.budget == 100.0
    (order,) = orders.begin(approved)
    portfolio.on_order(order)
    assert risk.review(signal(BUY, 1.0)) == Refused(signal(BUY, 1.0), "funds")
    fill = _fill(order, 1.0, final=True)
    portfolio.on_broker(fill)
    assert list(orders.on_broker(fill)) == [Ended(approved, 2)]
    assert isinstance(risk.review(signal(BUY, 1.0)), Approved)


def test_nothing_is_sold_that_is_not_in_hand() -> None:
    """A sell of more than is free is refused, of as much passes with its size."""
    risk = SingleOrderRisk(Portfolio({"ETH": 2.0}))
    assert risk.review(signal(SELL, 2.1)) == Refused(signal(SELL, 2.1), "funds")
    approved = risk.review(signal(SELL, 2.0))
    assert isinstance(approved, Approved)
    assert approved.budget == 2.0


def test_orders_that_cancel_each_other_share_what_is_in_hand() -> None:
    """Stop and target may both sell the one position; a third order may not."""
    portfolio = Portfolio({"ETH": 2.0})
    risk, orders = SingleOrderRisk(portfolio), SingleOrders("s")
    approvals = []
    for _ in range(2):
        approved = risk.review(signal(SELL, 2.0, oco="exit"))
        assert isinstance(approved, Approved)
        (order,) = orders.begin(approved)
        portfolio.on_order(order)
        approvals.append(approved)
    assert isinstance(risk.review(signal(SELL, 2.0)), Refused)
    assert isinstance(risk.review(signal(SELL, 2.1, oco="exit")), Refused)
    for approved in approvals:
        risk.on_ended(Ended(approved, 2))
    assert isinstance(risk.review(signal(SELL, 2.0, oco="exit")), Refused)


def test_positions_are_closed() -> None:
    """What fills left in hand is sold at the end, by an order that needs no approval."""
    orders = SingleOrders("s")
    (order,) = orders.begin(Approved(signal(BUY, 3.0), 100.0))
    assert list(orders.on_broker(_fill(order, 2.0, final=False))) == []
    (ended,) = orders.on_broker(Cancelled(order.client_id, 3, "the data is over"))
    assert ended.ts == 3
    (closing,) = orders.close(9)
    assert (closing.side, closing.size, closing.reserve, closing.ts) == (SELL, 2.0, 2.0, 9)
    assert list(orders.on_broker(_fill(closing, 2.0, final=True))) == []
    assert list(orders.close(9)) == []
