"""Sessions in Dagster: the op around a session, the sensor that starts them, and their health."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from structlog.testing import capture_logs

import assets.sessions
import sensors.sessions
from arb_pipelines.alerts import alerts_path
from arb_pipelines.clock import NS_PER_S, day_of, now_ns
from arb_pipelines.definitions import build_defs
from arb_pipelines.errors import ArbError
from arb_pipelines.execution.records import Counts, ExecutionStatus, SessionState
from arb_pipelines.headless import open_instance
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.session_folders import mark_lost
from arb_pipelines.research.session_requests import (
    SessionRequest,
    begin_session,
    drop_request,
    new_request,
    requests_folder,
)
from arb_pipelines.research.session_tables import write_batch
from arb_pipelines.research.sessions import SessionBrokenOff, SessionProgress, SessionSummary
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.trading.session_rules import TradingMode
from assets.sessions import SESSION_TAG, SessionReports, live_session_job
from resources.run_coordinator import KIND_TAG, KindRunCoordinator
from sensors.sessions import session_health, sessions

pytestmark = pytest.mark.xdist_group("dagster-main-job")

STRATEGY = """
name: {name}
exchange: kucoin
universe: {{start: [USDT]}}
min_profit_bps: 1
capital_allocation: {{mode: fixed_amount, amount: 100}}
balances: {{USDT: 1000}}
session: {{restart: {restart}}}
"""
SECRETS = ("key-of-the-account", "secret-of-the-account", "passphrase-of-the-account")
OnFlush = Callable[[SessionProgress], None]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """An empty lake in a home with two strategies and an account."""
    folder = tmp_path / "strategies"
    folder.mkdir()
    for name, restart in (("alpha", "false"), ("beta", "true")):
        (folder / f"{name}.yaml").write_text(STRATEGY.format(name=name, restart=restart))
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ARB_STRATEGIES", str(folder))
    for name, value in zip(("KEY", "SECRET", "PASSPHRASE"), SECRETS, strict=True):
        monkeypatch.setenv(f"ARB_KUCOIN_{name}", value)
    return Lake(load_settings())


# -- the op ----------------------------------------------------------------------------------


def progress(request: SessionRequest, executions: int) -> SessionProgress:
    """How a session stands after some executions."""
    counts = Counts(
        books=100,
        signals=executions + 3,
        refused={"slots": 3},
        executions={ExecutionStatus.FILLED: executions},
        in_flight=1,
        orders=3 * executions,
        fills=3 * executions,
    )
    spread = {"p50": 1500.0, "p99": 9000.0, "max": 10000.0}
    latency = {"fill": spread, "cycle": spread}
    return SessionProgress(request.key, now_ns(), 1, counts, {"USDT": -1.5}, latency)


def summary(request: SessionRequest, **changes: object) -> SessionSummary:
    """What came of a session that ended well, but for ``changes``."""
    facts: dict[str, Any] = {
        "session": request.key,
        "strategy": "alpha",
        "venue": "kucoin",
        "mode": TradingMode.PAPER,
        "places_orders": True,
        "state": SessionState.ENDED,
        "reason": "its minutes are over",
        "ts_started": 1,
        "ts_ended": 2,
        "counts": progress(request, 8).counts,
        "profit": {"USDT": -1.5},
        "booked": {"USDT": "-1.5"},
        "in_flight": 0,
        "unwritten": 0,
    }
    return SessionSummary(**facts | changes)


def host(
    lake: Lake,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    session: Callable[..., SessionSummary],
) -> dg.ExecuteInProcessResult:
    """Run the job around a session of the test's own making."""
    monkeypatch.setattr(assets.sessions, "run_session", session)
    request = new_request(lake.settings, "alpha", minutes=5)
    drop_request(lake.settings, request)
    config = {"strategy": "alpha", "minutes": 5, "key": request.key}
    return (
        build_defs(home=lake.root)
        .resolve_job_def(live_session_job.name)
        .execute_in_process(
            instance=instance,
            run_config={"ops": {"live_session": {"config": config}}},
            raise_on_error=False,
        )
    )


