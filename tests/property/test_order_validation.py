"""What the validator lets pass keeps every rule, by an oracle in whole units of ``Decimal``."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market, Status
from arb_pipelines.trading.events import Order, OrderKind, TimeInForce
from arb_pipelines.trading.validation import OrderValidator
from tests.fakes.orders import an_order

hundredths = st.integers(1, 4_000).map(lambda n: n / 100)
odd = st.sampled_from([-1.0, 0.0, 0.001, 0.3, 1e-9, math.nan, math.inf, -math.inf])
numbers = st.one_of(hundredths, odd)
steps = st.sampled_from([None, None, None, Decimal("0.01"), Decimal("0.05"), Decimal("0.3")])
markets = st.builds(
    Market,
    venue=st.just("demo"),
    symbol=st.just("BTC-USDT"),
    base=st.just("BTC"),
    quote=st.just("USDT"),
    venue_symbol=st.just("BTCUSDT"),
    base_increment=steps,
    quote_increment=steps,
    price_increment=steps,
    base_min_size=steps,
    base_max_size=steps,
    min_funds=steps,
    status=st.sampled_from([Status.TRADING] * 4 + [Status.HALTED]),
)


def _whole(value: float, step: Decimal | None) -> bool:
    return step is None or Decimal(repr(value)) % step == 0


def _keeps_every_rule(order: Order, market: Market, free: float) -> bool:
    given = (order.size, order.funds, order.limit_px, order.stop_px, order.reserve)
    if any(v is not None and not (math.isfinite(v) and v > 0) for v in given):
        return False
    if (order.size is None) == (order.funds is None) or (order.funds and order.side == SELL):
        return False
    if (order.limit_px is not None) != (order.kind == "limit"):
        return False
    if (order.stop_px is not None) != (order.kind == "stop"):
        return False
    if order.kind == "stop" and order.time_in_force != "gtc":
        return False
    if market.status == "halted" or order.reserve > free:
        return False
    price = order.limit_px or order.stop_px
    if price and not _whole(price, market.price_increment):
        return False
    if order.size is None:
        return (
            _whole(order.funds, market.quote_increment)
            and Decimal(repr(order.funds)) >= (market.min_funds or 0)
            and order.reserve >= order.funds
        )
    size = Decimal(repr(order.size))
    return (
        _whole(order.size, market.base_increment)
        and size >= (market.base_min_size or 0)
        and size <= (market.base_max_size or size)
        and (not price or size * Decimal(repr(price)) >= (market.min_funds or 0))
        and (order.side == BUY or order.reserve >= order.size)
    )


@st.composite
def _orders(draw: st.DrawFn) -> Order:
    """Orders in good form, of which up to two fields are then drawn anew."""
    side = draw(st.sampled_from([BUY, SELL]))
    kind = draw(st.sampled_from(OrderKind))
    amount = draw(hundredths)
    in_funds = side == BUY and draw(st.booleans())
    facts: dict[str, Any] = {
        "kind": kind,
        "time_in_force": TimeInForce.GTC,
        "size": None if in_funds else amount,
        "funds": amount if in_funds else None,
        "limit_px": draw(hundredths) if kind is OrderKind.LIMIT else None,
        "stop_px": draw(hundredths) if kind is OrderKind.STOP else None,
        "reserve": amount,
    }
    anything = {
        "kind": st.sampled_from(OrderKind),
        "time_in_force": st.sampled_from(TimeInForce),
        "reserve": numbers,
    } | dict.fromkeys(("size", "funds", "limit_px", "stop_px"), st.none() | numbers)
    for name in draw(st.lists(st.sampled_from(sorted(facts)), max_size=2)):
        facts[name] = draw(anything[name])
    return an_order("a", side, **facts)


@settings(max_examples=500, deadline=None)
@given(order=_orders(), market=markets, free=st.sampled_from([100.0, 100.0, 1.0, 0.0]))
def test_accepted_orders_are_those_that_keep_every_rule(
    order: Order, market: Market, free: float
) -> None:
    """Accepted if and only if the oracle finds nothing wrong."""
    accepted = OrderValidator({"BTC-USDT": market}, lambda _: free)(order) is None
    event("accepted" if accepted else "refused")
    assert accepted == _keeps_every_rule(order, market, free)
