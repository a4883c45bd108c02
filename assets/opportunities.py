"""What the scanner saw on a venue's day: each life of a cycle above the threshold."""

from collections.abc import Iterator

import dagster as dg

from arb_pipelines.lake.schemas import OPPORTUNITIES
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.pictures import edge_picture
from arb_pipelines.research.scan import scan_day
from assets.partitions import SEVERAL_DAYS_A_RUN, VENUE_DAYS, venue_days
from assets.tables import described, materialized


class ScanConfig(dg.Config):
    """Taker fee of every leg (null takes each market's own), and the net edge that counts."""

    fee_bps: float | None = 10.0
    threshold_bps: float = 0.0


@dg.asset(
    deps=["book_tops", "cycle_legs", "ingests"],
    partitions_def=VENUE_DAYS,
    backfill_policy=SEVERAL_DAYS_A_RUN,
    **described(OPPORTUNITIES, group="research", kinds=frozenset({"numba"})),
)
def opportunities(
    context: dg.AssetExecutionContext, config: ScanConfig, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.MaterializeResult]:
    """Scan each venue and day of the run."""
    facts = {}
    for part in venue_days(context.partition_keys):
        seen = scan_day(
            lake, part.venue, part.day, **config.model_dump(), run_id=context.run.run_id
        )
        facts[part] = {
            "raw_above_one": seen.raw_above_one,
            "net_above_one": seen.net_above_one,
            "best_cycle": seen.best_cycle or "none",
            "edge_distribution": dg.MetadataValue.md(edge_picture(lake, part.venue, part.day)),
        }
    yield from materialized(context, lake, [OPPORTUNITIES], facts)
