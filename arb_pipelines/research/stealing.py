"""What stealing is worth: a study's market under every policy, in and out of sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import orjson

from arb_pipelines.allocation.simulation.build import rules_of
from arb_pipelines.allocation.simulation.comparison import (
    BASELINES,
    STEALING,
    Interval,
    interval_over,
    pct_a_year,
    run_all,
    stationary_interval,
)
from arb_pipelines.allocation.simulation.kernel import run_kernel
from arb_pipelines.allocation.simulation.market import SimulatedMarket
from arb_pipelines.allocation.simulation.metrics import Metrics, daily_profits, measure
from arb_pipelines.allocation.simulation.panel import Floats
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.study import Study
from arb_pipelines.optimize.targets.fields import with_fields
from arb_pipelines.optimize.targets.settings import AllocationTargetSettings
from arb_pipelines.optimize.windows import Window
from arb_pipelines.research.allocation_worlds import open_world

#: The policy whose parameters a study chose.
BEST = "stealing_best"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every policy on the same opportunities.

    ``metrics`` by policy, means over ``worlds``; ``gains`` tell what the first policy
    earned more than each other one, in percent of the capital a year, with 95 %
    confidence intervals.
    """

    days: int
    worlds: int
    metrics: Mapping[str, Mapping[str, float]]
    gains: Mapping[str, Interval]


def compare(lake: Lake, study: Study, *, worlds: int = 1) -> Comparison:
    """Compare the study's settings, as its file has them, over all its days.

    Further worlds have the next seeds. With one world the interval is over blocks
    of its days, with several over worlds.

    Raises:
        ConfigError: the study's target is not an allocation, or has nothing to draw.
        DataError: a recorded symbol has no bars.
    """
    target = _target(study)
    if worlds > 1 and target.market.recorded:
        raise ConfigError("recorded bars are one world; leave --worlds out", source=study.name)
    found: dict[str, list[Metrics]] = {}
    gains: dict[str, list[Floats]] = {name: [] for name in BASELINES}
    for number in range(worlds):
        market = _reseeded(target.market, number)
        first, last = study.days.first, study.days.last
        world = open_world(lake, market, first, last, target.settings.calendar)
        outcomes = run_all(world, target.settings)
        daily = {name: daily_profits(world, outcome) for name, outcome in outcomes.items()}
        for name, outcome in outcomes.items():
            found.setdefault(name, []).append(measure(world, outcome))
        for name in BASELINES:
            gains[name].append(pct_a_year(daily[STEALING] - daily[name], world.capital))
    intervals = {
        name: stationary_interval(each[0], seed=study.seed)
        if worlds == 1
        else interval_over(np.array([gain.mean() for gain in each]), seed=study.seed)
        for name, each in gains.items()
    }
    days = (study.days.last - study.days.first).days + 1
    return Comparison(days, worlds, {name: _means(each) for name, each in found.items()}, intervals)


def compare_best(lake: Lake, study: Study) -> Comparison:
    """Compare the best parameters of each window on its test days, which had no part in the choice.

    As in the study, one run goes over train and test days, and only the test days
    count. All windows' test days together make one series.

    Raises:
        ConfigError: the study's target is not an allocation, or it has no test days.
        DataError: a window has not been searched, or a recorded symbol has no bars.
    """
    target, windows = _target(study), study.all_windows
    if not all(window.test for window in windows):
        raise ConfigError("has no test days; give its windows test_days", source=study.name)
    chosen = _best_params(lake, study)
    series: dict[str, list[Floats]] = {}
    capital = target.market.terms.capital_cents
    for window in windows:
        first, last = window.train[0], window.test[-1]
        world = open_world(lake, target.market, first, last, target.settings.calendar)
        outcomes = run_all(world, target.settings)
        best = with_fields(target.settings, chosen[window.name])
        outcomes[BEST] = run_kernel(world, rules_of(best))
        for name, outcome in outcomes.items():
            daily = daily_profits(world, outcome)
            series.setdefault(name, []).append(daily[_rows(window, first)])
    joined = {name: pct_a_year(np.concatenate(each), capital) for name, each in series.items()}
    others = (STEALING, *BASELINES)
    gains = {
        name: stationary_interval(joined[BEST] - joined[name], seed=study.seed) for name in others
    }
    metrics = {name: {"return_pct_a_year": float(each.mean())} for name, each in joined.items()}
    return Comparison(len(joined[BEST]), 1, metrics, gains)


def describe(comparison: Comparison) -> dict[str, Any]:
    """Give the comparison as plain values."""
    return asdict(comparison)


def _target(study: Study) -> AllocationTargetSettings:
    if not isinstance(study.target, AllocationTargetSettings):
        raise ConfigError("target is not of kind allocation", source=study.name)
    return study.target


def _reseeded(market: SimulatedMarket, number: int) -> SimulatedMarket:
    rule = market.rule.model_copy(update={"seed": market.rule.seed + number})
    return market.model_copy(update={"seed": market.seed + number, "rule": rule})


def _best_params(lake: Lake, study: Study) -> dict[str, dict[str, float | int | str | bool]]:
    rows = lake.query(
        "SELECT window_name, params FROM optimization_best WHERE study = ?", [study.name]
    )
    found = {name: orjson.loads(params) for name, params in rows.iter_rows() if params is not None}
    missing = [window.name for window in study.all_windows if window.name not in found]
    if missing:
        raise DataError(
            f"study {study.name} has no best parameters for {', '.join(missing)}; search first, "
            "with arb optimize",
            source="optimization_best",
        )
    return found


def _rows(window: Window, first: date) -> slice:
    start = (window.test[0] - first).days
    return slice(start, start + len(window.test))


def _means(metrics: list[Metrics]) -> dict[str, float]:
    rows = [asdict(each) for each in metrics]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
