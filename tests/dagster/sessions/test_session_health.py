"""The sensor that looks after sessions: the lost ones, and the ends that the lake missed."""

from __future__ import annotations

import json
import os
from typing import Any

import dagster as dg
import pytest

import sensors.sessions
from arb_pipelines.clock import NS_PER_S, now_ns
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.session_folders import mark_lost
from arb_pipelines.research.session_requests import (
    SessionRequest,
    new_request,
)
from arb_pipelines.research.session_tables import write_batch
from arb_pipelines.settings import Settings
from sensors.sessions import session_health
from tests.dagster.sessions.accounts import add_run, alerts, beat, begun, evaluate, skipped

pytestmark = pytest.mark.xdist_group("dagster-main-job")


def started(settings: Settings, request: SessionRequest, *, ago_s: float) -> None:
    """Let a session have begun some time ago."""
    at = now_ns() - int(ago_s * NS_PER_S)
    os.utime(settings.sessions / request.key / "request.yaml", ns=(at, at))


def look_after(lake: Lake, instance: dg.DagsterInstance) -> str:
    """Look at the sessions' health once; give what is said."""
    with dg.build_sensor_context(instance=instance) as context:
        return skipped(session_health(context, lake=lake))


def state_of(lake: Lake, request: SessionRequest) -> str:
    """What a session's folder says of it."""
    document = json.loads((lake.settings.sessions / request.key / "heartbeat.json").read_text())
    return str(document["state"])


@pytest.mark.parametrize(
    ("age_s", "state", "run", "lost"),
    [
        (1, "running", dg.DagsterRunStatus.STARTED, False),
        (14, "running", dg.DagsterRunStatus.STARTED, False),
        (16, "running", dg.DagsterRunStatus.STARTED, True),
        (16, "starting", dg.DagsterRunStatus.STARTED, False),
        (16, "starting", dg.DagsterRunStatus.FAILURE, True),
        (181, "starting", dg.DagsterRunStatus.STARTED, True),
        (16, "running", None, True),
        (1, "running", dg.DagsterRunStatus.FAILURE, False),
        (5, "running", dg.DagsterRunStatus.FAILURE, True),
        (5, "running", dg.DagsterRunStatus.CANCELED, True),
        (3600, "ended", dg.DagsterRunStatus.SUCCESS, False),
        (3600, "failed", dg.DagsterRunStatus.FAILURE, False),
    ],
)
def test_a_session_is_lost_when_its_heart_stops(
    lake: Lake,
    instance: dg.DagsterInstance,
    age_s: float,
    state: str,
    run: dg.DagsterRunStatus | None,
    lost: bool,
) -> None:
    """After 15 s, more while it connects, or some missed beats where its run is over; told once."""
    request = new_request(lake.settings, "alpha")
    beat(lake.settings, request, age_s=age_s, state=state)
    if run is not None:
        add_run(instance, request.key, run)
    said = look_after(lake, instance)
    assert said == (f"lost {request.key}" if lost else "every heart beats")
    assert (state_of(lake, request) == "lost") is lost
    assert look_after(lake, instance) == "every heart beats"
    assert [alert["session"] for alert in alerts(lake)] == [request.key] * lost


def test_a_lost_session_is_asked_for_again_where_the_strategy_says_so(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    """With what was asked for and the time that is left, continuing the lost one's limits."""
    request = new_request(lake.settings, "beta", mode="paper", minutes=60)
    beat(lake.settings, request, age_s=20)
    started(lake.settings, request, ago_s=20 + 45 * 60)
    look_after(lake, instance)
    (run,) = begun(evaluate(lake, instance))
    config = run.run_config["ops"]["live_session"]["config"]
    assert config["continues"] == request.key
    assert config["mode"] == "paper"
    assert config["minutes"] == pytest.approx(15, abs=0.1)
    assert run.run_key != request.key
    (alert,) = alerts(lake)
    assert alert["restart"] == f"asked for as {run.run_key}"


@pytest.mark.parametrize(
    ("strategy", "minutes", "ran_s", "reason"),
    [
        ("alpha", None, 3600, "session.restart is not set"),
        ("beta", None, 30, "within a minute of its start"),
        ("beta", 30.0, 3600, "its time was over"),
    ],
)
def test_a_lost_session_that_should_not_is_not_asked_for_again(
    lake: Lake,
    instance: dg.DagsterInstance,
    strategy: str,
    minutes: float | None,
    ran_s: float,
    reason: str,
) -> None:
    """The alert says why: not set, lost at once, or its time was over."""
    request = new_request(lake.settings, strategy, minutes=minutes)
    beat(lake.settings, request, age_s=20)
    started(lake.settings, request, ago_s=20 + ran_s)
    look_after(lake, instance)
    (alert,) = alerts(lake)
    assert reason in alert["restart"]
    assert skipped(evaluate(lake, instance)) == "no session to begin"


def test_a_session_that_cannot_be_given_up_hides_no_other(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are told of in the same tick, which fails in the end."""
    bad, good = (new_request(lake.settings, name) for name in ("alpha", "beta"))
    for request in (bad, good):
        beat(lake.settings, request, age_s=20)
    real = sensors.sessions.give_up

    def give_up(lake: Lake, beat: Any) -> Any:
        if beat.key == bad.key:
            raise ValueError("its journal makes no sense")
        return real(lake, beat)

    monkeypatch.setattr(sensors.sessions, "give_up", give_up)
    with pytest.raises(ExceptionGroup, match="its journal makes no sense"):
        look_after(lake, instance)
    assert [alert["session"] for alert in alerts(lake)] == [good.key]
    assert (state_of(lake, bad), state_of(lake, good)) == ("running", "lost")


def test_the_end_of_a_session_that_the_lake_missed_is_brought_later(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    """Its row said that it runs; then it says how it ended, once."""
    from tests.integration.session_worker import batches_of

    request = new_request(lake.settings, "alpha")
    first, *_ = batches_of(3, request.key)
    write_batch(lake, first)
    state = "SELECT state, end_reason FROM live_sessions"
    assert lake.query(state).row(0)[0] == "running"
    beat(lake.settings, request, age_s=20, state="ended")
    assert look_after(lake, instance) == f"brought the end of {request.key}"
    assert lake.query(state).rows() == [("ended", "ended while the lake was away")]
    assert look_after(lake, instance) == "every heart beats"
    assert alerts(lake) == []


def test_a_session_that_is_heard_of_again_is_not_lost(lake: Lake) -> None:
    """A machine that slept: the next beat of the session overwrites the mark."""
    from arb_pipelines.research.session_folders import active_sessions, heartbeats

    request = new_request(lake.settings, "alpha")
    beat(lake.settings, request, age_s=20)
    mark_lost(lake.settings, heartbeats(lake.settings)[request.key])
    assert active_sessions(lake.settings, now_ns()) == []
    beat(lake.settings, request, age_s=0)
    assert active_sessions(lake.settings, now_ns()) == [request.key]
