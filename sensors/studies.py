"""Make every window of every study file a partition of the searches."""

import dagster as dg

from arb_pipelines.lake.store import Lake
from arb_pipelines.research.studies import load_studies
from assets.jobs import optimize
from assets.partitions import STUDIES, WINDOWS


@dg.sensor(
    job=optimize,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each study file in the studies folder, and for each window "
    "that any of them has. Starts no search: that is asked for, or backfilled. A partition stays "
    "when its file goes: its results are still in the lake.",
)
def new_studies(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.SensorResult | dg.SkipReason:
    """Compare the folder with the partitions; a broken file is named, not fatal."""
    studies, errors = load_studies(lake.settings.studies)
    for error in errors:
        context.log.error(f"study file left out: {error}")
    windows = {window.name for study in studies.values() for window in study.all_windows}
    requests = []
    for partitions, found in ((STUDIES, {*studies}), (WINDOWS, windows)):
        known = context.instance.get_dynamic_partitions(str(partitions.name))
        if new := sorted(found.difference(known)):
            requests.append(partitions.build_add_request(new))
    if not requests:
        return dg.SkipReason(f"no new study; {len(errors)} broken files")
    return dg.SensorResult(dynamic_partitions_requests=requests)
