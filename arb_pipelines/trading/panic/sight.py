"""What one decision about a holding knows of the market, and what follows from that alone.

Which way the holding goes is decided in ``routes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from arb_pipelines.market.book import Top
from arb_pipelines.market.exact import decimal_of
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.panic.carrying import Carried, Hop, Obstacle, carry, fraction, hop_of
from arb_pipelines.trading.panic.network import NOBODY, Floats, Network, Route, Step
from arb_pipelines.trading.panic_rules import PanicRules


@dataclass(frozen=True, slots=True)
class Holding:
    """What is to be sold; ``start`` is the currency that its cycle began with.

    ``left`` are currencies that the sale has come from: it does not go back.
    """

    currency: str
    amount: Decimal
    start: str
    left: frozenset[str] = frozenset()


@dataclass(slots=True)
class Sight:
    """What is known of the market in one decision about one holding.

    ``closed`` symbols take no orders. ``books`` and ``tops`` are filled in by who fetches;
    ``met`` is what stood in the way so far.
    """

    network: Network
    rules: PanicRules
    closed: frozenset[str] = frozenset()
    books: dict[str, Book] = field(default_factory=dict)
    tops: Mapping[str, Top] | None = None
    met: set[Obstacle] = field(default_factory=set)
    _hops: dict[int, Hop | None] = field(default_factory=dict)
    _rates: Floats | None = None
    _seen: set[str] = field(default_factory=set)
    _carried: dict[tuple[int, ...], Carried | Obstacle] = field(default_factory=dict)

    def hop(self, step: Step) -> Hop | None:
        """Read the side of a known book that a step takes; ``None`` if it takes nothing."""
        if step.number not in self._hops:
            rules, market = self.rules, self.network.listed[step.symbol]
            bound, share = fraction(rules.max_slippage_bps), decimal_of(rules.slice_share)
            fee, book = self.network.fees[step.symbol], self.books[step.symbol]
            self._hops[step.number] = hop_of(market, step.side, fee, book, bound, share)
        return self._hops[step.number]

    def rates(self) -> Floats:
        """Give the rates at the best prices: of the books, where they are known.

        ``tops`` are known.
        """
        assert self.tops is not None
        if self._rates is None:
            self._rates = self.network.rates(self.tops)
        newer = {symbol: _top_of(self.books[symbol]) for symbol in self.books.keys() - self._seen}
        newer |= dict.fromkeys(self.closed, NOBODY)
        for symbol, top in newer.items():
            for step in self.network.of_symbol(symbol):
                self._rates[step.number] = self.network.rate(step, top)
        self._seen |= self.books.keys()
        return self._rates

    def carried(self, holding: Holding, route: Route) -> Carried | None:
        """Bring the holding along a route whose books are known; ``None`` if it takes nothing."""
        key = tuple(step.number for step in route)
        if key not in self._carried:
            hops = [hop for step in route if (hop := self.hop(step)) is not None]
            found: Carried | Obstacle = Obstacle.TOO_THIN
            if len(hops) == len(route):
                found = carry(hops, holding.amount, fraction(self.rules.max_slippage_bps))
            if isinstance(found, Obstacle):
                self.met.add(found)
            self._carried[key] = found
        known = self._carried[key]
        return None if isinstance(known, Obstacle) else known

    def lacking(self, routes: Iterable[Route]) -> tuple[str, ...]:
        """Name the symbols of ``routes`` whose books are not known."""
        names = dict.fromkeys(step.symbol for route in routes for step in route)
        return tuple(name for name in names if name not in self.books)


def _top_of(book: Book) -> Top:
    """Best prices of a book."""
    return Top(*(float(px[0]) if px.size else 0.0 for px in (book.bid_px, book.ask_px)))
