"""Studies: search a window's train days, measure the best out of sample, keep it all.

The search itself is in ``optimize.search``, how it is begun, continued and given
workers in ``searches``, its tables in ``study_tables`` and ``study_results``.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
import polars as pl

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.journal import only_search, read_journal
from arb_pipelines.optimize.ranking import best_trial
from arb_pipelines.optimize.samplers.base import TrialState
from arb_pipelines.optimize.search import Told, digest_of, search
from arb_pipelines.optimize.stability import drift
from arb_pipelines.optimize.study import Study
from arb_pipelines.optimize.targets.base import PeriodResult
from arb_pipelines.optimize.trials import Job
from arb_pipelines.optimize.windows import Window
from arb_pipelines.research.searches import (
    evaluate,
    journal_path,
    open_journal,
    open_workers,
    snapshot_of,
)
from arb_pipelines.research.study_results import best_rows
from arb_pipelines.research.study_tables import SearchKey, TrialTable
from arb_pipelines.research.targets import open_target


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a search is: trials told so far of all, and the best feasible value among them."""

    window: str
    trials: int
    told: int
    pruned: int
    failed: int
    best: float | None


#: Told after each trial.
Progress = Callable[[Standing], None]


@dataclass(frozen=True, slots=True)
class WindowReport:
    """One window of a study: the rows that were written, and what they add up to.

    ``trials`` are the rows of ``optimization_trials``, ``best`` the one row of
    ``optimization_best``. ``digest`` is SHA-256 over all trials' parameters, states
    and values: equal for equal study, seed and snapshot, whatever the workers.
    """

    study: str
    window: str
    trials: pl.DataFrame
    best: pl.DataFrame
    digest: str
    snapshot: int


@dataclass(frozen=True, slots=True)
class StudyReport:
    """The windows of a study that were run, in order of time."""

    study: Study
    windows: tuple[WindowReport, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the windows' digests, in order."""
        return hashlib.sha256("".join(one.digest for one in self.windows).encode()).hexdigest()


def run_study(
    lake: Lake,
    study: Study,
    *,
    workers: int,
    windows: Sequence[str] | None = None,
    seed: int | None = None,
    fresh: bool = False,
    progress: Progress = lambda _: None,
) -> StudyReport:
    """Run the windows of a study one after the other: all of them, or those named.

    Raises:
        ConfigError, DataError, ArbError: as ``run_window``.
    """
    chosen = [_window(study, name) for name in windows] if windows else study.all_windows
    reports = [
        run_window(
            lake, study, one.name, workers=workers, seed=seed, fresh=fresh, progress=progress
        )
        for one in chosen
    ]
    return StudyReport(study, tuple(reports))


def run_window(
    lake: Lake,
    study: Study,
    window: str,
    *,
    workers: int,
    seed: int | None = None,
    snapshot: int | None = None,
    fresh: bool = False,
    run_id: str | None = None,
    progress: Progress = lambda _: None,
) -> WindowReport:
    """Search one window and replace its partition of both tables.

    An interrupted search is taken up where it ended, on the snapshot that it read.
    One that is over is given again from its journal, unless study, seed or data have
    changed: then it is begun anew, as it is with ``fresh``. ``seed`` overrides the
    study's.

    Raises:
        ConfigError: the window or a parameter is unknown; the study has changed
            since it was interrupted.
        DataError: a day has no data.
        ArbError: another run of the same window is under way, or too many trials
            failed one after another.
    """
    chosen = _window(study, window)
    seed = study.seed if seed is None else seed
    key = SearchKey(study.name, window, study.digest, seed)
    path = journal_path(lake, study.name, window)
    with only_search(path.with_suffix(".lock"), f"{study.name} {window}"):
        recorded = None if fresh else read_journal(path)
        with recorded_run(
            lake,
            "optimize",
            f"{study.name}|{window}",
            {**key.columns, "workers": workers},
            run_id=run_id,
            snapshot=snapshot_of(recorded, snapshot),
        ) as run:
            began = time.monotonic()
            days = (*chosen.train, *chosen.test)
            target = open_target(lake, study, days, snapshot=run.snapshot)
            job = Job(target.target, study.first_objective, study.scoring)
            header = {**key.columns, "data": target.digest, "snapshot": run.snapshot}
            with (
                open_journal(path, recorded, header) as journal,
                open_workers(lake, study, workers, job) as (executor, name),
                TrialTable(lake, key) as table,
            ):
                told = search(
                    study,
                    _names(chosen.train),
                    executor,
                    name,
                    seed=seed,
                    known=journal.known,
                    keep=journal.keep,
                    tell=_Listener(study, window, table, progress).tell,
                )
                best = best_trial([one.gains for one in told], [one.violations for one in told])
                tested: tuple[PeriodResult, ...] = ()
                if best is not None and chosen.test:
                    params = told[best].trial.params
                    tested = evaluate(executor, name, params, _names(chosen.test))
                columns = {
                    **key.columns,
                    "digest": digest_of(told),
                    "lake_snapshot": run.snapshot,
                    "seconds": time.monotonic() - began,
                    "workers": workers,
                }
                row = best_rows(columns, study, chosen, told, best, tested)
                trials = table.finish(told, row)
    return WindowReport(study.name, window, trials, row, digest_of(told), run.snapshot)


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
        *("deflated_sharpe", "pbo", "stability", "digest", "lake_snapshot", "seconds", "workers"),
    )
    named = {"window": report.window, "train": train, "test": test, "params": params}
    return {**named, **{name: row[name] for name in same}}


def _drift(study: Study, windows: Sequence[dict[str, Any]]) -> float | None:
    """Say how far the best parameters move from window to window, 0 to 1."""
    bests = [one["params"] for one in windows if one["params"] is not None]
    moved = drift(study.parameters, bests)
    return None if moved is None else moved.overall


class _Listener:
    """Hands each trial on to the table, and tells how far the search is."""

    def __init__(self, study: Study, window: str, table: TrialTable, progress: Progress) -> None:
        self._trials, self._window = study.trial_count, window
        self._table, self._progress = table, progress
        self._states: Counter[TrialState] = Counter()
        self._best: Told | None = None

    def tell(self, told: Told) -> None:
        """Take the next trial."""
        self._table.add(told)
        self._states[told.trial.state] += 1
        both = [one for one in (self._best, told) if one is not None]
        best = best_trial([one.gains for one in both], [one.violations for one in both])
        self._best = None if best is None else both[best]
        value = None if self._best is None or self._best.values is None else self._best.values[0]
        self._progress(
            Standing(
                self._window,
                self._trials,
                self._states.total(),
                self._states[TrialState.PRUNED],
                self._states[TrialState.FAILED],
                value,
            )
        )


def _window(study: Study, name: str) -> Window:
    windows = {window.name: window for window in study.all_windows}
    if name not in windows:
        raise ConfigError(f"has no window {name!r}; it has {', '.join(windows)}", source=study.name)
    return windows[name]


def _names(days: Sequence[date]) -> tuple[str, ...]:
    """Name the periods of a target."""
    return tuple(map(str, days))
