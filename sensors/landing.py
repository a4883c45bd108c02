"""Turn new files in the landing folder into runs of just the partitions they touch."""

import dagster as dg

from arb_pipelines.lake.landing import refusals
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.arrivals import arrivals
from assets.jobs import research
from assets.partitions import VENUES, VenueDay


@dg.sensor(
    job=research,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests a research run for each venue and day that new files touch, once each. "
    "Files that cannot be read are named here and in ARB_HOME/logs/alerts.jsonl.",
)
def landed_files(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.SensorResult | dg.SkipReason:
    """Ask which partitions have files that the lake has not seen; the digest makes the run key."""
    landed, refused = arrivals(lake), refusals(lake)
    for reason in refused:
        context.log.error(f"left out: {reason}")
    if not landed:
        return dg.SkipReason("; left out: ".join(["no new file", *refused]))
    requests = [
        dg.RunRequest(run_key=f"{key}|{part.digest}", partition_key=key)
        for part in landed
        for key in [VenueDay(part.venue, part.day).key]
    ]
    venues = VENUES.build_add_request(sorted({part.venue for part in landed}))
    return dg.SensorResult(run_requests=requests, dynamic_partitions_requests=[venues])
