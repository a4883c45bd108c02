"""Searches: two workers against one, and what a trial costs besides what it measures.

All of a window's run is timed: starting the workers, sampler, containers, journal
(on disk before a trial counts), tables. The trials of a second wait and use no
processor, so that the row says how well workers are kept busy and not how many
cores are free; the row after it says what two processes get of this machine's
cores, for trials that compute.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from arb_pipelines.optimize.targets.base import Params, PeriodResult

if TYPE_CHECKING:
    from arb_pipelines.optimize.study import Study

WAITING, COMPUTING, EMPTY = 200, 30, 1_000
SECONDS = 1.0


@dataclass(frozen=True)
class Takes:
    """A target that takes some seconds a trial, waiting or computing, and measures nothing."""

    waits_s: float = 0.0
    rounds: int = 0

    def check(self, params: Params) -> None:
        """Take any parameters."""

    def evaluate(self, params: Params, period: str) -> PeriodResult:
        """Wait, then compute."""
        time.sleep(self.waits_s)
        compute(self.rounds)
        x = float(params["x"])
        return PeriodResult(period, 1.0, x, 1, 1, (x, -x))


def compute(rounds: int) -> None:
    """Keep one core busy."""
    total = 0
    for number in range(rounds):
        total += number * number


def rounds_a_second() -> int:
    """Measure how many rounds take a second here."""
    began = time.perf_counter()
    compute(3_000_000)
    return int(3_000_000 * SECONDS / (time.perf_counter() - began))


def study(trials: int, sampler: str) -> Study:
    """Make a study of one day and one number."""
    from arb_pipelines.optimize.study import Study

    return Study.model_validate(
        {
            "name": "bench",
            "target": {"kind": "triangle", "strategy": "none"},
            "days": {"first": "2025-01-01", "last": "2025-01-01"},
            "parameters": {"x": {"type": "float", "low": 0.0, "high": 1.0}},
            "objectives": ["net_profit"],
            "sampler": {"kind": sampler},
            "trials": trials,
            "blocks": 2,
        }
    )


def seconds(target: Takes, trials: int, workers: int, sampler: str = "random") -> float:
    """Time the run of a window from nothing."""
    # here, since the workers import this module for the target alone
    from arb_pipelines.lake.store import Lake
    from arb_pipelines.research import optimisation
    from arb_pipelines.research.targets import OpenedTarget
    from arb_pipelines.settings import load_settings

    optimisation.open_target = lambda *_, **__: OpenedTarget(target, "bench")
    with tempfile.TemporaryDirectory() as home:
        lake = Lake(load_settings(home=Path(home)))
        lake.snapshot()
        began = time.perf_counter()
        report = optimisation.run_window(lake, study(trials, sampler), "w00", workers=workers)
        took = time.perf_counter() - began
    assert set(report.trials["state"]) == {"complete"}
    return took


def run() -> list[dict[str, object]]:
    """Measure; the second row's ratio has no bar, since cores may be shared."""
    rounds = rounds_a_second()
    rows = []
    for name, target, trials, bar in (
        (f"study of {WAITING} trials that wait {SECONDS:g} s", Takes(SECONDS), WAITING, 1.85),
        (f"study of {COMPUTING} trials that compute 1 s", Takes(rounds=rounds), COMPUTING, None),
    ):
        one, two = (seconds(target, trials, workers) for workers in (1, 2))
        rows.append(
            {
                "name": f"{name}, two workers against one",
                "ours": two,
                "peer": one,
                "ratio": one / two,
                "unit": "s",
                "bar": "" if bar is None else f">= {bar}x one worker",
                "holds": bar is None or one / two >= bar,
                "peak_mib": None,
            }
        )
    # what TPE's own model takes grows with the trials it knows, and counts: a user waits for it
    for sampler in ("random", "tpe"):
        each_ms = seconds(Takes(), EMPTY, 2, sampler) / EMPTY * 1e3
        rows.append(
            {
                "name": f"overhead a trial, {EMPTY:,} empty trials, {sampler}, two workers",
                "ours": each_ms,
                "peer": None,
                "ratio": None,
                "unit": "ms",
                "bar": "<= 10",
                "holds": each_ms <= 10.0,
                "peak_mib": None,
            }
        )
    return rows
