"""The job that keeps the lake small; what it does is ``lake/maintenance``'s business."""

from dataclasses import asdict

import dagster as dg

from arb_pipelines.lake.maintenance import maintain
from arb_pipelines.lake.store import Lake


class UpkeepConfig(dg.Config):
    """How long old snapshots stay readable."""

    keep_days: int = 30


@dg.op(description="Flushes small appends, merges small files, expires old snapshots.")
def maintain_lake(
    context: dg.OpExecutionContext, config: UpkeepConfig, lake: dg.ResourceParam[Lake]
) -> None:
    """Keep the lake, and say what was done in the step's metadata."""
    context.add_output_metadata(asdict(maintain(lake, keep_days=config.keep_days)))


@dg.job(description="Upkeep of the lake; safe beside running writers and readers.")
def maintenance() -> None:
    """Run the upkeep alone."""
    maintain_lake()
