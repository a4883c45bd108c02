"""The op that hosts a session: what it shows, and how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from structlog.testing import capture_logs

import assets.session_reports
import assets.sessions
from arb_pipelines.clock import day_of, now_ns
from arb_pipelines.definitions import build_defs
from arb_pipelines.errors import ArbError, DataError
from arb_pipelines.execution.records.values import Counts, ExecutionStatus, SessionState
from arb_pipelines.lake.models.checks import CheckResult
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import drop_request, requests_folder
from arb_pipelines.research.session_requests import SessionRequest, new_request
from arb_pipelines.research.sessions import SessionBrokenOff, SessionProgress, SessionSummary
from arb_pipelines.trading.session_rules import TradingMode
from assets.sessions import SESSION_TAG, SessionReports, live_session_job
from tests.dagster.sessions.accounts import alerts

pytestmark = pytest.mark.xdist_group("dagster-main-job")
OnFlush = Callable[[SessionProgress], None]


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
    who = request.strategy.stem
    return SessionProgress(request.key, who, "kucoin", now_ns(), 1, counts, {"USDT": -1.5}, latency)


def summary(request: SessionRequest, **changes: object) -> SessionSummary:
    """What came of a session that ended well, but for ``changes``."""
    facts: dict[str, Any] = {
        "session": request.key,
        "strategy": request.strategy.stem,
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
    session: Callable[..., SessionSummary | list[SessionSummary]],
) -> dg.ExecuteInProcessResult:
    """Run the job around a session of the test's own making, or several of one process."""

    def run(
        lake: Lake,
        requests: list[SessionRequest],
        *,
        on_flush: OnFlush,
        on_end: Callable[[SessionSummary], None],
        run_id: str,
    ) -> list[SessionSummary]:
        try:
            came_of = session(lake, *requests, on_flush=on_flush, run_id=run_id)
        except SessionBrokenOff as broken:
            on_end(broken.summary)
            raise
        summaries = came_of if isinstance(came_of, list) else [came_of]
        for each in summaries:
            on_end(each)
        return summaries

    monkeypatch.setattr(assets.sessions, "run_sessions", run)
    # the last report is what is looked at: a busy machine may take longer than trading would wait
    monkeypatch.setattr(assets.sessions, "_LAST_REPORT_S", 120.0)
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
    assert instance.get_materialized_partitions(dg.AssetKey("strategy_cycles")) == {f"{day}|kucoin"}
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags[SESSION_TAG].startswith("alpha-kucoin-")
    (output,) = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    assert output.step_output_data.metadata["reason"].value == "its minutes are over"


def test_a_strategy_that_joins_is_shown_as_itself(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figures are its own partition's, as the first one's stay the first one's; to the end."""

    def session(lake: Lake, request: SessionRequest, *, on_flush: OnFlush, run_id: str) -> Any:
        other = new_request(lake.settings, "beta")
        on_flush(progress(request, 2))
        on_flush(progress(other, 3))
        until(lambda: {"alpha", "beta"} <= {name for name, _ in by_strategy(instance)})
        on_flush(progress(other, 5))
        on_flush(progress(request, 8))
        return [summary(request), summary(other)]

    result = host(lake, instance, monkeypatch, session)
    assert result.success
    assert set(by_strategy(instance)) == {("alpha", 2), ("alpha", 8), ("beta", 3), ("beta", 5)}
    assert {*instance.get_dynamic_partitions("strategy")} == {"alpha", "beta"}
    day = day_of(now_ns()).isoformat()
    for table in ("live_executions", "live_sessions"):
        parts = instance.get_materialized_partitions(dg.AssetKey(table))
        assert parts == {f"{day}|alpha", f"{day}|beta"}
    (output,) = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    told = output.step_output_data.metadata
    assert told["strategy"].value == "beta"
    assert [one["strategy"] for one in told["earlier"].value.values()] == ["alpha"]


def by_strategy(instance: dg.DagsterInstance) -> list[tuple[str, int]]:
    """Strategy of each report's partition, and the executions it told of."""
    records = instance.fetch_materializations(dg.AssetKey("live_executions"), limit=10).records
    told = [r.asset_materialization for r in records if r.asset_materialization is not None]
    return [(str(t.partition).split("|")[1], int(t.metadata["executions"].value)) for t in told]


def until(look: Callable[[], object]) -> None:
    """Wait until there is something to be seen."""
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # between two looks at a condition, not in place of one


def views(lake: Lake) -> set[str]:
    """Names of the views of a lake."""
    sql = "SELECT view_name FROM duckdb_views() WHERE database_name = 'lake'"
    try:
        return {*lake.query(sql)["view_name"]}
    except DataError:  # no lake yet
        return set()


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
    """Every check of a session's tables and of the engine's; and their views can be asked."""

    def session(lake: Lake, request: SessionRequest, *, on_flush: OnFlush, run_id: str) -> Any:
        on_flush(progress(request, 1))
        until(lambda: {"live_strategy_days", "strategy_cycle_days"} <= views(lake))
        return summary(request)

    result = host(lake, instance, monkeypatch, session)
    made = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert {"live_ledger_adds_up", "live_unexplained_balance"} <= made.keys()
    assert {"changes_sum_to_orders", "transitions_follow"} <= made.keys()
    assert all(made.values())


def test_a_strategys_check_that_fails_is_not_hidden_by_anothers_that_passes(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster shows one result a check; it is of all strategies that the process hosts."""
    real, broken = assets.session_reports.run_checks, "live_ledger_adds_up"

    def run_checks(lake: Lake, checks: Any, part: dict[str, object]) -> list[CheckResult]:
        bad = 3 if part.get("strategy") == "alpha" else 0
        return [
            replace(result, bad=bad if result.check.name == broken else 0)
            for result in real(lake, checks, part)
        ]

    def session(lake: Lake, request: SessionRequest, *, on_flush: OnFlush, run_id: str) -> Any:
        on_flush(progress(request, 2))
        until(lambda: shown(instance, "live_executions"))
        on_flush(progress(new_request(lake.settings, "beta"), 3))
        return summary(request)

    monkeypatch.setattr(assets.session_reports, "run_checks", run_checks)
    result = host(lake, instance, monkeypatch, session)
    made = result.get_asset_check_evaluations()
    assert [
        (one.passed, one.metadata["bad_rows"].value) for one in made if one.check_name == broken
    ] == [(False, 3), (False, 3)]
    assert all(one.passed for one in made if one.check_name != broken)


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


def test_one_of_several_that_failed_fails_the_run(
    lake: Lake, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the last to end ended well: it is named, and what it left is told, once."""

    def session(lake: Lake, request: SessionRequest, *, on_flush: OnFlush, run_id: str) -> Any:
        failed, why = SessionState.FAILED, "its connection failed"
        first = summary(request, state=failed, reason=why, in_flight=2)
        return [first, summary(new_request(lake.settings, "beta"))]

    result = host(lake, instance, monkeypatch, session)
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    said = str(failure.step_failure_data.user_failure_data)
    (alert,) = alerts(lake)
    assert f"{alert['session']} failed: its connection failed" in said
    assert "beta-kucoin" not in said.partition("metadata")[0]
    assert (alert["strategy"], alert["in_flight"]) == ("alpha", 2)


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
        reports = SessionReports(context, BrokenLake(lake.settings))
        with reports:
            reports.tell(progress(new_request(lake.settings, "alpha"), 1))
            reports.close(within_s=60)
            reports.tell(progress(new_request(lake.settings, "alpha"), 2))
    assert [line["event"] for line in said] == ["session.drawing_fails", "session.report_fails"]
    assert "the disk is full" in said[-1]["error"]
