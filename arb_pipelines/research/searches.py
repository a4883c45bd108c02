"""How the search of one window is begun or continued, and who runs its trials.

What is searched, and what becomes of it, is in ``optimisation``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

from arb_pipelines.containers.executors import Executor, open_executor
from arb_pipelines.containers.modes import Mode, thread_model
from arb_pipelines.errors import ArbError, ConfigError
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.journal import Journal, Recorded
from arb_pipelines.optimize.spaces import Value
from arb_pipelines.optimize.study import Study
from arb_pipelines.optimize.targets.base import PeriodResult
from arb_pipelines.optimize.trials import (
    Job,
    Measured,
    Task,
    Trial,
    close_job,
    open_job,
    run_trial,
)


def journal_path(lake: Lake, study: str, window: str) -> Path:
    """Where the journal of a window's search lies."""
    return lake.root / "studies" / study / f"{window}.journal"


def snapshot_of(recorded: Recorded | None, asked: int | None) -> int | None:
    """Choose the snapshot to read: that of an interrupted search, else the one asked for.

    None stands for the newest.

    Raises:
        ConfigError: the interrupted search read another one than is asked for.
    """
    if recorded is None or recorded.over:
        return asked
    read = int(recorded.header["snapshot"])
    if asked not in (None, read):
        raise ConfigError(
            f"the search was begun on snapshot {read}, not {asked}; --fresh begins it anew"
        )
    return read


@dataclass(frozen=True, slots=True)
class OpenJournal:
    """The journal of a search under way, and the trials that it held at the beginning."""

    journal: Journal
    known: Mapping[int, Trial]

    def keep(self, trials: Sequence[Trial]) -> None:
        """Put trials on disk."""
        self.journal.append([trial.record() for trial in trials])


@contextmanager
def open_journal(
    path: Path, recorded: Recorded | None, header: Mapping[str, Any]
) -> Iterator[OpenJournal]:
    """Continue the journal that was read, or begin one; note at the end that it is over.

    ``header`` says which search it is. One that is over, of another search or on
    other data, is replaced.

    Raises:
        ConfigError: an interrupted search was another one.
    """
    header = {**header, "version": version("arb-pipelines")}
    if recorded is not None:
        changed = [name for name, value in header.items() if recorded.header.get(name) != value]
        if recorded.over and set(changed) <= {"snapshot"}:  # the same data, seen later
            changed = []
        if changed and not recorded.over:
            raise ConfigError(
                f"the search that was interrupted had another {', '.join(changed)}; run it as it "
                "was to continue it, or begin anew with --fresh",
                source=f"{header['study']} {header['window_name']}",
            )
        if changed:
            recorded = None
    if recorded is None:
        journal, known = Journal.begin(path, header), {}
    else:
        journal = Journal.resume(path, recorded)
        trials = map(Trial.of, recorded.records)
        known = {trial.number: trial for trial in trials}
    try:
        yield OpenJournal(journal, known)
        if recorded is None or not recorded.over:
            journal.finish()
    finally:
        journal.close()


@contextmanager
def open_workers(
    lake: Lake, study: Study, workers: int, job: Job
) -> Iterator[tuple[Executor, str]]:
    """Give what runs trials of ``job``, and the name of the job there.

    These are processes of this machine, or the workers of the cluster that
    ARB_CLUSTER names.

    Raises:
        ConfigError: the cluster cannot be reached, or its extra is not installed.
    """
    name = str(uuid4())
    executor = _open_executor(lake.settings.cluster, study, workers, name, job)
    try:
        yield executor, name
    finally:
        executor.close()
        close_job(name)


def _open_executor(
    cluster: str | None, study: Study, workers: int, name: str, job: Job
) -> Executor:
    if cluster is None:
        return open_executor(
            thread_model(Mode.OPTIMIZATION),
            workers,
            memory_limit_mib=study.memory_limit_mib,
            initializer=open_job,
            initargs=(name, job),
        )
    try:
        from arb_pipelines.optimize.cluster import open_cluster
    except ImportError:
        raise ConfigError(
            "needs Dask, the extra `cluster`: pip install 'arb-pipelines[cluster]'",
            source="ARB_CLUSTER",
        ) from None
    return open_cluster(cluster, workers, name, job, memory_limit_mib=study.memory_limit_mib)


def evaluate(
    executor: Executor, job: str, params: Mapping[str, Value], periods: Sequence[str]
) -> tuple[PeriodResult, ...]:
    """Measure one set of parameters over ``periods`` while no other trial runs.

    Raises:
        ArbError: it could not be measured.
    """
    executor.submit(0, run_trial, Task(job, params, tuple(periods)))
    (done,) = executor.wait()
    measured: Measured | None = done.result
    error = done.error if measured is None else measured.error
    if measured is None or error is not None:
        raise ArbError(f"the best trial, {dict(params)}, cannot be measured out of sample: {error}")
    return measured.periods
