"""Which cycles a strategy trades on a day: the venue's markets in, a scenario out.

Reading the markets belongs to whoever runs the backtest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from arb_pipelines.backtest.scenario import Scenario, prepare
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.market.cycles import find_cycles
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.parameters import Strategy


def scenario_of(
    strategy: Strategy, markets: Sequence[Market], day: date, *, max_cycles: int
) -> Scenario:
    """Prepare the strategy's cycles over the markets of its venue on ``day``.

    Raises:
        DataError: there are no markets, they have none of the strategy's cycles,
            or list no fee and the strategy sets none.
        ConfigError: the strategy names a symbol the venue does not have.
    """
    venue = strategy.exchange
    if not markets:
        raise DataError(
            f"there are no markets of {venue} on {day} or before; ingest books, or store a list "
            f"with `arb universe --venue {venue} --symbols FILE`",
            source="markets",
        )
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
    return prepare(strategy, markets, cycles, day)
