"""Live and paper sessions: the tables they fill, and the job that hosts one while it lasts.

A session is no partition that could be computed: it happens once. So its tables are external
assets, which the op reports as they grow. What a session does belongs in
``arb_pipelines.research.sessions``, whose turn it is in ``sensors.sessions``.
"""

import time
from dataclasses import asdict
from typing import Any

import dagster as dg
import orjson
import structlog
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError

from arb_pipelines.alerts import raise_alert
from arb_pipelines.clock import day_of
from arb_pipelines.errors import ArbError
from arb_pipelines.execution.records import SessionState
from arb_pipelines.lake.models.checks import run_checks
from arb_pipelines.lake.schemas import LIVE_EXECUTIONS, LIVE_LEGS, LIVE_METRICS, LIVE_SESSIONS
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.models import all_checks
from arb_pipelines.research.session_requests import begin_session, new_request
from arb_pipelines.research.sessions import SessionProgress, SessionSummary, run_session
from arb_pipelines.trading.strategy import load_strategy
from assets.checks import evaluation
from assets.partitions import STRATEGIES, STRATEGY_DAYS, StrategyDay
from assets.tables import asset_of, described, row_counts

#: Tag of the run of a session: its key.
SESSION_TAG = "arb/session"
TABLES = (LIVE_SESSIONS, LIVE_EXECUTIONS, LIVE_LEGS, LIVE_METRICS)

#: Least time between two reports of a session to Dagster, s.
_REPORT_EVERY_S = 15.0

live_tables = [
    dg.AssetSpec(
        asset_of(table.name),
        partitions_def=STRATEGY_DAYS,
        **described(table, group="live"),
    )
    for table in TABLES
]


class SessionConfig(dg.Config):
    """Which session. Keys of an account have no place here: they come from the environment."""

    strategy: str = Field(description="Name in the strategies folder, or a file.")
    venue: str | None = Field(None, description="Null takes the strategy's exchange.")
    mode: str | None = Field(None, description="paper or live; null takes the strategy's.")
    minutes: float | None = Field(None, description="Null lasts until it is stopped.")
    continues: str | None = Field(None, description="Lost session whose limits go on to count.")
    key: str | None = Field(None, description="Of the request; null begins one of its own.")


class SessionReports:
    """Tells Dagster, now and then, how a session stands: materialisations and checks.

    Called in the session's writing thread. Trading does not wait for it, nor end with it.
    """

    def __init__(self, context: dg.OpExecutionContext, lake: Lake, strategy: str) -> None:
        self._context, self._lake, self._strategy = context, lake, strategy
        self._checks = [check for check in all_checks() if check.on in {t.name for t in TABLES}]
        self._last_s = -_REPORT_EVERY_S
        self._newest: SessionProgress | None = None

    def tell(self, progress: SessionProgress) -> None:
        """Report the session's standing, unless the last report is too young."""
        self._newest = progress
        if time.monotonic() - self._last_s >= _REPORT_EVERY_S:
            self.tell_newest()

    def tell_newest(self) -> None:
        """Report the newest standing, if there is one that has not been reported."""
        progress, self._newest = self._newest, None
        if progress is None:
            return
        self._last_s = time.monotonic()
        try:
            self._report(progress)
        except (dg.DagsterError, SQLAlchemyError, ArbError, OSError) as error:
            structlog.get_logger().warning("session.report_fails", error=str(error))

    def _report(self, progress: SessionProgress) -> None:
        part = StrategyDay(self._strategy, day_of(progress.ts_ns))
        facts = facts_of(progress)
        for table, rows in row_counts(self._lake, TABLES, part).items():
            asset = asset_of(table)
            metadata = {"session": progress.session, "dagster/partition_row_count": rows}
            self._context.log_event(
                dg.AssetMaterialization(
                    asset, partition=part.key, metadata=metadata | facts.get(asset, {})
                )
            )
        for result in run_checks(self._lake, self._checks, part._asdict()):
            self._context.log_event(evaluation(result))


def facts_of(progress: SessionProgress) -> dict[str, dict[str, Any]]:
    """What is shown at a session's tables, by asset."""
    counts = progress.counts
    by_stage = {
        f"latency_{name}_us": {
            stage: figures[name] for stage, figures in progress.latency_us.items()
        }
        for name in ("p50", "p99", "max")
    }
    return {
        LIVE_EXECUTIONS.name: {
            "executions": sum(counts.executions.values()),
            "by_status": {str(status): n for status, n in counts.executions.items()},
            "profit": dict(progress.profit),
            "orders": counts.orders,
            "fills": counts.fills,
            "in_flight": counts.in_flight,
        },
        asset_of(LIVE_METRICS.name): {
            "books": counts.books,
            "signals": counts.signals,
            "refused": sum(counts.refused.values()),
            "refusals": dict(counts.refused),
            **by_stage,
        },
    }


@dg.op(
    description="Hosts feed, scanner, executor and journal of one session for as long as it lasts. "
    "Terminate stops the intake, settles what is in flight, and ends it within 10 s."
)
def live_session(
    context: dg.OpExecutionContext, config: SessionConfig, lake: dg.ResourceParam[Lake]
) -> None:
    """Run one session, report it as it goes, and say how it ended."""
    request = new_request(lake.settings, **config.model_dump())
    strategy = load_strategy(request.strategy)
    context.instance.add_run_tags(context.run_id, {SESSION_TAG: request.key})
    context.instance.add_dynamic_partitions(str(STRATEGIES.name), [strategy.name])
    begin_session(lake.settings, request)
    reports = SessionReports(context, lake, strategy.name)
    summary = run_session(lake, request, on_flush=reports.tell, run_id=context.run_id)
    reports.tell_newest()
    context.add_output_metadata(shown(summary))
    if summary.in_flight or summary.unwritten:
        raise_alert(lake.settings, "session left something behind", **shown(summary))
    run = context.instance.get_run_by_id(context.run_id)
    if run is not None and run.status is dg.DagsterRunStatus.CANCELING:
        raise dg.DagsterExecutionInterruptedError(f"{request.key} was terminated: {summary.reason}")
    if summary.state is SessionState.FAILED:
        raise dg.Failure(f"{request.key} failed: {summary.reason}", metadata=shown(summary))


def shown(summary: SessionSummary) -> dict[str, Any]:
    """What came of a session, as plain values."""
    plain: dict[str, Any] = orjson.loads(
        orjson.dumps(asdict(summary), option=orjson.OPT_NON_STR_KEYS)
    )
    return plain


@dg.job(
    name="session",
    description="One live or paper session. Ask for it by `arb session start`, a request file or "
    "the strategy's window; launched here by hand it begins at once.",
)
def live_session_job() -> None:
    """Run the session alone."""
    live_session()
