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
    assert shelf.rates[0] == (1 / 100.0, 99.0)
    shelf.take(0, BUY, 1.0)
    assert shelf.rates[0] == (1 / 101.0, 99.0)
    shelf.show(0, _book(2, [(99.0, 4.0), (98.0, 3.0)], ASKS))
    assert shelf.rates[0] == (1 / 101.0, 99.0)


def test_a_level_that_is_taken_in_part_still_counts(shelf: BookShelf) -> None:
    """Something is left of it, so its price is ours to have."""
    shelf.take(0, SELL, 1.5)
    assert shelf.rates[0] == (1 / 100.0, 99.0)
    assert shelf.left[0, SELL].tolist() == [0.5, 3.0]


def test_a_refreshed_level_is_there_again(shelf: BookShelf) -> None:
    """Another size at the price means that the venue has put something new there."""
    shelf.take(0, BUY, 1.0)
    shelf.show(0, _book(2, BIDS, [(100.0, 0.25), (101.0, 5.0)]))
    assert shelf.rates[0] == (1 / 100.0, 99.0)
    assert shelf.left[0, BUY].tolist() == [0.25, 5.0]


def test_a_book_of_which_we_took_a_side_promises_nothing(shelf: BookShelf) -> None:
    """With one side gone for us it is a one-sided book."""
    shelf.take(0, BUY, 6.0)
    assert shelf.rates[0] == (0.0, 0.0)


def test_a_crossed_book_promises_nothing_whatever_we_took(shelf: BookShelf) -> None:
    """Taking the crossed level away does not make the display one to trust."""
    crossed = [(100.0, 1.0), (101.5, 5.0)]
    shelf.show(0, _book(2, [(101.0, 2.0), (98.0, 3.0)], crossed))
    shelf.take(0, BUY, 1.0)
    assert shelf.rates[0] == (0.0, 0.0)


def test_noise_of_what_was_taken_in_parts_is_no_level() -> None:
    """1.1 less 0.9 and 0.2 is 0 in decimals, and 5.6e-17 in binary."""
    shelf = BookShelf(1, 2)
    shelf.show(0, _book(1, BIDS, [(100.0, 1.1), (101.0, 5.0)]))
    shelf.take(0, BUY, 0.9)
    shelf.take(0, BUY, 0.2)
    assert 1.1 - 0.9 - 0.2 != 0.0
    assert shelf.left[0, BUY, 0] == 0.0
    assert shelf.rates[0] == (1 / 101.0, 99.0)
