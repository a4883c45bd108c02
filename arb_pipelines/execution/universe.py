"""What a session trades: the strategy's cycles over the venue's markets, on the account's terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.market.fees import FeeFactors
from arb_pipelines.market.scanner import cycle_arrays
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.choice import choose_cycles
from arb_pipelines.trading.cycles.universe import TradedCycles, traded_cycles
from arb_pipelines.trading.gate import symbol_sets
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.rules import rules_of
from arb_pipelines.trading.terms import terms_of
from arb_pipelines.trading.unwind import routes_of


@dataclass(frozen=True, slots=True)
class SessionUniverse:
    """The cycles of a session and the books as its decisions see them.

    ``markets`` are those of the cycles' symbols and ``fees`` their taker fees as exact
    fractions, both by symbol.
    """

    strategy: Strategy
    traded: TradedCycles
    seen: BookShelf
    markets: Mapping[str, Market]
    fees: Mapping[str, Decimal]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols of which books are needed."""
        return self.traded.cycles.symbols


def session_universe(
    strategy: Strategy,
    markets: Sequence[Market],
    fees: Mapping[str, Decimal],
    day: date,
    *,
    max_cycles: int,
) -> SessionUniverse:
    """Find the strategy's cycles; fees are the account's, whatever the strategy assumes.

    Raises:
        DataError: the markets have none of the strategy's cycles.
        ConfigError: the strategy names a symbol the venue does not have.
    """
    markets, cycles = choose_cycles(strategy, markets, day, max_cycles=max_cycles)
    traded = _traded(strategy, markets, cycles)
    by_symbol = {market.symbol: market for market in markets}
    return SessionUniverse(
        strategy,
        traded,
        BookShelf(len(cycles.symbols), strategy.session.depth, traded.terms.base_step),
        {symbol: by_symbol[symbol] for symbol in cycles.symbols},
        {symbol: fees[symbol] for symbol in cycles.symbols},
    )


def _traded(strategy: Strategy, markets: Sequence[Market], cycles: CycleSet) -> TradedCycles:
    terms = terms_of(markets, cycles.symbols)
    through = cycle_arrays(cycles, FeeFactors(terms.on_input, terms.on_output))
    keep = np.zeros(len(cycles))
    keep[through.cycle] = through.keep
    routes = routes_of(cycles, strategy.unwind.max_hops)
    return traded_cycles(cycles, terms, rules_of(strategy), routes, symbol_sets(cycles), keep)
