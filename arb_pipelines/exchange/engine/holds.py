"""What an order keeps from its account's available balance, and in which currency."""

from __future__ import annotations

from decimal import Decimal

from arb_pipelines.exchange.engine.matching import Plan
from arb_pipelines.exchange.engine.money import ONE, ZERO
from arb_pipelines.exchange.engine.orders import NewOrder, OrderType, Side, WorkingOrder
from arb_pipelines.exchange.engine.symbols import FeeSchedule, ListedSymbol


def spends(listed: ListedSymbol, request: NewOrder) -> str:
    """Name the currency an order pays with."""
    return listed.quote if request.side is Side.BUY else listed.base


def hold_rate(fees: FeeSchedule, listed: ListedSymbol) -> Decimal:
    """Fee rate to hold for a buy: the dearer of taker's and maker's."""
    return max(fees.taker_rate(listed), fees.maker_rate(listed), ZERO)


def to_hold(request: NewOrder, planned: Plan | None, rate: Decimal) -> Decimal:
    """Give what a new order holds: of base for a sell, of quote with the fee for a buy.

    A market order of which one amount is open holds what it is ``planned`` to trade.
    """
    if request.side is Side.SELL:
        if request.size is not None:
            return request.size
        return ZERO if planned is None else planned.size
    if request.type is OrderType.LIMIT:
        assert request.price is not None
        assert request.size is not None
        funds = request.price * request.size
    elif request.funds is not None:
        funds = request.funds
    else:
        funds = ZERO if planned is None else planned.funds
    return funds * (ONE + rate)


def held_for(order: WorkingOrder, price: Decimal, size: Decimal) -> Decimal:
    """Give what an order keeps on hold for ``size`` of it, traded at ``price`` or better.

    A limit buy holds at its limit, a market buy at the price it meets, both with the
    fee on top; a sell holds what it sells.
    """
    if order.request.side is Side.SELL:
        return size
    if order.request.type is OrderType.LIMIT:
        assert order.request.price is not None
        price = order.request.price
    return price * size * (ONE + order.hold_rate)
