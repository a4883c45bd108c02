"""Run a Dagster job in this process, without webserver or daemon.

The run is recorded in the home's instance like any other, so the UI shows it
with its materialisations, checks and plots. What is run is the caller's choice.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg

from arb_pipelines import dagster_home
from arb_pipelines.definitions import build_defs
from arb_pipelines.errors import ArbError
from arb_pipelines.settings import Settings
from assets.partitions import partition_tags
from resources.run_launcher import PID_TAG

#: With this tag the UI lists the run on the job's page, as those it has launched itself.
_LOCATION = "__repository__@arb_pipelines"

#: Called with the name of a finished step and its duration in seconds.
OnStep = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A successful run: its id, how many checks it made and the names of those that warn."""

    run_id: str
    checks: int
    warnings: tuple[str, ...]


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the home's Dagster instance, the one that `arb ui` shows."""
    with dg.DagsterInstance.from_config(str(dagster_home.prepare(settings))) as instance:
        yield instance


def run_job(
    settings: Settings,
    job: str,
    *,
    dynamic: dict[str, Sequence[str]],
    first: str,
    last: str,
    on_step: OnStep,
) -> FinishedRun:
    """Run ``job`` over the partitions from ``first`` to ``last`` in one run.

    ``dynamic`` names the dynamic partitions that must exist, by definition.

    Raises:
        ArbError: a step failed; the message names it and says why.
    """
    defs = build_defs(home=settings.root, loggers={"steps": _step_logger(on_step)})
    with open_instance(settings) as instance:
        for name, keys in dynamic.items():
            instance.add_dynamic_partitions(name, list(keys))
        result = defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            tags=partition_tags(first, last)
            | {".dagster/repository": _LOCATION, PID_TAG: str(os.getpid())},
            run_config={"loggers": {"steps": {}}},
            raise_on_error=False,
        )
    if not result.success:
        raise ArbError(_why(result))
    checks = result.get_asset_check_evaluations()
    warnings = tuple(sorted(check.check_name for check in checks if not check.passed))
    return FinishedRun(result.run_id, len(checks), warnings)


def _why(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            error: Any = event.step_failure_data.error
            while error.cause is not None:
                error = error.cause
            return f"{event.step_key} failed: {error.message.strip()}"
    return f"run {result.run_id} failed before its first step"


class _Steps(logging.Handler):
    def __init__(self, on_step: OnStep) -> None:
        super().__init__()
        self._on_step = on_step

    def emit(self, record: logging.LogRecord) -> None:
        event: dg.DagsterEvent | None = getattr(record, "dagster_event", None)
        if event is not None and event.is_step_success:
            self._on_step(str(event.step_key), event.step_success_data.duration_ms / 1000)


def _step_logger(on_step: OnStep) -> dg.LoggerDefinition:
    def steps(context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("arb.steps", logging.DEBUG)
        logger.addHandler(_Steps(on_step))
        return logger

    return dg.LoggerDefinition(steps, description="Tells the caller of every finished step.")
