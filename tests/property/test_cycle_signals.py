"""Which cycles a book signals, and in which order: by a search of all, in plain Python."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.backtest.reference import book_events, traded_of
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import Book
from tests.fakes.backtest_worlds import random_world


def rates_of(book: Book) -> tuple[float, float]:
    """What a buy and a sell get at the best prices that have a size; 0 of a crossed book."""
    asks = [float(p) for p, size in zip(book.ask_px, book.ask_sz, strict=True) if p > 0 < size]
    bids = [float(p) for p, size in zip(book.bid_px, book.bid_sz, strict=True) if p > 0 < size]
    if not asks or not bids or book.bid_px[0] >= book.ask_px[0]:
        return 0.0, 0.0
    return 1.0 / asks[0], bids[0]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_book_signals_every_cycle_that_pays_the_best_first(seed: int) -> None:
    """One update that makes several cycles pay: all of them, by product, then by number."""
    world = random_world(seed, updates=150)
    scenario = world.scenario
    traded = traded_of(scenario)
    shelf = BookShelf(len(traded.number), world.depth, traded.terms.base_step)
    strategy = CycleStrategy("s", traded, shelf)
    best: dict[str, tuple[float, float]] = {}
    threshold = 1.0 + traded.rules.min_profit
    for book in book_events(scenario.cycles.symbols, [world.books]):
        found = [(signal.product, signal.cycle) for signal in strategy.on_market(book)]
        best[book.symbol] = rates_of(book)
        products = []
        for cycle, legs in enumerate(traded.legs):
            symbols = [scenario.cycles.symbols[symbol] for symbol, _ in legs]
            if book.symbol in symbols:
                rates = [
                    best.get(name, (0.0, 0.0))[0 if side == BUY else 1]
                    for name, (_, side) in zip(symbols, legs, strict=True)
                ]
                products.append((math.prod([*rates, traded.keep[cycle]]), cycle))
        expected = sorted((-product, cycle) for product, cycle in products if product >= threshold)
        assert found == [(-product, cycle) for product, cycle in expected]
