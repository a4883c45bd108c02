"""Intervals of what stealing is worth, against oracles."""

from __future__ import annotations

import numpy as np
import pytest

from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.comparison import (
    FIRST_COME,
    NO_STEALS,
    RANKED,
    STEALING,
    interval_over,
    pct_a_year,
    run_all,
    stationary_interval,
)
from arb_pipelines.allocation.simulation.forecasts import PRIOR, with_forecasts
from arb_pipelines.allocation.simulation.readable import simulate
from arb_pipelines.allocation.simulation.world import Count, Policy
from tests.fakes.allocation_worlds import random_allocation_world


def test_without_dependence_the_interval_is_that_of_the_mean() -> None:
    """Blocks of one day resample independent days: the normal interval, within a tenth."""
    values = np.random.default_rng(1).normal(2.0, 5.0, 800)
    found = stationary_interval(values, seed=3, block=1.0)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.mean == pytest.approx(half, rel=0.1)
    assert found.mean - found.low == pytest.approx(half, rel=0.1)


def test_blocks_widen_the_interval_of_days_that_go_together() -> None:
    """An AR(1) of 0.8 has nine times the variance of its mean: thrice the width."""
    rng, values = np.random.default_rng(2), np.zeros(4_000)
    for i in range(1, len(values)):
        values[i] = 0.8 * values[i - 1] + rng.normal()
    naive, blocks = (stationary_interval(values, seed=1, block=b) for b in (1.0, 60.0))
    width = (blocks.high - blocks.low) / (naive.high - naive.low)
    assert 2.2 < width < 3.5


def test_intervals_are_seeded_and_few_days_say_nothing() -> None:
    """Equal seeds give equal bounds; one day, or one world, has no bounds at all."""
    values = np.arange(30.0)
    assert stationary_interval(values, seed=5) == stationary_interval(values, seed=5)
    assert stationary_interval(values, seed=5) != stationary_interval(values, seed=6)
    assert stationary_interval(values[:1], seed=5).high == np.inf
    assert interval_over(values[:1]).low == -np.inf
    assert interval_over(np.ones(5)).low == 1.0
    assert interval_over(values).low < values.mean() < interval_over(values).high


def test_profits_of_days_become_percent_a_year() -> None:
    """A day's 1 % of the capital is 365 % a year."""
    assert pct_a_year(np.array([1_000.0]), 100_000).tolist() == [365.0]


@pytest.mark.parametrize("seed", range(4))
def test_every_policy_runs_on_the_same_world(seed: int) -> None:
    """Each name is the policy it says; without steals nobody steals."""
    random = random_allocation_world(seed)
    outcomes = run_all(random.world, random.settings)
    for name, policy in ((STEALING, Policy.STEALING), (FIRST_COME, Policy.FIRST_COME)):
        assert outcomes[name].profits.sum() == (
            simulate(random.world, random.settings, policy).profits.sum()
        )
    assert outcomes[NO_STEALS].total(Count.STEALS) == 0
    assert outcomes[FIRST_COME].total(Count.STEALS) == 0
    assert set(outcomes) == {STEALING, NO_STEALS, FIRST_COME, RANKED}


@pytest.mark.parametrize("seed", [1, 2])
def test_forecasts_are_means_of_what_had_ended(seed: int) -> None:
    """By brute force: the symbol's opportunities closed by then, shrunk by the prior."""
    world = with_forecasts(random_allocation_world(seed).world)
    rich = world._replace(capital=10**15)
    fates = simulate(rich, AllocationSettings(), Policy.FIRST_COME).fates
    for order in range(len(world.first)):
        ended = [
            int(fates["profit"][other])
            for other in range(len(world.first))
            if world.symbol[other] == world.symbol[order]
            and fates["closed"][other] <= world.first[order]
        ]
        expected = sum(ended) / (len(ended) + PRIOR)
        assert abs(world.forecast[order] - expected) <= 0.5
