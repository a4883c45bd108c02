"""Ways to a stable currency against all simple paths, priced one by one with fractions."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.trading.panic.carrying import Hop, largest_input
from arb_pipelines.trading.panic.routes import Chosen
from arb_pipelines.trading.panic.sight import Holding
from arb_pipelines.trading.panic_rules import PanicRules
from tests.fakes.panic_markets import SmallMarket, levels_of, listed, random_market

RULES = PanicRules(base_currencies=("USDC", "USDT"), max_slippage_bps=150.0, slice_share=0.5)
NOISE = Fraction(1, 10**12)
Way = tuple[tuple[str, int], ...]


# -- the oracle ------------------------------------------------------------------------------


def all_ways(
    market: SmallMarket, currency: str, target: str, hops: int, never: set[str]
) -> list[Way]:
    """Every simple path over enabled symbols, tried one by one."""
    found: list[Way] = []

    def go_on(at: str, way: Way, passed: set[str]) -> None:
        for each in market.markets:
            for side, given_, got in ((BUY, each.quote, each.base), (SELL, each.base, each.quote)):
                if each.status is not Status.TRADING or given_ != at or got in passed:
                    continue
                longer = (*way, (each.symbol, side))
                if got == target:
                    found.append(longer)
                elif got not in never and len(longer) < hops:
                    go_on(got, longer, passed | {got})

    go_on(currency, (), {currency})
    return found


def sold(
    market: SmallMarket, symbol: str, side: int, have: Fraction
) -> tuple[Fraction, Fraction, Fraction] | None:
    """What one order for all of ``have`` brings; with its spending and its share of the top's rate.

    ``None`` if it is not taken whole.
    """
    terms = next(each for each in market.markets if each.symbol == symbol)
    fee, bound = Fraction(market.fees[symbol]), Fraction(RULES.max_slippage_bps) / 10_000
    levels = [(Fraction(p), Fraction(s)) for p, s in levels_of(market.books[symbol], side)]
    if not levels:
        return None
    best, tick = levels[0][0], Fraction(terms.price_increment or 0)
    if side == BUY:
        limit = max(best, best * (1 + bound) // tick * tick)
        levels = [level for level in levels if level[0] <= limit]
    else:
        limit = min(best, -(-best * (1 - bound) // tick) * tick)
        levels = [level for level in levels if level[0] >= limit]
    total = sum(size for _, size in levels)
    step, least_funds = Fraction(terms.base_increment or 0), Fraction(terms.min_funds or 0)
    least = max(Fraction(terms.base_min_size or 0), least_funds / limit) + step
    room = min(total, max(Fraction(RULES.slice_share) * total, least))
    on_top = 1 + fee if side == BUY and terms.fee_side is FeeSide.QUOTE else Fraction(1)
    keep = 1 - fee if on_top == 1 else Fraction(1)
    at = limit
    if side == BUY:
        left = budget = have / on_top
        for price, size in levels:
            left -= price * size
            if left <= 0:
                at = price
                break
        wanted = budget / at
    else:
        wanted = have
    size = wanted // step * step
    most = terms.base_max_size
    if size > room or (most is not None and size > most):
        return None
    if size <= 0 or size < (terms.base_min_size or 0) or size * at < least_funds:
        return None
    funds, left = Fraction(0), size
    for price, available in levels:
        part = min(available, left)
        funds, left = funds + price * part, left - part
    spent, got = (funds * on_top, size * keep) if side == BUY else (size, funds * keep)
    got = Fraction(got // Fraction(1, 10**18), 10**18)
    top = keep / on_top / best if side == BUY else keep * best
    return got, spent, got / spent / top


def brought(market: SmallMarket, way: Way, amount: Decimal) -> Fraction | None:
    """What a way brings of the whole amount; ``None`` if some order or the bound refuses it."""
    have, kept = Fraction(amount), Fraction(1)
    for symbol, side in way:
        step = sold(market, symbol, side, have)
        if step is None:
            return None
        have, kept = step[0], kept * step[2]
    return have if kept >= 1 - Fraction(RULES.max_slippage_bps) / 10_000 - NOISE else None


def best_of(market: SmallMarket, ways: list[Way], amount: Decimal) -> Fraction | None:
    """The most that any of the ways brings."""
    values = [value for way in ways if (value := brought(market, way, amount)) is not None]
    return max(values, default=None)


def expected(
    market: SmallMarket, holding: Holding, targets: list[str]
) -> tuple[int, str, Fraction] | None:
    """Stage (1 direct, 2 over a major, 3 any), target and what arrives, of the whole holding."""
    quotes = {each.quote for each in market.markets if each.status is Status.TRADING}
    for stage in (1, 2, 3):
        for target in targets:
            never = {*RULES.base_currencies, holding.start} - {target}
            hops = stage if stage < 3 else RULES.max_hops
            ways = all_ways(market, holding.currency, target, hops, never)
            if stage == 2:
                majors = {*RULES.major_currencies, *quotes}
                ways = [way for way in ways if len(way) == 2 and middle(market, way) in majors]
            value = best_of(market, ways, holding.amount)
            if value is not None:
                return stage, target, value
    return None


def middle(market: SmallMarket, way: Way) -> str:
    terms = {each.symbol: each for each in market.markets}
    first, side = way[0]
    return terms[first].base if side == BUY else terms[first].quote


# -- the tests -------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None)
@given(
    st.integers(0, 10**9),
    st.sampled_from(["0.6", "3", "7.12345", "25", "90"]),
    st.sampled_from(["USDT", "BTC"]),
)
@example(0, "3", "USDT")
def test_the_whole_goes_where_a_search_of_all_paths_says(
    seed: int, amount: str, start: str
) -> None:
    """The same stage's target, and as much arrives: of all simple paths, the best of that stage."""
    market = random_market(Random(seed))
    holding = Holding("SOL", Decimal(amount), start)
    found = market.choose(holding, RULES)
    bases = ["USDC", "USDT"] if start == "BTC" else ["USDT", "USDC"]
    best = expected(market, holding, bases)
    if best is None and isinstance(found, Chosen) and found.route[-1].got == "BTC":
        best = expected(market, holding, ["BTC"])  # home, since there is no base to be had
        assert best is not None or not found.carried.whole
    if best is None:
        assert not (isinstance(found, Chosen) and found.carried.whole)
        return
    stage, target, value = best
    assert isinstance(found, Chosen)
    assert found.carried.whole
    assert found.route[-1].got == target
    assert len(found.route) == stage or stage == 3
    assert abs(Fraction(found.carried.received) - value) <= NOISE * value


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["0.0004", "5", "90", "5000"]))
def test_what_is_sent_keeps_to_the_venue_and_the_bound(seed: int, amount: str) -> None:
    """On increments, above minimums, within depth, bound and what is in hand."""
    market = random_market(Random(seed))
    holding = Holding("SOL", Decimal(amount), "USDT")
    found = market.choose(holding, RULES)
    if not isinstance(found, Chosen):
        return
    bound = Fraction(RULES.max_slippage_bps) / 10_000
    have, kept = Fraction(holding.amount), Fraction(1)
    for step, sale in zip(found.route, found.carried.sales, strict=True):
        terms = market.network.listed[step.symbol]
        assert terms.status is Status.TRADING
        assert Fraction(sale.spent) <= have
        assert sale.size % (terms.base_increment or 1) == 0
        assert sale.limit % (terms.price_increment or 1) == 0
        assert sale.size >= (terms.base_min_size or 0)
        assert sale.size * sale.limit >= (terms.min_funds or 0)
        levels = levels_of(market.books[step.symbol], step.side)
        best = Fraction(levels[0][0])
        assert abs(Fraction(sale.limit) - best) <= best * bound
        better = [
            s for p, s in levels if (p <= sale.limit if step.side == BUY else p >= sale.limit)
        ]
        assert sale.size <= sum(better)
        have, kept = Fraction(sale.received), kept * Fraction(sale.kept)
    assert kept >= 1 - bound - NOISE
    names = [holding.currency, *(step.got for step in found.route)]
    assert len(set(names)) == len(names)
    assert not set(names[1:-1]) & set(RULES.base_currencies)


