"""What an opportunity may be expected to earn, by what its symbol's earlier ones earned.

The forecast that ranked allocation ranks by. It is what a desk could know: the mean
profit of the symbol's opportunities that had ended by then, as if capital had been
without limit, shrunk towards zero while they are few.
"""

from __future__ import annotations

import numpy as np

from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.build import rules_of
from arb_pipelines.allocation.simulation.kernel import run_kernel
from arb_pipelines.allocation.simulation.world import Policy, World

#: So many opportunities without profit are added to each mean.
PRIOR = 20
#: Dollars enough for any number of orders at once, in cents.
_NO_LIMIT = 10**15


def with_forecasts(world: World) -> World:
    """Give the world with a forecast for each opportunity, in whole cents.

    An opportunity counts once it has ended, with no profit if it never filled.
    """
    rich = world._replace(capital=_NO_LIMIT)
    fates = run_kernel(rich, rules_of(AllocationSettings()), Policy.FIRST_COME).fates
    forecast = np.zeros(len(world.first), np.int64)
    for symbol in range(len(world.is_stock)):
        own = np.flatnonzero(world.symbol == symbol)
        by_end = own[np.argsort(fates["closed"][own], kind="stable")]
        sums = np.concatenate([[0], np.cumsum(fates["profit"][by_end])])
        ended = np.searchsorted(fates["closed"][by_end], world.first[own], side="right")
        forecast[own] = np.floor(sums[ended] / (ended + PRIOR) + 0.5)
    return world._replace(forecast=forecast)
