"""The symbols that panic sells may use, and where from and to each leads.

Built once a venue. Which of its ways are worth going is ``routes``', what they give
``carrying``'s.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from arb_pipelines.market.book import Top
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import FeeSide, Market, Status

Floats = npt.NDArray[np.float64]
#: Of a symbol of which nothing is known.
NOBODY = Top(0.0, 0.0)


class Step(NamedTuple):
    """One order's way: ``side`` of ``symbol`` turns ``given`` into ``got``."""

    number: int
    symbol: str
    side: int
    given: str
    got: str


Route = tuple[Step, ...]


class Network:
    """Enabled symbols whose fee is known, as steps out of each currency.

    ``fees`` are taker fees by symbol, as fractions. ``listed`` has all symbols, ``quotes`` are
    the quote currencies of the enabled ones, the one with the most symbols first. Rates are
    arrays by the number of a step: what a unit becomes at the best price, net of the fee.
    """

    def __init__(self, markets: Sequence[Market], fees: Mapping[str, Decimal]) -> None:
        self.listed = {market.symbol: market for market in markets}
        self.fees = fees
        self.steps: list[Step] = []
        for symbol, market in sorted(self.listed.items()):
            if market.status is Status.TRADING and symbol in fees:
                n = len(self.steps)
                self.steps.append(Step(n, symbol, BUY, market.quote, market.base))
                self.steps.append(Step(n + 1, symbol, SELL, market.base, market.quote))
        self._of_symbol = {
            buy.symbol: (buy, sell)
            for buy, sell in zip(self.steps[::2], self.steps[1::2], strict=True)
        }
        out: defaultdict[str, list[Step]] = defaultdict(list)
        for step in self.steps:
            out[step.given].append(step)
        self._out: Mapping[str, Sequence[Step]] = dict(out)
        count = Counter(step.given for step in self.steps if step.side == BUY)
        self.quotes = tuple(sorted(count, key=lambda name: (-count[name], name)))
        self._keep = [self._kept(step) for step in self.steps]
        self._number = {name: i for i, name in enumerate(out)}
        self._given = np.array([self._number[step.given] for step in self.steps], np.int64)
        self._got = np.array([self._number[step.got] for step in self.steps], np.int64)

    def steps_from(self, currency: str) -> Sequence[Step]:
        """Give the steps out of a currency, by symbol."""
        return self._out.get(currency, ())

    def of_symbol(self, symbol: str) -> Sequence[Step]:
        """Give the two steps of a symbol, or none of one that cannot be used."""
        return self._of_symbol.get(symbol, ())

    def markets_of(self, currency: str) -> list[Market]:
        """Give all symbols of a currency, those too that take no orders now."""
        return [m for m in self.listed.values() if currency in (m.base, m.quote)]

    def direct(self, currency: str, target: str) -> Iterator[Route]:
        """List the routes of one order."""
        for step in self.steps_from(currency):
            if step.got == target:
                yield (step,)

    def two_hops(self, currency: str, target: str, through: Collection[str]) -> Iterator[Route]:
        """List the routes of two orders over one of ``through``."""
        for first in self.steps_from(currency):
            if first.got in through:
                for second in self.steps_from(first.got):
                    if second.got == target:
                        yield first, second

    def rates(self, tops: Mapping[str, Top]) -> Floats:
        """Give the rates at the best prices; 0 where nobody offers, or a book is crossed."""
        rates = np.zeros(len(self.steps))
        for step in self.steps:
            rates[step.number] = self.rate(step, tops.get(step.symbol, NOBODY))
        return rates

    def rate(self, step: Step, top: Top) -> float:
        """Give one step's rate at the best prices of its symbol."""
        bid, ask = top
        if not ask > 0.0:
            return bid * self._keep[step.number] if step.side == SELL else 0.0
        if bid >= ask:
            return 0.0
        return self._keep[step.number] * (bid if step.side == SELL else 1.0 / ask)

    def reach(self, rates: Floats, target: str, hops: int) -> list[dict[str, float]]:
        """Give what a unit of each currency becomes at most, by the orders left, 0 to ``hops``.

        A Bellman-Ford search backwards from ``target`` with a bounded number of steps: no route
        gives more. Currencies that do not get there are left out.
        """
        best = np.zeros(len(self._number))
        if target in self._number:
            best[self._number[target]] = 1.0
        levels, names = [best], list(self._number)
        for _ in range(hops):
            further = levels[-1].copy()
            np.maximum.at(further, self._given, rates * levels[-1][self._got])
            if target in self._number:
                further[self._number[target]] = 1.0  # a route ends where it arrives
            levels.append(further)
        return [
            {names[i]: float(level[i]) for i in np.flatnonzero(level).tolist()} for level in levels
        ]

    def _kept(self, step: Step) -> float:
        """Share of a step's gross rate that is left after the fee."""
        fee = float(self.fees[step.symbol])
        if step.side == BUY and self.listed[step.symbol].fee_side is FeeSide.QUOTE:
            return 1.0 / (1.0 + fee)
        return 1.0 - fee
