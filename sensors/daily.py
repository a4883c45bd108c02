"""The daily schedules: research and reconciliation of every venue, and the lake's upkeep."""

from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from arb_pipelines.lake.store import Lake
from arb_pipelines.research.state_files import traded_venues
from arb_pipelines.venues.opening import missing_settings
from assets.jobs import reconcile, research
from assets.partitions import VENUES, VenueDay
from assets.upkeep import maintenance


@dg.schedule(
    job=research,
    cron_schedule="15 0 * * *",
    execution_timezone="UTC",
    description="Runs yesterday's research for every venue. Off until switched on: where files "
    "arrive through the landing folder, the landing sensor has already run it.",
)
def research_yesterday(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Request one run a venue; the run key keeps a repeated tick from asking twice."""
    yesterday = context.scheduled_execution_time.date() - timedelta(days=1)
    for venue in context.instance.get_dynamic_partitions(str(VENUES.name)):
        key = VenueDay(venue, yesterday).key
        yield dg.RunRequest(run_key=key, partition_key=key)


@dg.schedule(
    job=reconcile,
    cron_schedule="30 0 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Brings yesterday's ended cycles of every venue with a state file to the lake, and "
    "reconciles them with the venue. Passes over a venue whose address or keys are not set.",
)
def reconcile_yesterday(
    context: dg.ScheduleEvaluationContext, lake: dg.ResourceParam[Lake]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Request one run a venue on which an engine has traded, and say which is passed over."""
    settings = lake.settings
    yesterday = context.scheduled_execution_time.date() - timedelta(days=1)
    requests, passed_over = [], []
    for venue in traded_venues(settings):
        if missing := missing_settings(venue, settings):
            passed_over.append(f"{venue} is not reconciled: set {', '.join(missing)}")
            continue
        context.instance.add_dynamic_partitions(str(VENUES.name), [venue])
        key = VenueDay(venue, yesterday).key
        requests.append(dg.RunRequest(run_key=key, partition_key=key))
    if requests:
        for reason in passed_over:
            context.log.warning(reason)
        return requests
    idle = f"no engine has traded: {settings.state} has no state file with orders placed"
    return dg.SkipReason("; ".join(passed_over) or idle)


upkeep_daily = dg.ScheduleDefinition(
    name="upkeep_daily",
    job=maintenance,
    cron_schedule="45 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Keeps the lake small every night; a snapshot stays readable for 30 days.",
)