def flowed(hops: list[Hop], put_in: Fraction) -> tuple[Fraction, bool]:
    """What arrives of an amount without steps or minimums; whether every book has room for it."""
    have, fits = put_in, True
    for hop in hops:
        fee = Fraction(hop.fee)
        on_top = (
            1 + fee if hop.side == BUY and hop.market.fee_side is FeeSide.QUOTE else Fraction(1)
        )
        keep = 1 - fee if on_top == 1 else Fraction(1)
        left, base, funds = have / on_top, Fraction(0), Fraction(0)
        for price, size in hop.levels:
            each = Fraction(price)
            part = min(Fraction(size), left / each if hop.side == BUY else left)
            base, funds = base + part, funds + part * each
            left -= part * each if hop.side == BUY else part
        fits = fits and left <= 0 and base <= Fraction(hop.room)
        have = (base if hop.side == BUY else funds) * keep
    return have, fits


HOPS = st.lists(
    st.builds(
        lambda buys, steps, share, fee, quote: a_hop(buys, steps, share, fee, quote),
        st.booleans(),
        st.lists(st.tuples(st.integers(1, 400), st.integers(1, 50)), min_size=1, max_size=4),
        st.sampled_from(["0.3", "0.5", "1"]),
        st.sampled_from(["0", "0.001"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


def a_hop(buys: bool, steps: list[tuple[int, int]], share: str, fee: str, in_quote: bool) -> Hop:
    """A side of a book whose prices get worse by so many thousandths of the first."""
    price, levels = Decimal(2), []
    for worse, size in steps:
        levels.append((price, Decimal(size)))
        price *= (
            1 + Decimal(worse if buys else -worse / 2) / 2000 if buys else 1 - Decimal(worse) / 2000
        )
    room = Decimal(share) * sum(size for _, size in levels)
    terms: Market = replace(listed("A-B"), fee_side=FeeSide.QUOTE if in_quote else FeeSide.RECEIVED)
    side = BUY if buys else SELL
    return Hop(terms, side, Decimal(fee), levels[-1][0], tuple(levels), room)


@settings(max_examples=400, deadline=None)
@given(HOPS, st.integers(1, 500), st.integers(0, 800))
def test_the_largest_slice_fits_and_no_larger_one_does(
    hops: list[Hop], amount: int, bound_bps: int
) -> None:
    """A hair more of it runs out of a book or out of the bound, unless it is all there is."""
    bound = Decimal(bound_bps) / 10_000
    most = Fraction(largest_input(hops, Decimal(amount), bound))
    least = 1 - Fraction(bound)
    for hop in hops:
        least *= Fraction(hop.rate(hop.levels[0][0]))
    assert 0 < most <= amount
    hair = Fraction(1, 10**9)
    arrives, fits = flowed(hops, most * (1 - hair))
    assert fits
    assert arrives >= least * most * (1 - hair) * (1 - NOISE)
    if most < amount:
        arrives, fits = flowed(hops, most * (1 + hair))
        assert not fits or arrives < least * most * (1 + hair)
