"""What a strategy whose file gives no ``balances`` trades with: money that nobody else was given.

It has an even share of what the account has free of its start currencies, and what is free is
what no strategy was given: those whose files give ``balances`` come first. Strategies without
that start together share alike; one that comes later has what they left. Setting the money
aside is the manager's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from arb_pipelines.errors import ConfigError
from arb_pipelines.market.exact import decimal_of
from arb_pipelines.trading.parameters import Strategy

_ZERO = Decimal(0)


def funded(
    strategy: Strategy, free: Mapping[str, Decimal], waiting: Sequence[Strategy]
) -> Strategy:
    """Give a strategy with balances: its file's, else its share of what is ``free``.

    ``waiting`` are those that are still to be given money, this one among them. Start currencies
    of which nothing is free begin no cycle. A share is rounded down to a float.

    Raises:
        ConfigError: nothing is free of any of its start currencies.
    """
    if strategy.balances is not None:
        return strategy
    sharing = [one for one in waiting if one.balances is None]
    balances = {}
    for currency in strategy.start:
        among = sum(currency in one.start for one in sharing)
        share = _float_below(free.get(currency, _ZERO) / among)
        if share > 0.0:
            balances[currency] = share
    if not balances:
        raise ConfigError(
            f"{strategy.name} has none in its file, and the account has nothing free of "
            f"{' or '.join(strategy.start)} that no strategy was given; pay in, or give other "
            "strategies less",
            source="balances",
        )
    universe = strategy.universe
    if universe is not None:
        universe = universe.model_copy(update={"start": tuple(balances)})
    changes = {"balances": dict(sorted(balances.items())), "universe": universe}
    return strategy.model_copy(update=changes)


def _float_below(amount: Decimal) -> float:
    """Give the greatest float whose decimal is not above ``amount``."""
    nearest = float(amount)
    return nearest if decimal_of(nearest) <= amount else math.nextafter(nearest, 0.0)
