"""What stealing is worth: the same opportunities under every policy, with honest intervals.

All policies see one world and one account's terms. What is compared are their daily
profits, paired by day; a day's profit is not independent of the next one's, so days
are resampled in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.build import rules_of
from arb_pipelines.allocation.simulation.kernel import run_kernel
from arb_pipelines.allocation.simulation.panel import Floats
from arb_pipelines.allocation.simulation.world import Outcome, Policy, World
from arb_pipelines.trading.performance import DAYS_A_YEAR

STEALING, NO_STEALS = "stealing", "no_steals"
FIRST_COME, RANKED = "first_come", "ranked"
BASELINES = (NO_STEALS, FIRST_COME, RANKED)
#: Mean length of a resampled block; positions last two days at most.
BLOCK_DAYS = 10
RESAMPLES = 5_000
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the bounds of its 95 % confidence interval."""

    mean: float
    low: float
    high: float


def run_all(world: World, settings: AllocationSettings) -> dict[str, Outcome]:
    """Run a world under stealing and every baseline.

    ``no_steals`` is the allocator with the same tolerances and all orders protected:
    what differs from it is the worth of stealing alone.
    """
    rules = rules_of(settings)
    return {
        STEALING: run_kernel(world, rules),
        NO_STEALS: run_kernel(world, rules._replace(by_time=False, protection_pct=np.inf)),
        FIRST_COME: run_kernel(world, rules, Policy.FIRST_COME),
        RANKED: run_kernel(world, rules, Policy.RANKED),
    }


def pct_a_year(daily_cents: Floats, capital_cents: int) -> Floats:
    """Turn profits by day into percent of the capital a year."""
    return daily_cents * (DAYS_A_YEAR * 100.0 / capital_cents)


def stationary_interval(
    values: Floats, *, seed: int, block: float = BLOCK_DAYS, resamples: int = RESAMPLES
) -> Interval:
    """Interval of the mean of a dependent series, by the stationary bootstrap, percentiles.

    Blocks of geometric length, ``block`` on average, run on around the end.

    Source: D. Politis and J. Romano, "The Stationary Bootstrap", Journal of the
    American Statistical Association 89 (1994).
    """
    n, rng = len(values), np.random.default_rng(seed)
    if n < 2:
        mean = float(values.mean()) if n else 0.0
        return Interval(mean, -np.inf, np.inf)
    means = np.empty(resamples)
    for i in range(resamples):
        begins = rng.random(n) < 1.0 / block
        begins[0] = True
        starts = rng.integers(0, n, n)
        first = np.maximum.accumulate(np.where(begins, np.arange(n), 0))
        means[i] = values[(starts[first] + np.arange(n) - first) % n].mean()
    low, high = np.quantile(means, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def interval_over(values: Floats, *, seed: int = 0) -> Interval:
    """Interval of the mean of independent values, such as one of each generated world: BCa.

    Source: scipy.stats.bootstrap; B. Efron, "Better Bootstrap Confidence
    Intervals", Journal of the American Statistical Association 82 (1987).
    """
    mean = float(np.mean(values))
    if len(values) < 2 or np.ptp(values) == 0.0:
        return Interval(mean, -np.inf, np.inf) if len(values) < 2 else Interval(mean, mean, mean)
    found = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=_LEVEL,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))
