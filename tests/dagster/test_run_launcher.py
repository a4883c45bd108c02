"""Runs in progress whose process is gone are found, and others are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import orjson
import pytest
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from arb_pipelines.headless import open_instance
from arb_pipelines.settings import Settings
from resources.run_launcher import PID_TAG, WatchedRunLauncher


def ended_process() -> int:
    """The pid of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        ({PID_TAG: str(os.getpid())}, WorkerStatus.RUNNING),
        ({PID_TAG: str(ended_process())}, WorkerStatus.NOT_FOUND),
        ({}, WorkerStatus.RUNNING),
    ],
)
def test_a_run_is_as_alive_as_its_process(tags: dict[str, str], status: WorkerStatus) -> None:
    """Of a run that says nothing of its process, nothing is claimed."""
    run = dg.DagsterRun(job_name="research", tags=tags)
    assert WatchedRunLauncher().check_run_worker_health(run).status == status


def test_a_run_is_gone_with_its_code_server(tmp_path: Path) -> None:
    """A socket that nobody listens on is what a killed server leaves."""
    socket = {"host": "localhost", "socket": str(tmp_path / "socket")}
    run = dg.DagsterRun(job_name="research", tags={GRPC_INFO_TAG: orjson.dumps(socket).decode()})
    result = WatchedRunLauncher().check_run_worker_health(run)
    assert result.status == WorkerStatus.NOT_FOUND


def test_a_home_s_runs_are_launched_by_it(home: Settings) -> None:
    """The project's dagster.yaml names the launcher, where Dagster finds it."""
    with open_instance(home) as instance:
        assert isinstance(instance.run_launcher, WatchedRunLauncher)
