"""What is told of studies: how far a search is, what a window came to, what all windows add up to.

How they are run is in ``optimisation``, the rows they leave in ``study_tables`` and
``study_results``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from arb_pipelines.optimize.stability import drift
from arb_pipelines.optimize.study import Study


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a search is: trials told so far of all, and the best feasible value among them."""

    window: str
    trials: int
    told: int
    pruned: int
    failed: int
    best: float | None

    def __str__(self) -> str:
        best = "none yet" if self.best is None else f"{self.best:.6g}"
        done = self.told - self.pruned - self.failed
        return (
            f"{self.window}: {self.told} of {self.trials} trials: {done} done, {self.pruned} "
            f"pruned, {self.failed} failed; best so far {best}"
        )


#: Told after each trial.
Progress = Callable[[Standing], None]


@dataclass(frozen=True, slots=True)
class WindowReport:
    """One window of a study: the rows that were written, and what they add up to.

    ``trials`` are the rows of ``optimization_trials``, ``best`` the one row of
    ``optimization_best``. ``digest`` is SHA-256 over all trials' parameters, states
    and values: equal for equal study, seed and snapshot, whatever the workers.
    ``objectives`` are the study's metrics.
    """

    study: str
    window: str
    trials: pl.DataFrame
    best: pl.DataFrame
    digest: str
    snapshot: int
    objectives: tuple[str, ...]

    @property
    def front(self) -> list[dict[str, Any]] | None:
        """The trials of the Pareto front, by number; None for a study of one objective."""
        if len(self.objectives) == 1:
            return None
        rows = self.trials.filter("on_front").select("trial_no", "values", "params").iter_rows()
        return [
            {
                "trial_no": number,
                "values": dict(zip(self.objectives, values, strict=True)),
                "params": orjson.loads(params),
            }
            for number, values, params in rows
        ]


@dataclass(frozen=True, slots=True)
class StudyReport:
    """The windows of a study that were run, in order of time."""

    study: Study
    windows: tuple[WindowReport, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the windows' digests, in order."""
        return hashlib.sha256("".join(one.digest for one in self.windows).encode()).hexdigest()


def describe(report: StudyReport) -> dict[str, Any]:
    """Sum up the windows of a study as plain values.

    ``best`` is the newest window's: the one there would be to trade next; None if
    no trial of it was feasible.
    """
    windows = [_describe(window) for window in report.windows]
    newest = windows[-1]
    best = None
    if newest["params"] is not None:
        best = {"params": newest["params"], "value": newest["value"]}
    return {
        "study": report.study.name,
        "trials": sum(one["trials"] for one in windows),
        "pruned": sum(one["pruned"] for one in windows),
        "failed": sum(one["failed"] for one in windows),
        "best": best,
        "out_of_sample": newest["test_value"],
        "deflated_sharpe": newest["deflated_sharpe"],
        "pbo": newest["pbo"],
        "drift": _drift(report.study, windows),
        "windows": windows,
        "digest": report.digest,
    }


def _describe(report: WindowReport) -> dict[str, Any]:
    row = report.best.row(0, named=True)
    days = [row["train_first"], row["train_last"], row["test_first"], row["test_last"]]
    train, test = (
        None if first is None else str(first) if first == last else f"{first}..{last}"
        for first, last in (days[:2], days[2:])
    )
    params = None if row["params"] is None else orjson.loads(row["params"])
    same = (
        *("trials", "complete", "pruned", "failed", "trial_no", "value", "test_value"),
        *("net_profit", "test_net_profit", "sharpe", "test_sharpe", "max_drawdown"),
        *("deflated_sharpe", "pbo", "stability", "unknown"),
        *("digest", "lake_snapshot", "seconds", "workers"),
    )
    named = {"window": report.window, "train": train, "test": test, "params": params}
    return {**named, **{name: row[name] for name in same}, "front": report.front}


def _drift(study: Study, windows: Sequence[dict[str, Any]]) -> float | None:
    """Say how far the best parameters move from window to window, 0 to 1."""
    bests = [one["params"] for one in windows if one["params"] is not None]
    moved = drift(study.parameters, bests)
    return None if moved is None else moved.overall
