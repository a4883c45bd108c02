"""Start the sessions that were asked for, one at a time where they would meet; miss lost ones."""

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict

import dagster as dg

from arb_pipelines.alerts import raise_alert
from arb_pipelines.clock import now_ns
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.lost_sessions import bring_end, give_up, late_sessions
from arb_pipelines.research.request_folder import admit_requests, reject
from arb_pipelines.research.session_folders import Heartbeat, active_sessions, lost_sessions
from arb_pipelines.research.session_handover import hand_over
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.research.session_turns import whose_turn
from arb_pipelines.research.session_windows import ask_for_open_windows
from assets.sessions import SESSION_TAG, SessionConfig, live_session_job

_FINISHED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_BEFORE_IT_BEGAN = "its run ended before the session began; see the run's log"


@dg.sensor(
    job=live_session_job,
    minimum_interval_seconds=3,  # at each look of Dagster's daemon, which are 5 s apart
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a run for each session that was asked for by command, file or trading "
    "window: one run a key, one session a strategy and venue, and one process an account, which "
    "takes in those that come while it trades. What is no request is moved to rejected/ and named "
    "in ARB_HOME/logs/alerts.jsonl.",
)
def sessions(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.SensorResult | dg.SkipReason:
    """Let begin whose turn it is, and say what the others wait for."""
    settings, now = lake.settings, now_ns()
    waits: list[str | None] = [*ask_for_open_windows(lake, now)]
    asked, rejected = admit_requests(settings)
    over = runs_of(context.instance, [one.request.key for one in asked], finished=True)
    rejected += [reject(a.file, _BEFORE_IT_BEGAN) for a in asked if a.request.key in over]
    for one in rejected:
        raise_alert(settings, "session request rejected", file=str(one.file), reason=one.reason)
    hosted = runs_of(context.instance, None, finished=False)
    active = {*hosted, *active_sessions(settings, now)}
    turns = whose_turn([one for one in asked if one.request.key not in over], active)
    refused = json.loads(context.cursor or "{}")
    told = hand_over(settings, [turn for turn in turns if turn.wait], hosted, refused, now)
    context.update_cursor(json.dumps(told.refused))
    waits += told.said
    if begin := [run_of(turn.asked.request) for turn in turns if turn.wait is None]:
        return dg.SensorResult(run_requests=begin)
    return dg.SkipReason("; ".join(filter(None, waits)) or "no session to begin")


@dg.sensor(
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notices a session whose heart has stopped: marks it as lost in live_sessions and "
    "its folder, says so in ARB_HOME/logs/alerts.jsonl, and asks for another if the strategy "
    "says `session: {restart: true}`. Brings to the lake the end of one that it did not take.",
)
def session_health(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.SkipReason:
    """Give up the sessions that are not heard of, once each; bring what the lake lacks of others.

    Raises:
        ExceptionGroup: some could not be dealt with; all others were.
    """
    settings, now = lake.settings, now_ns()
    over = runs_of(context.instance, active_sessions(settings, now), finished=True)
    failures: list[Exception] = []

    def give_one_up(beat: Heartbeat) -> str:
        one = give_up(lake, beat)
        raise_alert(settings, "session lost", **asdict(one))
        return f"lost {one.session}"

    def bring_one(beat: Heartbeat) -> str:
        bring_end(lake, beat)
        return f"brought the end of {beat.key}"

    said = each(lost_sessions(settings, now, over), give_one_up, failures)
    said += each(late_sessions(lake), bring_one, failures)
    if failures:
        raise ExceptionGroup("; ".join((*said, *map(str, failures))), failures)
    return dg.SkipReason("; ".join(said) or "every heart beats")


def each(
    beats: Iterable[Heartbeat], deal_with: Callable[[Heartbeat], str], failures: list[Exception]
) -> list[str]:
    """Deal with every session, and say what was done: one that fails hides none of the others."""
    said = []
    for beat in beats:
        try:
            said.append(deal_with(beat))
        except Exception as error:  # noqa: BLE001 - told by who called, when all had their turn
            error.add_note(f"session {beat.key}")
            failures.append(error)
    return said


def run_of(request: SessionRequest) -> dg.RunRequest:
    """Make the one run of a session."""
    config = SessionConfig(
        key=request.key,
        strategy=str(request.strategy),
        venue=request.venue,
        mode=request.mode,
        minutes=request.minutes,
        continues=request.continues,
        cycles=request.cycles,
        dry_run=request.dry_run,
    )
    return dg.RunRequest(
        run_key=request.key,
        run_config=dg.RunConfig(ops={"live_session": config}),
        tags={SESSION_TAG: request.key},
    )


def runs_of(
    instance: dg.DagsterInstance, keys: Collection[str] | None, *, finished: bool
) -> set[str]:
    """Keys of the sessions, of ``keys`` or of all, whose runs are over, or are not."""
    if keys is not None and not keys:
        return set()
    statuses = [s for s in dg.DagsterRunStatus if (s in _FINISHED) is finished]
    tags = {} if keys is None else {SESSION_TAG: [*keys]}
    found = instance.get_runs(
        dg.RunsFilter(job_name=live_session_job.name, statuses=statuses, tags=tags)
    )
    return {run.tags[SESSION_TAG] for run in found if SESSION_TAG in run.tags}
