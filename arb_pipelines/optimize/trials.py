"""One trial: how a worker runs it, what came of it, and how that is written down.

Which trials are run, and in which order they count, belongs to ``search``.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from arb_pipelines.clock import now_ns
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.runner import run_container
from arb_pipelines.containers.spec import COORDINATOR, component, container_spec
from arb_pipelines.optimize.objectives import Objective, gains_of, values_of
from arb_pipelines.optimize.pruning import Thresholds
from arb_pipelines.optimize.samplers.base import TrialState
from arb_pipelines.optimize.scores import Scoring, score
from arb_pipelines.optimize.targets.base import Params, PeriodResult, Target


@dataclass(frozen=True, slots=True)
class Job:
    """What the trials of a search have in common: opened once in each worker."""

    target: Target
    objective: Objective
    scoring: Scoring


@dataclass(frozen=True, slots=True)
class Task:
    """One trial to be run, of the job named ``job``; ``thresholds`` may stop it early."""

    job: str
    params: Params
    periods: tuple[str, ...]
    thresholds: Thresholds | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial that ended. ``error`` is one line, of a failed one."""

    number: int
    params: dict[str, float | int | str | bool]
    state: TrialState
    periods: tuple[PeriodResult, ...]
    error: str | None
    ts_started: int
    ts_ended: int
    worker: str

    def record(self) -> dict[str, Any]:
        """Give the trial as plain values, floats to the last bit."""
        return asdict(self)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Trial:
        """Read a trial that ``record`` wrote."""
        periods = tuple(
            PeriodResult(**period | {"returns": tuple(period["returns"])})
            for period in record["periods"]
        )
        return cls(**{**record, "state": TrialState(record["state"]), "periods": periods})


@dataclass(frozen=True, slots=True)
class Measured:
    """What a worker gives back: the periods done, or one line on why there are none."""

    periods: tuple[PeriodResult, ...]
    error: str | None
    ts_started: int
    ts_ended: int
    worker: str


_jobs: dict[str, Job] = {}


def open_job(name: str, job: Job) -> None:
    """Keep a job for this process's trials; the executors' initializer."""
    _jobs[name] = job


def close_job(name: str) -> None:
    """Forget a job, in a process that outlives the search."""
    _jobs.pop(name, None)


def run_trial(task: Task) -> Measured:
    """Run a trial in a container of its own, which is torn down whatever happens."""
    began, start_ns = now_ns(), time.monotonic_ns()
    coordinator = component(
        f"{__name__}:TrialCoordinator",
        job=task.job,
        params=task.params,
        periods=task.periods,
        least=None if task.thresholds is None else task.thresholds.least,
    )
    report = run_container(container_spec("trial", {COORDINATOR: coordinator}))
    worker = f"{socket.gethostname()}:{os.getpid()}"
    ended = began + time.monotonic_ns() - start_ns  # the wall clock may have been set back
    return Measured(report.value or (), report.error, began, ended, worker)


@dataclass(frozen=True, slots=True)
class TrialSettings:
    """What ``run_trial`` tells the coordinator; ``least`` are the pruning thresholds, if any."""

    job: str
    params: dict[str, float | int | str | bool]
    periods: tuple[str, ...]
    least: tuple[float | None, ...] | None


class TrialCoordinator:
    """Evaluates the periods in order, until one says that the trial is hopeless."""

    def __init__(self, settings: TrialSettings, container: Container) -> None:
        self._settings = settings
        self._thresholds = None if settings.least is None else Thresholds(settings.least)

    def run(self, container: Container) -> tuple[PeriodResult, ...]:
        """Give the periods done.

        Raises:
            ArbError: the target refuses the parameters, or a period cannot be measured.
        """
        job = _jobs[self._settings.job]
        done: list[PeriodResult] = []
        gains: list[float] = []
        for period in self._settings.periods:
            done.append(job.target.evaluate(self._settings.params, period))
            if self._thresholds is not None:
                gains.append(gain_so_far(done, job.objective, job.scoring))
                if self._thresholds.prunes(gains):
                    break
        return tuple(done)


def gain_so_far(periods: Sequence[PeriodResult], objective: Objective, scoring: Scoring) -> float:
    """Give the gain (the more the better) of the first objective over the periods done.

    Raises:
        DataError: the target reports no such measure, or the value is not finite.
    """
    values = values_of([objective], score(periods, scoring).metrics)
    return gains_of([objective], values)[0]
