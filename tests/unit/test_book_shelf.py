"""What a shelf shows of books that we take from."""

from __future__ import annotations

import numpy as np
import pytest

from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.events import Book

Level = tuple[float, float]


def _book(ts: int, bids: list[Level], asks: list[Level]) -> Book:
    return Book("ETH-USDT", ts, *_columns(bids), *_columns(asks))


def _columns(levels: list[Level]) -> tuple[np.ndarray, np.ndarray]:
    px, sz = np.array(levels).T
    return px.copy(), sz.copy()


BIDS = [(99.0, 2.0), (98.0, 3.0)]
ASKS = [(100.0, 1.0), (101.0, 5.0)]


@pytest.fixture
def shelf() -> BookShelf:
    """A shelf of one symbol with two levels a side."""
    shelf = BookShelf(1, 2)
    shelf.show(0, _book(1, BIDS, ASKS))
    return shelf


def test_rates_are_of_the_best_level_that_is_left(shelf: BookShelf) -> None:
    """A level taken whole promises nothing, before and after a book that still displays it."""
    assert tuple(shelf.rate[:2]) == (1 / 100.0, 99.0)
    shelf.take(0, BUY, 1.0)
    assert tuple(shelf.rate[:2]) == (1 / 101.0, 99.0)
    shelf.show(0, _book(2, [(99.0, 4.0), (98.0, 3.0)], ASKS))
    assert tuple(shelf.rate[:2]) == (1 / 101.0, 99.0)


def test_a_level_that_is_taken_in_part_still_counts(shelf: BookShelf) -> None:
    """Something is left of it, so its price is ours to have."""
    shelf.take(0, SELL, 1.5)
    assert tuple(shelf.rate[:2]) == (1 / 100.0, 99.0)
    assert shelf.left[0, SELL].tolist() == [0.5, 3.0]


def test_a_refreshed_level_is_there_again(shelf: BookShelf) -> None:
    """Another size at the price means that the venue has put something new there."""
    shelf.take(0, BUY, 1.0)
    shelf.show(0, _book(2, BIDS, [(100.0, 0.25), (101.0, 5.0)]))
    assert tuple(shelf.rate[:2]) == (1 / 100.0, 99.0)
    assert shelf.left[0, BUY].tolist() == [0.25, 5.0]


def test_a_book_of_which_we_took_a_side_promises_nothing(shelf: BookShelf) -> None:
    """With one side gone for us it is a one-sided book."""
    shelf.take(0, BUY, 6.0)
    assert tuple(shelf.rate[:2]) == (0.0, 0.0)


def test_a_crossed_book_promises_nothing_whatever_we_took(shelf: BookShelf) -> None:
    """Taking the crossed level away does not make the display one to trust."""
    crossed = [(100.0, 1.0), (101.5, 5.0)]
    shelf.show(0, _book(2, [(101.0, 2.0), (98.0, 3.0)], crossed))
    shelf.take(0, BUY, 1.0)
    assert tuple(shelf.rate[:2]) == (0.0, 0.0)


def test_noise_of_what_was_taken_in_parts_is_no_level() -> None:
    """1.1 less 0.9 and 0.2 is 0 in decimals, and 5.6e-17 in binary."""
    shelf = BookShelf(1, 2)
    shelf.show(0, _book(1, BIDS, [(100.0, 1.1), (101.0, 5.0)]))
    shelf.take(0, BUY, 0.9)
    shelf.take(0, BUY, 0.2)
    assert 1.1 - 0.9 - 0.2 != 0.0
    assert shelf.left[0, BUY, 0] == 0.0
    assert tuple(shelf.rate[:2]) == (1 / 101.0, 99.0)


def test_the_last_step_of_a_large_level_is_a_level() -> None:
    """A venue shows it, however small a share it is: one in 5 billion steps here."""
    shelf = BookShelf(1, 2)
    shelf.show(0, _book(1, [(0.041, 50.0), (0.04, 3.0)], ASKS))
    shelf.take(0, SELL, 49.99999999)
    assert shelf.left[0, SELL, 0] == pytest.approx(1e-8)
    assert shelf.rate[1] == 0.041


def test_an_order_over_several_levels_leaves_no_noise() -> None:
    """1,000.3 less 1,000 and 0.2 misses 0.1 by 9e-14: the third level is gone, the fourth whole."""
    shelf = BookShelf(1, 4)
    asks = [(100.0, 1_000.0), (101.0, 0.2), (102.0, 0.1), (103.0, 7.0)]
    shelf.show(0, _book(1, [(99.0 - i, 2.0) for i in range(4)], asks))
    shelf.take(0, BUY, 1_000.3)
    assert 1_000.3 - 1_000.0 - 0.2 != 0.1
    assert shelf.left[0, BUY].tolist() == [0.0, 0.0, 0.0, 7.0]
    assert shelf.rate[0] == 1 / 103.0


def test_the_echo_of_our_trade_is_what_is_left(shelf: BookShelf) -> None:
    """Levels as the venue shows them after it; deeper ones that came into view change nothing."""
    shelf.take(0, BUY, 1.0)
    assert shelf.leaves(0, BUY, *_columns([(101.0, 5.0), (102.0, 9.0)]))
    assert not shelf.leaves(0, BUY, *_columns([(101.0, 5.1), (102.0, 9.0)]))
    assert not shelf.leaves(0, BUY, *_columns([(100.0, 1.0), (101.0, 5.0)]))
    assert not shelf.leaves(0, BUY, *_columns([(102.0, 9.0)]))


def test_the_last_step_of_a_large_level_is_known_again() -> None:
    """The float left of 51.0293 misses 1e-8 by more than a billionth of it."""
    shelf = BookShelf(1, 2)
    shelf.show(0, _book(1, [(0.041, 51.0293), (0.04, 3.0)], ASKS))
    shelf.take(0, SELL, 51.02929999)
    assert shelf.left[0, SELL, 0] != 1e-8
    assert shelf.leaves(0, SELL, *_columns([(0.041, 1e-8), (0.04, 3.0)]))
    assert not shelf.leaves(0, SELL, *_columns([(0.041, 2e-8), (0.04, 3.0)]))


def test_what_is_left_is_the_float_that_the_venue_would_show() -> None:
    """On the venue's step of sizes, after one order or several; a size off the step stays."""
    shelf = BookShelf(1, 2, np.array([1e-8]))
    shelf.show(0, _book(1, [(0.041, 51.0293), (0.04, 3.000000005)], ASKS))
    shelf.take(0, SELL, 20.1)
    shelf.take(0, SELL, 30.92929999)
    assert 51.0293 - (20.1 + 30.92929999) != 1e-8
    assert shelf.left[0, SELL].tolist() == [1e-8, 3.000000005]
    shelf.take(0, SELL, 1.00000001)
    assert shelf.left[0, SELL, 1] == pytest.approx(2.000000005, abs=1e-15)
