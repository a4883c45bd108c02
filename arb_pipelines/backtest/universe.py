"""Which cycles a strategy trades on a day: the venue's markets in, a scenario out.

Reading the markets belongs to whoever runs the backtest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from arb_pipelines.backtest.scenario import Scenario, prepare
from arb_pipelines.errors import DataError
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.cycles.choice import choose_cycles
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
    traded, cycles = choose_cycles(strategy, markets, day, max_cycles=max_cycles)
    return prepare(strategy, traded, cycles, day)
