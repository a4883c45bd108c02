"""The record of runs: what wrote to the lake, with which parameters, having read which snapshot.

A run is recorded when it has succeeded. A failed one leaves no row, as it
leaves no rows elsewhere: what went wrong belongs in the log and in Dagster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from uuid import uuid4

import orjson

from arb_pipelines.clock import now_ns
from arb_pipelines.lake.schemas import RUNS
from arb_pipelines.lake.store import Lake


@dataclass(frozen=True, slots=True)
class Run:
    """A run under way. Reading at ``snapshot`` gives what it saw, also in a year."""

    run_id: str
    task: str
    partition: str
    snapshot: int
    ts_started: int


@contextmanager
def recorded_run(
    lake: Lake,
    task: str,
    partition: str,
    params: Mapping[str, object],
    *,
    run_id: str | None = None,
    snapshot: int | None = None,
) -> Iterator[Run]:
    """Note the snapshot a run reads, and write its row in ``runs`` if the body succeeds.

    ``snapshot`` repeats an earlier run on what that one saw; default the newest.
    ``run_id`` is the Dagster run's where there is one. ``params`` must be JSON
    (days, decimals and paths are written as text). The same run_id, task and
    partition twice leaves the later row.
    """
    seen = lake.snapshot() if snapshot is None else snapshot
    run = Run(run_id or str(uuid4()), task, partition, seen, now_ns())
    yield run
    row = {
        "run_id": run.run_id,
        "task": task,
        "partition": partition,
        "lake_snapshot": run.snapshot,
        "ts_started": run.ts_started,
        "ts_ended": now_ns(),
        "params": orjson.dumps(params, default=str, option=orjson.OPT_SORT_KEYS).decode(),
        "version": version("arb-pipelines"),
    }
    lake.commit(lambda transaction: transaction.upsert(RUNS, RUNS.frame([row])))
