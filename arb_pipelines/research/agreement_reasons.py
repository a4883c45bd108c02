"""Why a session and a backtest differ: hypotheses, each tried on what was received when.

What an order came to is explained by the book that gives the session's fill, if there is
one. What was decided follows from what was known: a book that waited or was overtaken, an
execution that ended at another time, an earlier difference.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from enum import StrEnum

from arb_pipelines.backtest.scenario import Scenario
from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.rounding import floor_to
from arb_pipelines.research.differing import Pair, Thing, What, close, same_size
from arb_pipelines.research.replaying import taken_in_at
from arb_pipelines.research.told import OPEN, TRADED, OrderTold, Told
from arb_pipelines.trading.events import Book, Ending
from arb_pipelines.trading.gate import REFUSALS, Refusal
from arb_pipelines.trading.orders import fill

#: Books of a symbol after an order's end that its venue may have had when it filled.
_BOOKS_AFTER = 3
#: Refusals by what is in flight, or rests, at the moment.
_OF_THE_MOMENT = {
    REFUSALS[reason]
    for reason in (
        *(Refusal.COOL_DOWN, Refusal.SLOTS, Refusal.TRIANGLE),
        *(Refusal.SYMBOL, Refusal.START_CURRENCY),
    )
}


class Why(StrEnum):
    """Why the two differ; a member's value is what a report says."""

    REFUSED = "the venue refused an order that the backtest fills"
    UNFINISHED = "the session ended first"
    FEE = "the fee taken is not the fee of the venue's list"
    LIMIT = "the limit that bound the backtest's order did not bind the session's"
    BY_SIZE = "a buy at a limit goes by size, and leaves funds unspent below the limit"
    ORDER_FIRST = "the order reached the venue before a book that came before the fill's news"
    BOOK_FIRST = "a book reached the venue before the order, and the session after"
    REFRESHED = "the venue offered again what the backtest holds to be taken by us"
    NO_SUCH_BOOK = "no book that was received gives the session's fill"
    OUTSIDE = "the signal came from outside, and not of a book"
    CONFLATED = "the session was never given the book: a newer one overtook it"
    WAITED = "a book waited in the session until an order on its symbol had ended"
    MOMENT = "what was in flight, or rested, ended at another time"
    TOLD_SO = "a person or a limit of the session refused"
    FOLLOWS = "it follows from an earlier difference"
    UNEXPLAINED = "unexplained"


Reason = tuple[Why, str]


