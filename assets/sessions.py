"""Live and paper sessions: the tables they fill, and the job that hosts one while it lasts.

A session is no partition that could be computed: it happens once. So its tables are external
assets, which the op reports as they grow. What a session does belongs in
``arb_pipelines.research.sessions``, whose turn it is in ``sensors.sessions``.
"""

from dataclasses import asdict
from typing import Any

import dagster as dg
import orjson
from pydantic import Field

from arb_pipelines.alerts import raise_alert
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import begin_session
from arb_pipelines.research.session_requests import new_request
from arb_pipelines.research.sessions import SessionBrokenOff, SessionSummary, run_session
from arb_pipelines.trading.strategy import load_strategy
from assets.partitions import STRATEGIES, STRATEGY_DAYS, VENUES
from assets.session_reports import TABLES, SessionReports
from assets.tables import asset_of, described

#: Tag of the run of a session: its key.
SESSION_TAG = "arb/session"

#: How long the last report may take: little where somebody waits for the end.
_LAST_REPORT_S, _HASTY_REPORT_S = 10.0, 0.5

live_tables = [
    dg.AssetSpec(
        asset_of(table.name), partitions_def=STRATEGY_DAYS, **described(table, group="live")
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
    cycles: int | None = Field(None, description="Executions until its end; null: the strategy's.")
    dry_run: bool = Field(False, description="Whether orders are tested, and none is placed.")
    key: str | None = Field(None, description="Of the request; null begins one of its own.")


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
    venue = request.venue or strategy.exchange
    context.instance.add_run_tags(context.run_id, {SESSION_TAG: request.key})
    context.instance.add_dynamic_partitions(str(STRATEGIES.name), [strategy.name])
    context.instance.add_dynamic_partitions(str(VENUES.name), [venue])
    begin_session(lake.settings, request)
    with SessionReports(context, lake, strategy.name, venue) as reports:
        try:
            summary = run_session(lake, request, on_flush=reports.tell, run_id=context.run_id)
        except SessionBrokenOff as broken:
            tell_what_is_left(lake, broken.summary)
            raise
        terminated = is_canceling(context)
        reports.close(_HASTY_REPORT_S if terminated else _LAST_REPORT_S)
    tell_what_is_left(lake, summary)
    if terminated:
        raise dg.DagsterExecutionInterruptedError(f"{request.key} was terminated: {summary.reason}")
    if summary.state is SessionState.FAILED:
        raise dg.Failure(f"{request.key} failed: {summary.reason}", metadata=shown(summary))
    context.add_output_metadata(shown(summary))


def tell_what_is_left(lake: Lake, summary: SessionSummary) -> None:
    """Alert to what a session has left for a person to look at, if it has."""
    if summary.left_something:
        raise_alert(lake.settings, "session left something behind", **shown(summary))


def is_canceling(context: dg.OpExecutionContext) -> bool:
    """Whether somebody has asked this run to end."""
    run = context.instance.get_run_by_id(context.run_id)
    return run is not None and run.status is dg.DagsterRunStatus.CANCELING


def shown(summary: SessionSummary) -> dict[str, Any]:
    """What came of a session, as plain values."""
    document = orjson.dumps(asdict(summary), option=orjson.OPT_NON_STR_KEYS)
    plain: dict[str, Any] = orjson.loads(document)
    return plain


@dg.job(
    name="session",
    description="One live or paper session. Ask for it by `arb session start`, a request file or "
    "the strategy's window; launched here by hand it begins at once.",
)
def live_session_job() -> None:
    """Run the session alone."""
    live_session()
