"""Tell people that a run failed."""

import dagster as dg

from arb_pipelines.alerts import raise_alert
from arb_pipelines.lake.store import Lake


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Appends a line to ARB_HOME/logs/alerts.jsonl for every run that failed.",
)
def alert_on_failure(context: dg.RunFailureSensorContext, lake: dg.ResourceParam[Lake]) -> None:
    """Say which run failed, for which partition, in which steps and why."""
    run = context.dagster_run
    steps = [event.step_key for event in context.get_step_failure_events()]
    raise_alert(
        lake.settings,
        "run failed",
        run_id=run.run_id,
        job=run.job_name,
        partition=run.tags.get("dagster/partition")
        or run.tags.get("dagster/asset_partition_range_start"),
        steps=steps,
        reason=context.failure_event.message,
    )
