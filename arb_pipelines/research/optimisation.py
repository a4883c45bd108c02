"""Studies: search a window's train days, measure the best out of sample, keep it all.

The search itself is in ``optimize.search``, how it is begun, continued and given
workers in ``searches``, its tables in ``study_tables`` and ``study_results``.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from datetime import date

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.journal import only_search, read_journal
from arb_pipelines.optimize.ranking import best_trial
from arb_pipelines.optimize.samplers.base import TrialState
from arb_pipelines.optimize.search import Told, digest_of, search
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
from arb_pipelines.research.study_reports import (
    Progress,
    Standing,
    StudyReport,
    WindowReport,
)
from arb_pipelines.research.study_results import best_rows
from arb_pipelines.research.study_tables import SearchKey, TrialTable
from arb_pipelines.research.targets import open_target


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
    objectives = tuple(objective.metric for objective in study.objectives)
    return WindowReport(study.name, window, trials, row, digest_of(told), run.snapshot, objectives)


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
