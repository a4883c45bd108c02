"""Cycles priced in Decimal: never more than is there, always in the venue's steps."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import event, given, settings
from hypothesis import strategies as st

from arb_pipelines.market.exact import (
    ExactLeg,
    PricedCycle,
    Refusal,
    RefusalReason,
    decimal_of,
    exact_level,
    limit_price,
    price_cycle,
    round_down,
)
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import FeeSide, Market

increments = st.sampled_from([None, Decimal("0.0001"), Decimal("0.05"), Decimal("0.003")])


@st.composite
def exact_legs(draw: st.DrawFn) -> ExactLeg:
    """A leg at prices on its tick, with a market of any limits."""
    side = draw(st.sampled_from([BUY, SELL]))
    tick = draw(st.sampled_from([None, Decimal("0.0001"), Decimal("0.003")]))
    unit = tick or Decimal("0.00017")
    low = Decimal("0.9") if side == BUY else Decimal("1.03")  # mostly worth trading
    count = draw(st.integers(int(low / unit), int((low + Decimal("0.07")) / unit)))
    steps = draw(st.lists(st.integers(1, 20), min_size=1, max_size=4))
    levels, at = [], count
    for step in steps:
        size = draw(st.decimals(1, 40, places=5))
        levels.append((unit * at, size))
        at += step if side == BUY else -step
    market = Market(
        "v",
        "A-B",
        "A",
        "B",
        "AB",
        base_increment=draw(increments),
        quote_increment=draw(increments),
        price_increment=tick,
        base_min_size=draw(st.sampled_from([None, Decimal("0.1")])),
        base_max_size=draw(st.sampled_from([None, Decimal(50)])),
        min_funds=draw(st.sampled_from([None, Decimal("0.1")])),
        fee_side=draw(st.sampled_from(list(FeeSide))),
    )
    fee = draw(st.sampled_from([Decimal(0), Decimal("0.001")]))
    return ExactLeg(market, side, fee, levels)


def unrounded(leg: ExactLeg, amount: Fraction) -> Fraction:
    """What the leg would give with no increments at all, in exact fractions."""
    fee, on_quote = Fraction(leg.fee), leg.market.fee_side is FeeSide.QUOTE
    left = amount / (1 + fee) if leg.side == BUY and on_quote else amount
    got = Fraction(0)
    for price, size in ((Fraction(p), Fraction(s)) for p, s in leg.levels):
        taken = min(left, price * size if leg.side == BUY else size)
        got += taken / price if leg.side == BUY else taken * price
        left -= taken
    return got if leg.side == BUY and on_quote else got * (1 - fee)


@settings(max_examples=300, deadline=None)
@given(st.lists(exact_legs(), min_size=3, max_size=5), st.decimals(Decimal("0.05"), 60, places=7))
def test_a_priced_cycle_keeps_the_venue_s_rules(legs: list[ExactLeg], amount: Decimal) -> None:
    """Every leg spends what it has at most, in whole steps and limits; none gives too much."""
    result = price_cycle(legs, amount)
    event("priced" if isinstance(result, PricedCycle) else result.reason.name)
    if isinstance(result, Refusal):
        return
    have, ideal = amount, Fraction(amount)
    for leg, priced in zip(legs, result.legs, strict=True):
        market = leg.market
        assert priced.spent + priced.dust == have
        assert priced.dust >= 0
        if market.base_increment:
            assert Fraction(priced.size) % Fraction(market.base_increment) == 0
        if market.price_increment:
            assert Fraction(priced.limit_price) % Fraction(market.price_increment) == 0
        assert priced.size >= (market.base_min_size or 0)
        assert priced.size <= (market.base_max_size or priced.size)
        assert priced.funds >= (market.min_funds or 0)
        ideal = unrounded(leg, ideal)
        assert Fraction(priced.received) <= ideal
        have = priced.received
    assert result.profit == result.received - result.spent > 0


@settings(max_examples=300, deadline=None)
@given(
    st.decimals(0, 10**6, places=9), st.sampled_from([Decimal("0.01"), Decimal("0.5"), Decimal(3)])
)
def test_rounding_goes_the_safe_way(value: Decimal, step: Decimal) -> None:
    """Sizes and buy limits go down, sell limits up, by less than a step and onto a step."""
    down, up = limit_price(value, step, BUY), limit_price(value, step, SELL)
    assert round_down(value, step) == down
    assert down <= value <= up
    assert value - down < step
    assert up - value < step
    assert down % step == up % step == 0


@given(st.integers(1, 10**7), st.sampled_from(["0.01", "0.00001", "0.05", "0.003"]))
def test_a_float_price_finds_its_tick(count: int, tick: str) -> None:
    """A tick computed in float64, with the error that brings, is that tick again in Decimal."""
    price, _ = exact_level(count * float(tick), 1.0, Decimal(tick))
    assert price == count * Decimal(tick)


def test_a_float_becomes_the_decimal_that_was_sent() -> None:
    """Not the binary neighbour: 0.1 is 0.1."""
    assert decimal_of(108370.34) == Decimal("108370.34")


def leg(side: int, price: str, size: str, **limits: object) -> ExactLeg:
    market = Market("v", "A-B", "A", "B", "AB", **limits)  # type: ignore[arg-type]
    return ExactLeg(market, side, Decimal("0.001"), [(Decimal(price), Decimal(size))])


def test_each_refusal_names_its_leg() -> None:
    """What cannot be ordered comes back as a value: which rule, on which leg."""
    good = leg(SELL, "2", "100")
    for bad, reason in (
        (leg(SELL, "2", "1"), RefusalReason.NO_DEPTH),
        (leg(BUY, "2", "1"), RefusalReason.NO_DEPTH),
        (ExactLeg(good.market, SELL, Decimal(0), []), RefusalReason.NO_DEPTH),
        (leg(SELL, "2", "100", base_min_size=Decimal(50)), RefusalReason.BELOW_MIN_SIZE),
        (leg(SELL, "2", "100", base_increment=Decimal(50)), RefusalReason.BELOW_MIN_SIZE),
        (leg(SELL, "2", "100", base_max_size=Decimal(5)), RefusalReason.ABOVE_MAX_SIZE),
        (leg(SELL, "2", "100", min_funds=Decimal(99)), RefusalReason.BELOW_MIN_FUNDS),
        (leg(SELL, "2.5", "100", price_increment=Decimal(1)), RefusalReason.OFF_TICK),
    ):
        assert price_cycle([good, bad], Decimal(10)) == Refusal(reason, 1)
    assert price_cycle([leg(SELL, "0.9", "100")], Decimal(1)) == Refusal(RefusalReason.NO_PROFIT)
    assert str(Refusal(RefusalReason.NO_DEPTH, 1)) == "not enough depth on leg 1"


def test_a_triangle_priced_by_hand() -> None:
    """100 USDT through three legs with steps and fees, worked out with a pencil."""
    fee = Decimal("0.001")
    btc = Market("v", "BTC-USDT", "BTC", "USDT", "", base_increment=Decimal("0.01"))
    eth = Market("v", "ETH-BTC", "ETH", "BTC", "", fee_side=FeeSide.QUOTE)
    usd = Market("v", "ETH-USDT", "ETH", "USDT", "", base_increment=Decimal("0.1"))
    legs = [
        ExactLeg(btc, BUY, fee, [(Decimal(40), Decimal(1)), (Decimal(50), Decimal(9))]),
        ExactLeg(eth, BUY, fee, [(Decimal("0.1"), Decimal(100))]),
        ExactLeg(usd, SELL, fee, [(Decimal(5), Decimal(100))]),
    ]
    result = price_cycle(legs, Decimal("100.3"))
    assert isinstance(result, PricedCycle)
    first, second, third = result.legs
    # 1 at 40 and 1.206 at 50, down to 1.20; the fee comes off the BTC
    assert (first.size, first.spent, first.dust) == (Decimal("2.20"), 100, Decimal("0.3"))
    assert (first.received, first.limit_price) == (Decimal("2.1978"), 50)
    # 2.1978 / 1.001 / 0.1, the fee on top of the funds
    assert abs(second.received - Decimal("21.956043956043956043")) < Decimal("1e-17")
    assert abs(second.dust) < Decimal("1e-17")
    # 21.9 ETH at 5, less 0.1 %
    assert (third.size, third.received) == (Decimal("21.9"), Decimal("109.3905"))
    assert result.profit == Decimal("9.3905")