def test_a_session_is_shown_while_it_runs(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Figures and checks at its tables, before it has ended; the newest once more at the end."""

    def session(lake: Lake, request: SessionRequest, *, on_flush: OnFlush, run_id: str) -> Any:
        folder = lake.settings.sessions / request.key
        assert (folder / "request.yaml").exists()
        assert not [*requests_folder(lake.settings).glob("*.yaml")]
        on_flush(progress(request, 2))
        until(lambda: shown(instance, "live_executions"))
        on_flush(progress(request, 8))  # too soon after the first to be told by itself
        return summary(request)

    result = host(lake, instance, monkeypatch, session)
    assert result.success
    last, first = shown(instance, "live_executions")
    assert (first["executions"], last["executions"]) == (2, 8)
    assert last["profit_USDT"] == -1.5
    assert "base64," in last["profit_over_time"]
    (figures, _) = shown(instance, "live_session_metrics")
    assert "base64," in figures["latency"]
    assert figures["refusals"] == {"slots": 3}
    assert figures["latency_p50_us"] == {"fill": 1500.0, "cycle": 1500.0}
    assert figures["latency_p99_us"] == {"fill": 9000.0, "cycle": 9000.0}
    assert (figures["cycle_p50_us"], figures["cycle_p99_us"]) == (1500.0, 9000.0)
    day = day_of(now_ns()).isoformat()
    assert instance.get_materialized_partitions(dg.AssetKey("live_executions")) == {f"{day}|alpha"}
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags[SESSION_TAG].startswith("alpha-kucoin-")
    (output,) = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    assert output.step_output_data.metadata["reason"].value == "its minutes are over"


def until(look: Callable[[], object]) -> None:
    """Wait until there is something to be seen."""
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # between two looks at a condition, not in place of one


def shown(instance: dg.DagsterInstance, asset: str) -> list[dict[str, Any]]:
    """What the materialisations of an asset show, newest first."""
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=10).records
    return [
        {name: value.value for name, value in record.asset_materialization.metadata.items()}
        for record in records
        if record.asset_materialization is not None
    ]


def test_the_tables_are_checked_while_it_runs(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every check of the tables of sessions is evaluated, on the session's day."""

    def session(lake: Lake, request: SessionRequest, *, on_flush: OnFlush, run_id: str) -> Any:
        on_flush(progress(request, 1))
        return summary(request)

    result = host(lake, instance, monkeypatch, session)
    made = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert {"live_ledger_adds_up", "live_unexplained_balance"} <= made.keys()
    assert all(made.values())


def test_a_run_that_is_terminated_ends_as_canceled(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session settles and returns; then the run says that it was asked to end."""

    def session(lake: Lake, request: SessionRequest, *, on_flush: OnFlush, run_id: str) -> Any:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        instance.report_run_canceling(run)
        return summary(request, reason="SIGINT")

    host(lake, instance, monkeypatch, session)
    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.CANCELED


def test_a_session_that_failed_fails_its_run(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the session's reason; what it left in flight is told to people."""

    def session(lake: Lake, request: SessionRequest, *, on_flush: OnFlush, run_id: str) -> Any:
        failed = SessionState.FAILED
        return summary(request, state=failed, reason="its connection failed", in_flight=2)

    result = host(lake, instance, monkeypatch, session)
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert "its connection failed" in str(failure.step_failure_data.user_failure_data)
    (alert,) = alerts(lake)
    assert (alert["event"], alert["in_flight"]) == ("session left something behind", 2)


def test_a_session_that_an_error_ended_tells_what_it_left(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives no summary; the error has it."""

    def session(lake: Lake, request: SessionRequest, *, on_flush: OnFlush, run_id: str) -> Any:
        ended = summary(request, state=SessionState.FAILED, in_flight=1, open_orders=("a-1-0",))
        raise SessionBrokenOff("its account cannot be read", ended)

    result = host(lake, instance, monkeypatch, session)
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert "look up at the venue: a-1-0" in str(failure.step_failure_data.error)
    (alert,) = alerts(lake)
    assert alert["event"] == "session left something behind"
    assert alert["open_orders"] == ["a-1-0"]


def test_a_report_that_cannot_be_made_stops_no_session(lake: Lake) -> None:
    """The lake fails under the report; the session's thread does not notice."""

    class BrokenLake(Lake):
        def reading(self, snapshot: int | None = None) -> Any:
            raise ArbError("the disk is full")

    with dg.build_op_context() as context, capture_logs() as said:
        reports = SessionReports(context, BrokenLake(lake.settings), "alpha")
        with reports:
            reports.tell(progress(new_request(lake.settings, "alpha"), 1))
            reports.close(within_s=60)
            reports.tell(progress(new_request(lake.settings, "alpha"), 2))
    assert [line["event"] for line in said] == ["session.drawing_fails", "session.report_fails"]
    assert "the disk is full" in said[-1]["error"]


# -- the sensor ------------------------------------------------------------------------------


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


def test_a_request_becomes_one_run(lake: Lake, instance: dg.DagsterInstance) -> None:
    """Under its key, with nothing of the account in it; asked for until the session begins."""
    assert skipped(evaluate(lake, instance)) == "no session to begin"
    request = new_request(lake.settings, "alpha", mode="paper", minutes=7)
    file = drop_request(lake.settings, request)
    (run,) = begun(evaluate(lake, instance))
    assert run.run_key == request.key
    assert run.tags[SESSION_TAG] == request.key
    assert run.run_config["ops"]["live_session"]["config"] == {
        "key": request.key,
        "strategy": str(lake.settings.strategies / "alpha.yaml"),
        "mode": "paper",
        "minutes": 7.0,
    }
    assert not [word for word in SECRETS if word in str(run)]
    assert file.exists(), "it waits until the session begins"
    assert begun(evaluate(lake, instance))[0].run_key == request.key
    add_run(instance, request.key, dg.DagsterRunStatus.STARTING)
    assert skipped(evaluate(lake, instance)) == "no session to begin"


def test_one_session_at_a_time_on_an_account(lake: Lake, instance: dg.DagsterInstance) -> None:
    """The second waits, says for whom, and begins when the first has ended."""
    first, second = (new_request(lake.settings, name) for name in ("alpha", "beta"))
    add_run(instance, first.key, dg.DagsterRunStatus.STARTED)
    drop_request(lake.settings, second)
    assert f"waits for {first.key}" in skipped(evaluate(lake, instance))
    (run,) = instance.get_runs()
    instance.report_run_canceled(run)
    assert begun(evaluate(lake, instance))[0].run_key == second.key


def test_a_session_of_no_run_is_in_the_way_too(lake: Lake, instance: dg.DagsterInstance) -> None:
    """One in the foreground is known by its heartbeat, until it says that it ended."""
    first, second = (new_request(lake.settings, name) for name in ("alpha", "beta"))
    beat(lake.settings, first, age_s=1)
    drop_request(lake.settings, second)
    assert "one session an account at a time" in skipped(evaluate(lake, instance))
    beat(lake.settings, first, age_s=1, state="ended")
    assert begun(evaluate(lake, instance))[0].run_key == second.key


def test_a_wrong_file_is_told_once(lake: Lake, instance: dg.DagsterInstance) -> None:
    """Moved away, with one line among the alerts; others are not held up by it."""
    request = new_request(lake.settings, "alpha")
    drop_request(lake.settings, request)
    file = requests_folder(lake.settings) / "wrong.yaml"
    file.write_text("strategy: gamma\n")
    os.utime(file, (1, 1))
    assert len(begun(evaluate(lake, instance))) == 1
    evaluate(lake, instance)
    (alert,) = alerts(lake)
    assert alert["event"] == "session request rejected"
    assert "wrong.yaml:1: strategy: " in alert["reason"]
    assert Path(alert["file"]).read_text() == "strategy: gamma\n"


def test_a_session_whose_run_ended_before_it_began_is_given_up(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    """A key has one run, so the request would wait for ever: it is rejected, and told."""
    request = new_request(lake.settings, "alpha")
    drop_request(lake.settings, request)
    add_run(instance, request.key, dg.DagsterRunStatus.FAILURE)
    assert skipped(evaluate(lake, instance)) == "no session to begin"
    (alert,) = alerts(lake)
    assert "before the session began" in alert["reason"]


# -- its health ------------------------------------------------------------------------------


def beat(
    settings: Settings, request: SessionRequest, *, age_s: float, state: str = "running"
) -> None:
    """The heartbeat of a session, some time old."""
    begin_session(settings, request)
    folder = settings.sessions / request.key
    heard = now_ns() - int(age_s * NS_PER_S)
    document = {"ts_ns": heard, "pid": 7, "state": state}
    (folder / "heartbeat.json").write_bytes(orjson.dumps(document))


def started(settings: Settings, request: SessionRequest, *, ago_s: float) -> None:
    """Let a session have begun some time ago."""
    at = now_ns() - int(ago_s * NS_PER_S)
    os.utime(settings.sessions / request.key / "request.yaml", ns=(at, at))


def look_after(lake: Lake, instance: dg.DagsterInstance) -> str:
    """Look at the sessions' health once; give what is said."""
    with dg.build_sensor_context(instance=instance) as context:
        return skipped(session_health(context, lake=lake))


def alerts(lake: Lake) -> list[dict[str, Any]]:
    """Lines of the file of alerts."""
    path = alerts_path(lake.settings)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


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


# -- its place in the queue --------------------------------------------------------------------


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
