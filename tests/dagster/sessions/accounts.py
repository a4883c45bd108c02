"""The account that the tests of sessions trade on, and how they look at sensors."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import orjson

from arb_pipelines.alerts import alerts_path
from arb_pipelines.clock import NS_PER_S, now_ns
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import begin_session
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.settings import Settings
from assets.sessions import SESSION_TAG, live_session_job
from sensors.sessions import sessions

SECRETS = ("key-of-the-account", "secret-of-the-account", "passphrase-of-the-account")


def evaluate(lake: Lake, instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    """Look once, as the daemon does."""
    with dg.build_sensor_context(instance=instance) as context:
        result = sessions(context, lake=lake)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def skipped(result: object) -> str:
    """Why nothing was asked for."""
    assert isinstance(result, dg.SkipReason)
    return str(result.skip_message)


def begun(result: object) -> list[dg.RunRequest]:
    """The runs that are asked for."""
    assert isinstance(result, dg.SensorResult)
    return [*(result.run_requests or ())]


def add_run(instance: dg.DagsterInstance, key: str, status: dg.DagsterRunStatus) -> None:
    """A run of a session in some state."""
    instance.add_run(
        dg.DagsterRun(job_name=live_session_job.name, status=status, tags={SESSION_TAG: key})
    )


def beat(
    settings: Settings, request: SessionRequest, *, age_s: float, state: str = "running"
) -> None:
    """The heartbeat of a session, some time old."""
    begin_session(settings, request)
    folder = settings.sessions / request.key
    heard = now_ns() - int(age_s * NS_PER_S)
    document = {"ts_ns": heard, "pid": 7, "state": state}
    (folder / "heartbeat.json").write_bytes(orjson.dumps(document))


def alerts(lake: Lake) -> list[dict[str, Any]]:
    """Lines of the file of alerts."""
    path = alerts_path(lake.settings)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
