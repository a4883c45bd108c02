"""Recorded books of a venue's day: from the landing folder into the lake, or refused by row."""

from collections.abc import Iterator

import dagster as dg

from arb_pipelines.lake.landing import ingest_landing
from arb_pipelines.lake.schemas import BOOK_GAPS, BOOK_LEVELS, BOOK_TOPS, INGESTS, REJECTED_ROWS
from arb_pipelines.lake.store import Lake
from assets.partitions import SEVERAL_DAYS_A_RUN, VENUE_DAYS, venue_days
from assets.tables import described, materialized

TABLES = (BOOK_TOPS, BOOK_LEVELS, REJECTED_ROWS, BOOK_GAPS, INGESTS)


@dg.multi_asset(
    specs=[
        dg.AssetSpec(table.name, deps=["markets"], **described(table, group="books"))
        for table in TABLES
    ],
    partitions_def=VENUE_DAYS,
    backfill_policy=SEVERAL_DAYS_A_RUN,
)
def books(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.MaterializeResult]:
    """Ingest the landed files of each venue and day of the run."""
    facts = {}
    for part in venue_days(context.partition_keys):
        ingested = ingest_landing(lake, part.venue, part.day)
        facts[part] = {
            "files": list(ingested.files),
            "rows_read": ingested.rows_read,
            "rows_rejected": ingested.rows_rejected,
            "why_rejected": ingested.reasons,
            "sequence_gaps": ingested.gaps,
        }
    yield from materialized(context, lake, TABLES, facts)
