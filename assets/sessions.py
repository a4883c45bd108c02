"""Live and paper sessions: the tables they fill, and the job that hosts them while they last.

A session is no partition that could be computed: it happens once. So its tables are external
assets, which the op reports as they grow. What a session does belongs in
``arb_pipelines.research.sessions``, whose turn it is in ``sensors.sessions``.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import dagster as dg
import orjson
from pydantic import Field

from arb_pipelines.alerts import raise_alert
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import begin_session
from arb_pipelines.research.session_requests import new_request
from arb_pipelines.research.sessions import SessionSummary, run_sessions
from assets.partitions import STRATEGY_DAYS
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
    """Run a session and those that join it, report them as they go, and say how they ended."""
    request = new_request(lake.settings, **config.model_dump())
    context.instance.add_run_tags(context.run_id, {SESSION_TAG: request.key})
    begin_session(lake.settings, request)
    with SessionReports(context, lake) as reports:
        summaries = run_sessions(
            lake,
            [request],
            on_flush=reports.tell,
            on_end=partial(tell_what_is_left, lake),
            run_id=context.run_id,
        )
        terminated = is_canceling(context)
        reports.close(_HASTY_REPORT_S if terminated else _LAST_REPORT_S)
    if terminated:
        raise dg.DagsterExecutionInterruptedError(
            f"{request.key} was terminated: {summaries[-1].reason}"
        )
    if failed := [one for one in summaries if one.state is SessionState.FAILED]:
        said = "; ".join(f"{one.session} failed: {one.reason}" for one in failed)
        raise dg.Failure(said, metadata=shown(summaries))
    context.add_output_metadata(shown(summaries))


def tell_what_is_left(lake: Lake, summary: SessionSummary) -> None:
    """Alert to what a session has left for a person to look at, if it has."""
    if summary.left_something:
        raise_alert(lake.settings, "session left something behind", **plain(summary))


def is_canceling(context: dg.OpExecutionContext) -> bool:
    """Whether somebody has asked this run to end."""
    run = context.instance.get_run_by_id(context.run_id)
    return run is not None and run.status is dg.DagsterRunStatus.CANCELING


def shown(summaries: Sequence[SessionSummary]) -> dict[str, Any]:
    """What came of the last session to begin, and, by key, of those before it in the process."""
    *earlier, last = summaries
    by_key = {one.session: plain(one) for one in earlier}
    return plain(last) | ({"earlier": by_key} if by_key else {})


def plain(summary: SessionSummary) -> dict[str, Any]:
    """What came of a session, as plain values."""
    document = orjson.dumps(asdict(summary), option=orjson.OPT_NON_STR_KEYS)
    values: dict[str, Any] = orjson.loads(document)
    return values


@dg.job(
    name="session",
    description="One live or paper session. Ask for it by `arb session start`, a request file or "
    "the strategy's window; launched here by hand it begins at once.",
)
def live_session_job() -> None:
    """Run the session alone."""
    live_session()
