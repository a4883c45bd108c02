"""Small random markets with books of a few levels, and who answers what a panic sell asks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from random import Random

import numpy as np

from arb_pipelines.market.book import Top
from arb_pipelines.market.exact import decimal_of
from arb_pipelines.market.symbols import FeeSide, Market, Status
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.panic.network import Network
from arb_pipelines.trading.panic.routes import Chosen, Needs, Unsold, choose
from arb_pipelines.trading.panic.sight import Holding, Sight
from arb_pipelines.trading.panic_rules import PanicRules

Levels = list[tuple[str, str]]


def listed(symbol: str, **changes: object) -> Market:
    """A symbol with steps like a real venue's; a fee on top of what is spent in quote."""
    base, _, quote = symbol.partition("-")
    facts: dict[str, object] = {
        "base_increment": Decimal("0.0001"),
        "quote_increment": Decimal("0.000001"),
        "price_increment": Decimal("0.0001"),
        "base_min_size": Decimal("0.001"),
        "min_funds": Decimal("0.01"),
        "fee_side": FeeSide.QUOTE,
    }
    return Market("test", symbol, base, quote, symbol, **(facts | changes))  # type: ignore[arg-type]


def a_book(symbol: str, bids: Levels, asks: Levels) -> Book:
    """A book of levels as text, best first."""
    sides = [
        np.array([float(level[i]) for level in levels], np.float64)
        for levels in (bids, asks)
        for i in (0, 1)
    ]
    return Book(symbol, 0, *sides)


@dataclass
class SmallMarket:
    """All books of a venue; ``asked`` is what was fetched of them, question by question."""

    markets: list[Market]
    fees: dict[str, Decimal]
    books: dict[str, Book]

    def __post_init__(self) -> None:
        self.network = Network(self.markets, self.fees)
        self.asked: list[tuple[str, ...]] = []

    def tops(self) -> dict[str, Top]:
        """Best prices of all symbols."""
        return {
            symbol: Top(*(float(px[0]) if px.size else 0.0 for px in (book.bid_px, book.ask_px)))
            for symbol, book in self.books.items()
        }

    def choose(
        self, holding: Holding, rules: PanicRules, closed: frozenset[str] = frozenset()
    ) -> Chosen | Unsold:
        """Answer every question until there is a decision."""
        sight = Sight(self.network, rules, closed)
        while True:
            found = choose(sight, holding)
            if not isinstance(found, Needs):
                return found
            self.asked.append(found.symbols or ("tops",))
            if found.tops:
                assert sight.tops is None, "nothing is asked for twice"
                sight.tops = self.tops()
            for symbol in found.symbols:
                assert symbol not in sight.books, "nothing is asked for twice"
                sight.books[symbol] = self.books[symbol]


def random_market(random: Random, currencies: int = 6) -> SmallMarket:
    """Some symbols between a few currencies of random worth, each with a book of its own."""
    names = ["USDC", "USDT", "BTC", "ETH", "XRP", "SOL", "ADA"][:currencies]
    worth = {name: Decimal(1) for name in names[:2]}
    worth |= {name: Decimal(random.choice([1, 3, 20])) for name in names[2:]}
    markets, fees, books = [], {}, {}
    for quote, base in combinations(names, 2):
        if random.random() < 0.4:
            continue
        symbol = f"{base}-{quote}"
        side = random.choice([FeeSide.QUOTE, FeeSide.RECEIVED])
        markets.append(
            listed(
                symbol,
                fee_side=side,
                base_increment=Decimal(random.choice(["0.0001", "0.01", "0.5"])),
                base_min_size=Decimal(random.choice(["0.001", "0.5"])),
                base_max_size=random.choice([None, None, Decimal(60)]),
                min_funds=Decimal(random.choice(["0.01", "2"])),
                status=Status.HALTED if random.random() < 0.1 else Status.TRADING,
            )
        )
        fees[symbol] = Decimal(random.choice(["0", "0.001", "0.004"]))
        middle = worth[base] / worth[quote] * Decimal(random.choice(["0.97", "1", "1.02"]))
        books[symbol] = _random_book(random, symbol, middle)
    return SmallMarket(markets, fees, books)


def _random_book(random: Random, symbol: str, middle: Decimal) -> Book:
    tick = Decimal("0.0001")
    sides = []
    for away in (-1, 1):
        price, levels = (middle * (1 + away * Decimal("0.002"))).quantize(tick), []
        for _ in range(random.choice([0, 1, 2, 3, 3])):
            levels.append((str(price), random.choice(["0.7", "5", "12", "200"])))
            price = (price * (1 + away * Decimal(random.choice(["0.003", "0.008"])))).quantize(tick)
        sides.append([level for level in levels if Decimal(level[0]) > 0])
    return a_book(symbol, *sides)


def levels_of(book: Book, side: int) -> list[tuple[Decimal, Decimal]]:
    """A side that an order takes, as decimals: asks for a buy (0), bids for a sell (1)."""
    px, sz = (book.bid_px, book.bid_sz) if side else (book.ask_px, book.ask_sz)
    return [(decimal_of(p), decimal_of(s)) for p, s in zip(px.tolist(), sz.tolist(), strict=True)]
