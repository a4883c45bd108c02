"""The target of work stealing: days cut from one run, and parameters that are its settings."""

from __future__ import annotations

import pickle
from datetime import date, timedelta

import numpy as np
import pytest

from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.build import rules_of
from arb_pipelines.allocation.simulation.kernel import run_kernel
from arb_pipelines.allocation.simulation.metrics import measure
from arb_pipelines.allocation.simulation.world import Count
from arb_pipelines.errors import ConfigError
from arb_pipelines.optimize.scores import Scoring, score
from arb_pipelines.optimize.targets.allocation import AllocationTarget
from arb_pipelines.optimize.targets.fields import UnknownParameter
from tests.fakes.allocation_worlds import random_allocation_world

FIRST = date(2022, 1, 1)
DAYS = 3


def _target(seed: int = 9, blocks: int = 24) -> AllocationTarget:
    world = random_allocation_world(seed).world
    return AllocationTarget(world, AllocationSettings(), FIRST, blocks)


def _days() -> list[str]:
    return [str(FIRST + timedelta(days=day)) for day in range(DAYS)]


@pytest.mark.parametrize("blocks", [1, 5, 24, 48])
def test_days_add_up_to_the_run(blocks: int) -> None:
    """Profit, trades, wins and measures of the days are those of the whole run."""
    target, params = _target(blocks=blocks), {"entry_tolerance_pct": 1.0, "cool_down_s": 0.0}
    results = [target.evaluate(params, day) for day in _days()]
    settings = AllocationSettings.model_validate(params)
    outcome = run_kernel(target.world, rules_of(settings))
    whole = measure(target.world, outcome)
    assert whole.trades > 10
    assert round(sum(result.profit for result in results) * 100) == whole.net_profit
    assert sum(result.trades for result in results) == whole.trades
    assert sum(result.wins for result in results) == round(whole.win_rate * whole.trades)
    for name, count in (("steals", Count.STEALS), ("blocks", Count.BLOCKS)):
        assert sum(result.measures[name] for result in results) == outcome.total(count)
    assert np.mean([r.measures["used_share"] for r in results]) == pytest.approx(whole.used)
    for result in results:
        assert len(result.returns) == blocks
        assert sum(result.returns) * result.balance == pytest.approx(result.profit)


def test_the_score_is_a_studys_composite() -> None:
    """The composite of a study with daily blocks and default weights is ``Metrics.score``."""
    target = _target(blocks=1)
    results = [target.evaluate({}, day) for day in _days()]
    outcome = run_kernel(target.world, rules_of(target.settings))
    found = measure(target.world, outcome)
    composite = score(results, Scoring()).metrics["composite"]
    assert composite == pytest.approx(found.score)


def test_order_of_calls_and_pickling_change_nothing() -> None:
    """Each day is a function of parameters and day alone."""
    target = _target()
    one, other = {"protection_pct": 0.0}, {"protection_pct": 3.0}
    forth = [target.evaluate(p, day) for p in (one, other) for day in _days()]
    copy = pickle.loads(pickle.dumps(target))
    back = [copy.evaluate(p, day) for p in (other, one) for day in reversed(_days())]
    assert forth == back[::-1]
    assert copy.digest == target.digest
    assert _target(seed=10).digest != target.digest != _target(blocks=1).digest


def test_parameters_are_fields_of_the_settings() -> None:
    """A wrong name is told with the nearest, a wrong value by name, a wrong whole by its rule."""
    target = _target()
    with pytest.raises(UnknownParameter, match="entry_tolerance_pct"):
        target.check({"entry_tolerance": 1.0})
    with pytest.raises(ConfigError, match="protection_pct"):
        target.check({"protection_pct": -1.0})
    with pytest.raises(ConfigError, match="wider than normal_tolerance_pct"):
        target.check({"entry_tolerance_pct": 2.0})