class Evidence:
    """What is known of the market and of earlier differences; ``books`` in order of receipt.

    A book is in force from when the session's desk took it in, which is its receipt unless
    it waited.
    """

    def __init__(self, scenario: Scenario, books: Sequence[Book], session: Told) -> None:
        self._terms, self._cycles = scenario.setting.terms, scenario.cycles
        self._number = {symbol: i for i, symbol in enumerate(scenario.cycles.symbols)}
        self._books: defaultdict[str, list[Book]] = defaultdict(list)
        taken_in = taken_in_at(session)
        for book in books:
            self._books[book.symbol].append(book)
        self._received = {(book.symbol, book.ts_recv) for book in books}
        self._in_force = {
            symbol: [taken_in.get(book.ts_recv, book.ts_recv) for book in of]
            for symbol, of in self._books.items()
        }
        self._given = {(book.symbol, book.ts_recv) for book in session.books}
        self._waited = [book for book in session.books if book.waited]
        self._differed: set[str] = set()

    def note(self, pair: Pair) -> None:
        """Remember a pair whose orders differ: what is left of its books, and money, does too."""
        for orders in pair.orders():
            self._differed.update(order.symbol for order in orders if order is not None)

    def why(self, pair: Pair, thing: Thing) -> Reason:
        """Explain the first thing of a pair that differs."""
        match thing.what:
            case What.SIGNAL:
                return self._of_signal(pair)
            case What.DECISION:
                return self._of_decision(pair)
            case What.ORDER:
                return self._of_order(pair, thing.order or 0)
            case What.FILL:
                mine, other = pair.orders()[thing.order or 0]
                assert mine is not None  # what one side alone has differs as an order
                assert other is not None
                return self._of_fill(mine, other)

    # -- what was seen and decided -----------------------------------------------------

    def _of_signal(self, pair: Pair) -> Reason:
        ts, symbols = pair.signal.ts, self._symbols(pair)
        if pair.backtest is None and not any((symbol, ts) in self._given for symbol in symbols):
            return Why.OUTSIDE, ""
        if pair.session is None:
            shown = [symbol for symbol in symbols if (symbol, ts) in self._received]
            lost = [symbol for symbol in shown if (symbol, ts) not in self._given]
            if lost:
                return Why.CONFLATED, lost[0]
        return self._of_view(pair)

    def _of_decision(self, pair: Pair) -> Reason:
        decided = [side.decided for side in (pair.session, pair.backtest) if side is not None]
        ours = decided[0]
        if ours == OPEN:
            return Why.UNFINISHED, ""
        if ours != TRADED and ours not in REFUSALS:
            return Why.TOLD_SO, ours
        reason = self._of_view(pair)
        moment = [of for of in decided if of in _OF_THE_MOMENT]
        if moment and reason[0] is not Why.WAITED:
            return Why.MOMENT, moment[0]
        return reason

    def _of_order(self, pair: Pair, number: int) -> Reason:
        mine, _ = pair.orders()[number]
        if mine is None and any(order and order.ts_ended is None for order, _ in pair.orders()):
            return Why.UNFINISHED, ""
        return self._of_view(pair)

    def _of_view(self, pair: Pair) -> Reason:
        """Explain by what was known of the cycle's books and of money."""
        ts, symbols = pair.signal.ts, self._symbols(pair)
        for book in self._waited:
            if book.symbol in symbols and book.ts_recv <= ts <= book.ts_taken:
                late_ms = (book.ts_taken - book.ts_recv) / NS_PER_MS
                return Why.WAITED, f"{book.symbol}, {late_ms:.3f} ms"
        touched = sorted(self._differed & set(symbols))
        if self._differed:
            return Why.FOLLOWS, ", ".join(touched) or "what was free to trade with"
        return Why.UNEXPLAINED, ""

    # -- what an order came to ---------------------------------------------------------

    def _of_fill(self, mine: OrderTold, other: OrderTold) -> Reason:
        if mine.ending is Ending.REJECTED:
            return Why.REFUSED, mine.reason or ""
        if mine.ts_ended is None:
            return Why.UNFINISHED, ""
        step = float(self._terms.base_step[self._number[mine.symbol]])
        if same_size(mine.size, other.size, step) and close(mine.funds, other.funds):
            return Why.FEE, f"{mine.fee:.12g} instead of {other.fee:.12g}"
        limit = mine.limit_px
        if mine.side == BUY and limit and mine.size > 0.0:
            by_size = floor_to(mine.amount / limit, step)
            if same_size(mine.size, by_size, step):
                return Why.BY_SIZE, f"{mine.size:.12g} instead of {other.size:.12g}"
        for why, book in self._candidates(mine):
            if self._gives(book, mine):
                apart_ms = (book.ts_recv - (mine.ts_routed or mine.ts_decided)) / NS_PER_MS
                return why, f"the book received {apart_ms:+.3f} ms from the order's departure"
        return Why.NO_SUCH_BOOK, mine.symbol

    def _candidates(self, order: OrderTold) -> Iterator[tuple[Why, Book]]:
        """Give the books that the venue may have had: at arrival, before, and after."""
        books, times = self._books[order.symbol], self._in_force.get(order.symbol, [])
        assert order.ts_ended is not None
        at = bisect_right(times, order.ts_ended) - 1
        sent = bisect_right(times, order.ts_routed or order.ts_decided) - 1
        if at >= 0:
            within = self._gives(books[at], order, limited=True)
            followed = Why.FOLLOWS if order.symbol in self._differed else Why.REFRESHED
            yield (followed if within else Why.LIMIT), books[at]
        for earlier in range(at - 1, max(sent, 0) - 1, -1):
            yield Why.ORDER_FIRST, books[earlier]
        for later in books[at + 1 : at + 1 + _BOOKS_AFTER]:
            yield Why.BOOK_FIRST, later

    def _gives(self, book: Book, order: OrderTold, *, limited: bool = False) -> bool:
        """Whether an order's fill is that of the whole book."""
        symbol, buys = self._number[order.symbol], order.side == BUY
        limit = order.limit_px if limited else (math.inf if buys else 0.0)
        if limit is None:
            return False
        px, sz = (book.ask_px, book.ask_sz) if buys else (book.bid_px, book.bid_sz)
        done = fill(self._terms, symbol, order.side, order.amount, limit, px, sz)
        step = float(self._terms.base_step[symbol])
        return same_size(done.size, order.size, step) and close(done.funds, order.funds)

    def _symbols(self, pair: Pair) -> list[str]:
        cycle = pair.signal.cycle
        legs = self._cycles.leg_symbol[cycle, : int(self._cycles.length[cycle])]
        return [self._cycles.symbols[leg] for leg in legs.tolist()]
