"""Which cycles a strategy trades: its symbols, start currencies and lengths, on a venue.

Where the markets come from is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.market.cycles import CycleSet, find_cycles
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.parameters import Strategy


def choose_cycles(
    strategy: Strategy, markets: Sequence[Market], day: date, *, max_cycles: int
) -> tuple[Sequence[Market], CycleSet]:
    """Find the strategy's cycles; give the markets they were looked for in, and the cycles.

    Raises:
        DataError: the markets have none of the strategy's cycles.
        ConfigError: the strategy names a symbol the venue does not have.
    """
    venue = strategy.exchange
    if strategy.trading_pairs is not None:
        chosen = set(strategy.trading_pairs)
        unknown = chosen - {market.symbol for market in markets}
        if unknown:
            raise ConfigError(
                f"{venue} has no {', '.join(sorted(unknown))} on {day}", source=strategy.name
            )
        markets = tuple(market for market in markets if market.symbol in chosen)
    shortest, longest = strategy.lengths
    cycles = find_cycles(
        markets,
        start=strategy.start,
        min_length=shortest,
        max_length=longest,
        limit=max_cycles,
    )
    if not len(cycles):
        raise DataError(
            f"the markets of {venue} on {day} have no cycle of {shortest} to {longest} legs "
            f"from {', '.join(strategy.start)}",
            source="markets",
        )
    return markets, cycles
