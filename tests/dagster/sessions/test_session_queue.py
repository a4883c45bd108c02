"""The place of sessions among the runs that wait."""

from __future__ import annotations

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from arb_pipelines.headless import open_instance
from arb_pipelines.settings import Settings
from assets.sessions import live_session_job
from resources.run_coordinator import KIND_TAG, KindRunCoordinator

pytestmark = pytest.mark.xdist_group("dagster-main-job")


def test_sessions_do_not_hold_the_places_of_runs_that_compute(home: Settings) -> None:
    """Each run is tagged by its kind as it joins the queue, and each kind has a limit."""
    with open_instance(home) as instance:
        coordinator = instance.run_coordinator
        assert isinstance(coordinator, KindRunCoordinator)
        for job in (live_session_job.name, "research", "__ASSET_JOB"):
            run = instance.add_run(dg.DagsterRun(job_name=job, remote_job_origin=origin_of(job)))
            coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]
        kinds = {run.job_name: run.tags[KIND_TAG] for run in instance.get_runs()}
        config = instance.get_concurrency_config().run_queue_config
        assert config is not None
        limits = {limit["value"]: limit["limit"] for limit in config.tag_concurrency_limits}
    assert kinds == {"session": "session", "research": "compute", "__ASSET_JOB": "compute"}
    assert limits == {"compute": 2, "session": 8}
    assert config.max_concurrent_runs >= sum(limits.values())


def origin_of(job: str) -> RemoteJobOrigin:
    """Where a job would come from; only queued runs have to say."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(python_file="x.py"), "x")
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, "x"), job)
