"""What stealing is worth: the same opportunities under every policy, with honest intervals.

All policies see one world and one account's terms. What is compared are their daily
profits, paired by day; a day's profit is not independent of the next one's, so days
are resampled in blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.build import rules_of
from arb_pipelines.allocation.simulation.kernel import run_kernel
from arb_pipelines.allocation.simulation.metrics import Metrics, daily_profits, measure
from arb_pipelines.allocation.simulation.panel import Floats
from arb_pipelines.allocation.simulation.world import Policy, World
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


@dataclass(frozen=True, slots=True)
class Contest:
    """One world under every policy.

    ``daily`` are profits in cents; ``gains`` tell what stealing earned more than
    each baseline, in percent of the capital a year.
    """

    metrics: Mapping[str, Metrics]
    daily: Mapping[str, Floats]
    gains: Mapping[str, Interval]
    capital: int

    def gain(self, baseline: str) -> float:
        """What stealing earned more than a baseline, in percent of the capital a year."""
        days = self.daily[STEALING] - self.daily[baseline]
        return float(days.mean()) * DAYS_A_YEAR / self.capital * 100.0


def contest(world: World, settings: AllocationSettings, *, seed: int = 0) -> Contest:
    """Run a world under stealing and every baseline; ``seed`` is of the resampling.

    ``no_steals`` is the allocator with the same tolerances, all orders protected:
    what differs from it is the worth of stealing alone.
    """
    rules = rules_of(settings)
    nobody = rules._replace(by_time=False, protection_pct=np.inf)
    outcomes = {
        STEALING: run_kernel(world, rules),
        NO_STEALS: run_kernel(world, nobody),
        FIRST_COME: run_kernel(world, rules, Policy.FIRST_COME),
        RANKED: run_kernel(world, rules, Policy.RANKED),
    }
    daily = {name: daily_profits(world, outcome) for name, outcome in outcomes.items()}
    scale = DAYS_A_YEAR / world.capital * 100.0
    gains = {
        name: stationary_interval((daily[STEALING] - daily[name]) * scale, seed=seed)
        for name in BASELINES
    }
    metrics = {name: measure(world, outcome) for name, outcome in outcomes.items()}
    return Contest(metrics, daily, gains, world.capital)


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
