"""Making decisions ready before the first that counts.

Kernels are compiled, or loaded, when they are first used, which takes up to many seconds:
time that the first opportunity does not have, nor the session's loop. So a cycle is traded
once in a desk of its own, on markets and books made up, down to an unwinding order; nothing
of it remains.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from arb_pipelines.clock import day_of, now_ns
from arb_pipelines.containers.desk import Desk, Outgoing
from arb_pipelines.execution.universe import session_universe
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import (
    Book,
    BrokerEvent,
    Cancelled,
    Floats,
    Order,
    OrderFill,
    Routed,
)
from arb_pipelines.trading.parameters import FixedAmount, Strategy, Universe
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.risk.checks import given_within

_MOST_STEPS = 100
_STEP, _FEE = Decimal("1e-8"), Decimal("0.001")
#: A triangle of a venue that there is not, and its fees.
MARKETS = tuple(
    Market(
        venue="nowhere",
        symbol=f"{base}-{quote}",
        base=base,
        quote=quote,
        venue_symbol=f"{base}-{quote}",
        base_increment=_STEP,
        quote_increment=_STEP,
        price_increment=_STEP,
        taker_fee_bps=10.0,
        fee_side=FeeSide.QUOTE,
    )
    for base, quote in (("B", "A"), ("C", "A"), ("C", "B"))
)
FEES = {market.symbol: _FEE for market in MARKETS}


def warm_up() -> None:
    """Trade one cycle that pays; its second leg finds nothing."""
    strategy = Strategy(
        name="warm-up",
        exchange="nowhere",
        universe=Universe(start=("A",)),
        min_profit_bps=1.0,
        capital_allocation=FixedAmount(mode="fixed_amount", amount=1.0),
        balances={"A": 1.0},
    )
    universe = session_universe(strategy, MARKETS, FEES, day_of(now_ns()), max_cycles=10)
    traded, depth = universe.traded, universe.strategy.session.depth
    shelf, portfolio = BookShelf(len(traded.number), depth), Portfolio(universe.strategy.in_hand)
    desk = Desk(
        CycleStrategy("warm-up", traded, shelf),
        CycleRisk(traded, shelf, portfolio),
        CycleOrderManager(traded, shelf, id_prefix="warm-up-"),
        portfolio,
    )
    now, out = now_ns(), list[Outgoing]()
    for symbol, side in traded.legs[0]:
        given_within(shelf.px[symbol, side], shelf.left[symbol, side], side, 1.0, 0.0)
        out += desk.on_market(paying_book(traded.cycles.symbols[symbol], side, depth, now))
    for number in range(_MOST_STEPS):
        order = out.pop(0) if out else None
        if not isinstance(order, Order):
            return
        for news in _fate(order, number):
            out += desk.on_broker(news)


def paying_book(symbol: str, side: int, depth: int, now: int) -> Book:
    """A book at which a leg gains a tenth: whatever the fees, a cycle of such legs pays."""
    middle = 0.9 if side == BUY else 1.1
    steps: Floats = np.linspace(1e-4, 1e-2, depth)
    size: Floats = np.full(depth, 1e6)
    return Book(symbol, now, middle - steps, size, middle + steps, size)


def _fate(order: Order, number: int) -> list[BrokerEvent]:
    """Fill all but the second order whole."""
    routed = Routed(order.client_id, order.ts)
    if number == 1:
        return [routed, Cancelled(order.client_id, order.ts, "nothing found")]
    amount = order.funds if order.side == BUY else order.size
    assert amount is not None
    fill = OrderFill(
        client_id=order.client_id,
        ts=order.ts,
        symbol=order.symbol,
        side=order.side,
        size=amount,
        funds=amount,
        spent=amount,
        received=amount,
        fee=0.0,
        fee_currency=order.symbol.partition("-")[2],
        final=True,
    )
    return [routed, fill]
