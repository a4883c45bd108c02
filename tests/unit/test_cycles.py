"""Names and refusals of cycle sets."""

from __future__ import annotations

import pytest

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.market.cycles import BUY, SELL, find_cycles
from tests.cycle_oracle import market, named

TRIANGLE = [market("BTC", "USDT"), market("ETH", "USDT"), market("ETH", "BTC")]


def test_a_triangle_is_two_cycles_named_by_their_legs() -> None:
    """Both directions, each from the start currency, with sides as one would trade them."""
    cycles = find_cycles(TRIANGLE, start=["USDT"])
    assert named(cycles) == [
        ("USDT>BTC>ETH>USDT", "BTC-USDT:buy>ETH-BTC:buy>ETH-USDT:sell"),
        ("USDT>ETH>BTC>USDT", "ETH-USDT:buy>ETH-BTC:sell>BTC-USDT:sell"),
    ]
    assert cycles.symbols == ("BTC-USDT", "ETH-BTC", "ETH-USDT")
    assert cycles.currencies == ("BTC", "ETH", "USDT")
    assert set(cycles.leg_side.ravel()) == {BUY, SELL}


def test_symbols_on_no_cycle_are_left_out() -> None:
    """A dead end keeps no place among the symbols and currencies."""
    cycles = find_cycles([*TRIANGLE, market("AAA", "USDT")], start=None)
    assert cycles.symbols == ("BTC-USDT", "ETH-BTC", "ETH-USDT")
    assert cycles.currencies == ("BTC", "ETH", "USDT")


@pytest.mark.parametrize("start", [None, [], ["XRP"], ["BTC"]])
def test_nothing_to_find_gives_an_empty_set(start: list[str] | None) -> None:
    """No markets, or too few for a cycle, is an empty set and no error."""
    assert len(find_cycles([], start=start)) == 0
    few = find_cycles(TRIANGLE[:2], start=start)
    assert (len(few), few.symbols, few.currencies, few.through_ptr.tolist()) == (0, (), (), [0])


@pytest.mark.parametrize("lengths", [(2, 3), (3, 6), (4, 3)])
def test_lengths_outside_three_to_five_are_refused(lengths: tuple[int, int]) -> None:
    """Such lengths are a mistake of the caller."""
    with pytest.raises(ConfigError, match="not in 3 to 5"):
        find_cycles(TRIANGLE, start=None, min_length=lengths[0], max_length=lengths[1])


def test_a_symbol_that_trades_twice_is_refused() -> None:
    """Two markets of one name would be two symbols with one book."""
    with pytest.raises(DataError, match="ETH-BTC stands twice"):
        find_cycles([*TRIANGLE, TRIANGLE[2]], start=None)
