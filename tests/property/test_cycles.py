"""Cycles against networkx, on random multigraphs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.errors import ConfigError
from arb_pipelines.market.cycles import find_cycles
from arb_pipelines.market.symbols import Market, Status
from tests.cycle_oracle import market, named, networkx_cycles

# Some are known quotes, where cycles start by themselves; the others follow by name.
CURRENCIES = ("AA", "BB", "BTC", "CC", "DD", "ETH", "USDT", "ZZ")
LENGTHS = st.sampled_from([(low, high) for low in (3, 4, 5) for high in (3, 4, 5) if low <= high])


@st.composite
def market_lists(draw: st.DrawFn) -> list[Market]:
    """Up to 30 symbols among 8 currencies, both ways between some, some of them halted."""
    pairs = st.tuples(st.sampled_from(CURRENCIES), st.sampled_from(CURRENCIES))
    chosen = draw(st.lists(pairs.filter(lambda pair: pair[0] != pair[1]), unique=True, max_size=30))
    status = st.sampled_from([Status.TRADING, Status.TRADING, Status.TRADING, Status.HALTED])
    return [market(base, quote, draw(status)) for base, quote in chosen]


@given(market_lists(), LENGTHS)
@settings(max_examples=150, deadline=None)
def test_every_directed_cycle_is_found_once(
    markets: list[Market], lengths: tuple[int, int]
) -> None:
    """With any start, the cycles are networkx's, each begun at its most money-like currency."""
    low, high = lengths
    cycles = find_cycles(markets, start=None, min_length=low, max_length=high)
    assert named(cycles) == networkx_cycles(markets, None, low, high)


@given(market_lists())
@settings(max_examples=100, deadline=None)
def test_routes_of_one_way_through_the_currencies_share_a_number(markets: list[Market]) -> None:
    """Two cycles have the same number exactly when they have the same path; none is skipped."""
    cycles = find_cycles(markets, start=None, max_length=5)
    numbers = cycles.currency_cycles().tolist()
    paths = [cycles.path(i) for i in range(len(cycles))]
    assert len(set(zip(numbers, paths, strict=True))) == len(set(paths)) == len(set(numbers))
    assert sorted(set(numbers)) == list(range(len(set(paths))))


@given(market_lists(), st.lists(st.sampled_from((*CURRENCIES, "XX")), min_size=1), LENGTHS)
@settings(max_examples=150, deadline=None)
def test_start_currencies_choose_and_turn(
    markets: list[Market], start: list[str], lengths: tuple[int, int]
) -> None:
    """With start currencies, the cycles through one of them, begun at the first they contain."""
    low, high = lengths
    cycles = find_cycles(markets, start=start, min_length=low, max_length=high)
    assert named(cycles) == networkx_cycles(markets, start, low, high)


@given(market_lists(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_the_list_does_not_matter(markets: list[Market], random: object) -> None:
    """A shuffled list gives the same cycles in the same places."""
    cycles = find_cycles(markets, start=None, max_length=5)
    shuffled = list(markets)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = find_cycles(shuffled, start=None, max_length=5)
    assert (again.symbols, again.currencies) == (cycles.symbols, cycles.currencies)
    for array in ("leg_symbol", "leg_side", "length", "start", "through_ptr", "through"):
        np.testing.assert_array_equal(getattr(again, array), getattr(cycles, array))


@given(market_lists())
@settings(max_examples=60, deadline=None)
def test_the_index_holds_each_cycle_at_each_of_its_symbols(markets: list[Market]) -> None:
    """``through`` lists, rising, exactly the cycles that have the symbol among their legs."""
    cycles = find_cycles(markets, start=None, max_length=5)
    assert len(cycles.through_ptr) == len(cycles.symbols) + 1
    for symbol in range(len(cycles.symbols)):
        listed = cycles.through[cycles.through_ptr[symbol] : cycles.through_ptr[symbol + 1]]
        expected = np.flatnonzero((cycles.leg_symbol == symbol).any(axis=1))
        np.testing.assert_array_equal(listed, expected)
        assert len(expected) > 0


@given(market_lists())
@settings(max_examples=60, deadline=None)
def test_shorter_cycles_come_first_and_unused_legs_are_marked(markets: list[Market]) -> None:
    """Lengths never fall, and beyond a cycle's last leg symbol and side are -1."""
    cycles = find_cycles(markets, start=None, max_length=5)
    assert (np.diff(cycles.length) >= 0).all()
    beyond = np.arange(5) >= cycles.length[:, None]
    assert ((cycles.leg_symbol == -1) == beyond).all()
    assert ((cycles.leg_side == -1) == beyond).all()


@given(market_lists(), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_more_cycles_than_the_limit_are_refused(markets: list[Market], limit: int) -> None:
    """Exactly the sets larger than the limit are refused."""
    n = len(find_cycles(markets, start=None, max_length=5))
    if n <= limit:
        assert len(find_cycles(markets, start=None, max_length=5, limit=limit)) == n
    else:
        with pytest.raises(ConfigError, match="more than"):
            find_cycles(markets, start=None, max_length=5, limit=limit)
