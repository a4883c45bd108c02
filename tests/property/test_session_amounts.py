"""Exact amounts of a session: what leaves is in hand, and what is booked is what happened."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.execution.orders.amounts import Booked, Purses, cost_of, new_order
from arb_pipelines.execution.orders.checked_broker import taken
from arb_pipelines.market.exact import ATOM, decimal_of
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.trading.events import Order, OrderKind, TimeInForce
from arb_pipelines.trading.orders import SHORT_EPSILON, fill
from arb_pipelines.trading.terms import Terms, terms_of
from arb_pipelines.venues.base import NewOrder, OrderReport

STEPS = [None, Decimal("0.00000001"), Decimal("0.0001"), Decimal("0.05"), Decimal("0.003")]
FEES = [Decimal(0), Decimal("0.001"), Decimal("0.0008"), Decimal("0.00033333333")]
amounts = st.decimals("0.000000001", "1000000", places=12)


@st.composite
def markets(draw: st.DrawFn, names: str = "A-B") -> Market:
    base, quote = names.split("-")
    return Market(
        "v",
        names,
        base,
        quote,
        base + quote,
        base_increment=draw(st.sampled_from(STEPS)),
        quote_increment=draw(st.sampled_from(STEPS)),
        price_increment=draw(st.sampled_from(STEPS)),
        base_min_size=draw(st.sampled_from([None, Decimal("0.01")])),
        min_funds=draw(st.sampled_from([None, Decimal("0.1")])),
        fee_side=draw(st.sampled_from(list(FeeSide))),
    )


def order(
    side: int,
    amount: float,
    limit: float | None,
    *,
    symbol: str = "A-B",
    execution: str | None = None,
) -> Order:
    return Order(
        client_id="c",
        ts=0,
        strategy="s",
        symbol=symbol,
        side=side,
        kind=OrderKind.LIMIT,
        time_in_force=TimeInForce.IOC,
        size=None if side == BUY else amount,
        funds=amount if side == BUY else None,
        limit_px=limit,
        stop_px=None,
        reserve=amount,
        execution=execution,
    )


def on(value: Decimal, step: Decimal | None) -> bool:
    """Whether a value is a multiple of the step, or has at most 18 decimals without one."""
    return (Fraction(value) / Fraction(step or ATOM)).denominator == 1


def floored(value: Fraction, step: Decimal | None) -> Fraction:
    unit = Fraction(step or ATOM)
    return value // unit * unit


@settings(max_examples=400, deadline=None)
@given(
    market=markets(),
    side=st.sampled_from([BUY, SELL]),
    wanted=amounts,
    in_hand=st.none() | amounts,
    limit=st.decimals("0.0001", "5000", places=6),
    fee=st.sampled_from(FEES),
    kind=st.sampled_from(["market", "ioc"]),
)
def test_what_leaves_is_in_hand_and_on_the_venues_steps(
    market: Market,
    side: int,
    wanted: Decimal,
    in_hand: Decimal | None,
    limit: Decimal,
    fee: Decimal,
    kind: Literal["market", "ioc"],
) -> None:
    """Never more than was wanted or is in hand, fee included; and as much as the steps let."""
    wish = order(side, float(wanted), float(limit))
    new = new_order(wish, market, fee, kind, in_hand)
    event("sent" if new is not None else "nothing to send")
    costs = 1 + Fraction(fee) if side == BUY and market.fee_side is FeeSide.QUOTE else Fraction(1)
    noise = Fraction(1, 10**12)
    most = Fraction(float(wanted)) * (1 + 2 * noise)
    if in_hand is not None:
        most = min(most, Fraction(in_hand) / costs)
    step = market.quote_increment if side == BUY else market.base_increment
    if new is None:
        price = Fraction(float(limit))
        least = Fraction(market.min_funds or 0)
        if kind == "ioc":
            price = floored(price * (1 + noise), market.price_increment) if side == BUY else price
            least = max(least, Fraction(market.base_min_size or 0) * price)
            least += price * Fraction(market.base_increment or ATOM) if side == BUY else 0
            least = (
                least if side == BUY else max(least / price, Fraction(market.base_min_size or 0))
            )
        elif side == SELL:
            least = Fraction(market.base_min_size or 0)
        if not (kind == "ioc" and price <= 0):
            assert most - Fraction(step or ATOM) <= least * (1 + 4 * noise), "it was worth an order"
        return
    currency, cost = cost_of(new, market, fee)
    assert currency == ("B" if side == BUY else "A")
    assert in_hand is None or Fraction(cost) <= Fraction(in_hand)
    if new.size is not None:
        assert on(new.size, market.base_increment)
        assert new.size >= (market.base_min_size or 0)
    if new.funds is not None:
        assert on(new.funds, market.quote_increment)
        assert new.funds >= (market.min_funds or 0)
    if new.price is not None:
        assert on(new.price, market.price_increment)
        assert new.size is not None
        assert new.size * new.price >= (market.min_funds or 0)
        slack = Fraction(float(limit)) * noise
        if side == BUY:
            assert Fraction(new.price) <= Fraction(float(limit)) + slack
            assert Fraction(new.size) * Fraction(new.price) <= most
        else:
            assert Fraction(new.price) >= Fraction(float(limit)) - slack
    if side == SELL or kind == "market":
        amount = Fraction(new.size if side == SELL else new.funds)  # type: ignore[arg-type]
        assert amount <= most
        assert amount > most * (1 - 3 * noise) - Fraction(step or ATOM)


@settings(max_examples=300, deadline=None)
@given(
    market=markets(),
    side=st.sampled_from([BUY, SELL]),
    size=amounts,
    price=amounts,
    fee=st.sampled_from(FEES),
    told=st.none() | st.tuples(amounts, st.sampled_from(["A", "B", "KCS"])),
)
def test_what_is_booked_adds_up_exactly(
    market: Market,
    side: int,
    size: Decimal,
    price: Decimal,
    fee: Decimal,
    told: tuple[Decimal, str] | None,
) -> None:
    """Spent and received are what changed hands, the fee and nothing else, to the last digit."""
    paid, currency = told or (None, None)
    funds = decimal_product(size, price)
    report = OrderReport("c", "i", "v-s", side, False, False, size, funds, paid, currency, 0)
    booked = Booked.of(report, fee, market)
    in_quote = market.fee_side is FeeSide.QUOTE or side == SELL
    due = (
        Fraction(paid)
        if paid is not None
        else Fraction(funds if in_quote else size) * Fraction(fee)
    )
    where = currency or ("B" if in_quote else "A")
    assert Fraction(booked.fee) == due
    assert booked.fee_currency == where
    base, quote = Fraction(size), Fraction(funds)
    if side == BUY:
        assert Fraction(booked.spent) == quote + (due if where == "B" else 0)
        assert Fraction(booked.received) == base - (due if where == "A" else 0)
    else:
        assert Fraction(booked.spent) == base + (due if where == "A" else 0)
        assert Fraction(booked.received) == quote - (due if where == "B" else 0)


def decimal_product(a: Decimal, b: Decimal) -> Decimal:
    exact = Fraction(a) * Fraction(b)
    return Decimal(exact.numerator * 10**24 // exact.denominator).scaleb(-24)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_purses_are_never_below_zero_and_lose_nothing(data: st.DataObject) -> None:
    """Walks through random legs and unwinds: exact sums by currency, and no leg overspends."""
    names = ["B-S", "C-B", "C-S", "D-C", "D-S"]
    listed = {
        name: data.draw(markets(names=name).filter(lambda m: m.fee_side is FeeSide.QUOTE))
        for name in names
    }
    fee = data.draw(st.sampled_from(FEES))
    purses = Purses()
    moved: dict[str, Fraction] = {}
    held: dict[str, Fraction] = {}
    have = "S"
    for _ in range(data.draw(st.integers(1, 8))):
        name = data.draw(st.sampled_from([n for n in names if have in n.split("-")]))
        market = listed[name]
        side = BUY if market.quote == have else SELL
        wish = order(side, data.draw(st.floats(0.5, 2e5)), 1.0, symbol=name, execution="e")
        in_hand = purses.available(wish)
        if have == "S":
            assert in_hand is None
        else:
            assert Fraction(in_hand or 0) == held.get(have, Fraction(0))
        new = new_order(wish, market, fee, "market", in_hand)
        if new is None:
            continue
        price = data.draw(st.decimals("0.01", "100", places=8))
        part = data.draw(st.sampled_from([Decimal(1), Decimal("0.37")]))
        size = new.size if new.funds is None else new.funds / price
        assert size is not None
        size = (size * part).quantize(Decimal("1e-12"), rounding="ROUND_DOWN")
        funds = decimal_product(size, price)
        report = OrderReport("c", "i", name, side, False, False, size, funds, None, None, 0)
        booked = Booked.of(report, fee, market)
        purses.book(wish, booked)
        got = market.base if side == BUY else market.quote
        for currency, change in ((have, -Fraction(booked.spent)), (got, Fraction(booked.received))):
            moved[currency] = moved.get(currency, Fraction(0)) + change
            if currency != "S":
                held[currency] = held.get(currency, Fraction(0)) + change
                assert held[currency] >= 0
        have = data.draw(st.sampled_from([have, got]))
    assert {c: Fraction(a) for c, a in purses.changes.items()} == moved
    purses.drop("e")
    again = order(BUY, 1.0, 1.0, symbol="B-S", execution="e")
    assert purses.available(again) is None, "a dropped execution is forgotten"


def test_spending_what_an_execution_never_had_is_noticed() -> None:
    """Booking more than is in the purse, beyond the fee, is our own error: it is raised."""
    market = Market("v", "B-S", "B", "S", "BS", fee_side=FeeSide.QUOTE)
    purses = Purses()
    first = order(BUY, 10.0, 1.0, symbol="B-S", execution="e")
    second = order(SELL, 10.0, 1.0, symbol="B-S", execution="e")
    for wish in (first, second):
        purses.available(wish)
    one = Decimal(1)
    bought = OrderReport("c", "i", "B-S", BUY, False, False, one, one, None, None, 0)
    sold = OrderReport("c", "i", "B-S", SELL, False, False, one + ATOM, one, None, None, 0)
    purses.book(first, Booked.of(bought, Decimal(0), market))
    with pytest.raises(InvariantBroken, match="more than its execution had"):
        purses.book(second, Booked.of(sold, Decimal(0), market))


@settings(max_examples=300, deadline=None)
@given(
    market=markets(),
    side=st.sampled_from([BUY, SELL]),
    best=st.integers(1, 2_000),
    steps=st.lists(st.integers(1, 30), max_size=4),
    sizes=st.lists(st.integers(1, 10**6), min_size=5, max_size=5),
    share=st.floats(0.01, 1.5),
    limited=st.booleans(),
    fee=st.sampled_from(FEES[:2]),
)
def test_paper_fills_are_those_of_a_backtest(
    market: Market,
    side: int,
    best: int,
    steps: list[int],
    sizes: list[int],
    share: float,
    limited: bool,
    fee: Decimal,
) -> None:
    """Walking the levels in decimals gives what ``trading.orders.fill`` gives in float64."""
    tick, lot = market.price_increment or Decimal("0.01"), market.base_increment or Decimal("0.001")
    prices, at = [], best + (0 if side == BUY else 200)
    for step in [0, *steps]:
        at += step if side == BUY else -step
        prices.append(at * tick)
    levels = [(price, size * lot) for price, size in zip(prices, sizes, strict=False)]
    depth = sum(size if side == SELL else size * price for price, size in levels)
    unit = market.quote_increment or ATOM if side == BUY else lot
    amount = (Decimal(repr(share)) * depth) // unit * unit
    assume(amount > 0 and decimal_of(float(amount)) == amount)
    limit = prices[-1] if limited and len(prices) < 3 else prices[len(prices) // 2]
    kind, price = (OrderKind.LIMIT, limit) if side == SELL else (OrderKind.MARKET, None)
    worst = float(price) if price is not None else (np.inf if side == BUY else 0.0)
    new = NewOrder(
        "c",
        "A-B",
        side,
        kind,
        size=amount if side == SELL else None,
        funds=amount if side == BUY else None,
        price=price,
        time_in_force=TimeInForce.IOC,
    )
    size, funds = taken(new, levels, market.base_increment)
    px, sz = (np.array([float(level[k]) for level in levels]) for k in (0, 1))
    done = fill(terms(market, fee), 0, side, float(amount), worst, px, sz)
    step = float(market.base_increment or 0)
    # a size that lies on a step but for the noise of the floats may floor to the one below
    assert abs(float(size) - done.size) <= max(step * 1.000001, 1e-9 * done.size)
    if abs(float(size) - done.size) <= 1e-9 * done.size:
        assert abs(float(funds) - done.funds) <= 1e-9 * done.funds
        report = OrderReport("c", "", "A-B", side, False, False, size, funds, None, None, 0)
        booked = Booked.of(report, fee, market)
        assert abs(float(booked.spent) - done.spent) <= 1e-9 * done.spent
        assert abs(float(booked.received) - done.received) <= 1e-9 * done.received
        if size > 0 and side == SELL:
            left = float(amount - size)
            whole = booked.fills_whole(new, market, None)
            assert whole == (left <= SHORT_EPSILON * float(amount)) == (not done.short)


def terms(market: Market, fee: Decimal) -> Terms:
    return terms_of([market], ["A-B"], float(fee) * 10_000)


@settings(max_examples=200, deadline=None)
@given(
    step=st.sampled_from([Decimal("0.0001"), Decimal("0.05")]),
    price=st.decimals("0.01", "5000", places=4),
    slippage=st.sampled_from([Decimal("1.0001"), Decimal("1.02"), Decimal(2)]),
    lots=st.integers(1, 10**6),
    rest=st.fractions(0, 3),
)
def test_a_buy_is_whole_when_the_rest_buys_no_increment(
    step: Decimal, price: Decimal, slippage: Decimal, lots: int, rest: Fraction
) -> None:
    """What is left of the funds counts as nothing below one increment at the limit, else not."""
    market = Market("v", "A-B", "A", "B", "AB", base_increment=step, fee_side=FeeSide.QUOTE)
    size = lots * step
    limit = float(price * slippage)
    over = rest * Fraction(decimal_of(limit)) * Fraction(step)
    left = Decimal(over.numerator * 10**15 // over.denominator).scaleb(-15)
    new = NewOrder("c", "A-B", BUY, OrderKind.MARKET, funds=size * price + left)
    report = OrderReport("c", "i", "A-B", BUY, False, True, size, size * price, None, None, 0)
    whole = Booked.of(report, Decimal(0), market).fills_whole(new, market, limit)
    if left <= SHORT_EPSILON * float(new.funds or 0):
        assert whole
    else:
        assert whole == (Fraction(left) < Fraction(decimal_of(limit)) * Fraction(step))
