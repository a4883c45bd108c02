"""How Dagster launches runs here: its own way, and it notices those whose process is gone.

Dagster's default launcher does not look after its runs. One that was killed
together with its code server, as by a power cut, would be in progress for ever
and keep its place in the queue. ``dagster.yaml`` names the launcher below.
"""

import os

import dagster as dg
import orjson
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient

#: Tag of a run that is a process of its own, without a code server: its pid.
PID_TAG = "arb/pid"


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Launches runs on code servers, and tells run monitoring which of them have lost theirs."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether run monitoring may ask; it does so every ``poll_interval_seconds``."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Say whether whoever executes ``run`` is still there.

        A code server reports by itself if a run of its own dies, so it is enough
        that the server answers.
        """
        if GRPC_INFO_TAG in run.tags:
            server = orjson.loads(run.tags[GRPC_INFO_TAG])
            alive = _answers(
                DagsterGrpcClient(
                    port=server.get("port"), socket=server.get("socket"), host=server.get("host")
                )
            )
        else:
            alive = PID_TAG not in run.tags or _exists(int(run.tags[PID_TAG]))
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND,
            "the process of this run is gone; its partitions are whole: re-execute it",
        )


def _answers(server: DagsterGrpcClient) -> bool:
    try:
        server.ping("")
    except DagsterUserCodeUnreachableError:
        return False
    return True


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
