"""Books that tell a session what its orders have told already, and books that are news."""

from __future__ import annotations

import numpy as np

from arb_pipelines.execution.orders.own_trades import OwnTrades
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.events import Book

DEPTH = 3


class Venue:
    """One symbol, seen through a shelf."""

    def __init__(self, *, shown: bool = True) -> None:
        self.shelf = BookShelf(1, DEPTH)
        self.own = OwnTrades(self.shelf, {"A-B": 0}, DEPTH, shown=shown)
        self.ts = 0

    def book(self, *asks: tuple[float, float], bid: float = 9.0) -> Book:
        self.ts += 1
        price, size = (np.array([level[k] for level in asks], float) for k in (0, 1))
        return Book("A-B", self.ts, np.array([bid]), np.array([5.0]), price, size)

    def show(self, *asks: tuple[float, float], bid: float = 9.0) -> bool:
        """Whether a book is news; if so, the shelf knows it."""
        news = self.own.admit(self.book(*asks, bid=bid))
        if news is not None:
            self.shelf.show(0, news)
        return news is not None


def test_a_book_that_shows_our_trade_alone_is_no_news() -> None:
    """Part of a level, or whole levels with deeper ones coming into view."""
    for taken, asks in (
        (1.0, [(10.0, 1.0), (11.0, 2.0), (12.0, 2.0)]),
        (3.0, [(11.0, 1.0), (12.0, 2.0)]),
        (4.0, [(12.0, 2.0), (13.0, 7.0)]),
    ):
        venue = Venue()
        assert venue.show((10.0, 2.0), (11.0, 2.0), (12.0, 2.0))
        venue.shelf.take(0, BUY, taken)
        assert not venue.show(*asks)
        assert venue.own.echoes == 1


def test_anything_else_is_news() -> None:
    """Another size, another price, or the other side: and what we took is gone from it."""
    for asks, bid in (
        ([(10.0, 1.5), (11.0, 2.0)], 9.0),
        ([(10.0, 1.0), (10.5, 2.0)], 9.0),
        ([(10.0, 1.0), (11.0, 2.0)], 9.5),
    ):
        venue = Venue()
        venue.show((10.0, 2.0), (11.0, 2.0))
        venue.shelf.take(0, BUY, 1.0)
        assert venue.show(*asks, bid=bid)
        assert venue.own.echoes == 0


def test_without_trades_of_ours_every_book_is_news() -> None:
    """A book that repeats itself still tells that it is fresh."""
    venue = Venue()
    assert venue.show((10.0, 2.0))
    assert venue.show((10.0, 2.0))


def test_books_wait_while_an_order_is_out_and_the_newest_is_told() -> None:
    """Two orders on a symbol: it is told when both have ended; another symbol never waits."""
    venue = Venue()
    venue.show((10.0, 2.0))
    venue.own.sent("A-B")
    venue.own.sent("A-B")
    assert venue.own.is_out("A-B")
    assert not venue.show((10.0, 1.0))
    assert not venue.show((10.0, 0.5))
    assert venue.own.ended("A-B") is None
    waited = venue.own.ended("A-B")
    assert waited is not None
    assert waited.ask_sz[0] == 0.5
    assert not venue.own.is_out("A-B")
    assert venue.show((10.0, 0.5))


def test_the_book_that_waited_may_be_our_trade() -> None:
    """It came before the news of the order: once that is booked, it is no news."""
    venue = Venue()
    venue.show((10.0, 2.0), (11.0, 2.0))
    venue.own.sent("A-B")
    assert not venue.show((10.0, 1.0), (11.0, 2.0))
    venue.shelf.take(0, BUY, 1.0)
    assert venue.own.ended("A-B") is None
    assert venue.own.echoes == 1


def test_on_paper_nothing_waits_and_nothing_is_an_echo() -> None:
    """The venue never shows trades that did not happen."""
    venue = Venue(shown=False)
    venue.show((10.0, 2.0), (11.0, 2.0))
    venue.own.sent("A-B")
    venue.shelf.take(0, BUY, 1.0)
    assert venue.show((10.0, 1.0), (11.0, 2.0))
    assert venue.own.ended("A-B") is None


def test_books_are_cut_and_filled_to_the_depth_of_the_shelf() -> None:
    """A price of NaN ends a side; what is too deep is cut."""
    venue = Venue()
    short = venue.own.admit(venue.book((10.0, 1.0)))
    long = venue.own.admit(venue.book(*((10.0 + i, 1.0) for i in range(5))))
    assert short is not None
    assert long is not None
    assert np.isnan(short.ask_px[1:]).all()
    assert short.ask_sz.tolist() == [1.0, 0.0, 0.0]
    assert long.ask_px.tolist() == [10.0, 11.0, 12.0]
