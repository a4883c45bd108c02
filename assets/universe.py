"""What could be traded on a venue's day: its markets, and the cycles through them."""

from collections.abc import Iterator

import dagster as dg

from arb_pipelines.lake.schemas import CYCLE_LEGS, CYCLES, MARKETS
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.listed import store_listed_markets
from arb_pipelines.research.universe import build_universe
from assets.partitions import SEVERAL_DAYS_A_RUN, VENUE_DAYS, venue_days
from assets.tables import described, materialized

TABLES = (CYCLES, CYCLE_LEGS)


@dg.asset(
    partitions_def=VENUE_DAYS,
    backfill_policy=SEVERAL_DAYS_A_RUN,
    **described(MARKETS, group="universe"),
)
def markets(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.MaterializeResult]:
    """Store the symbol list that each venue and day of the run stands on."""
    facts = {}
    for part in venue_days(context.partition_keys):
        listed = store_listed_markets(lake, part.venue, part.day, run_id=context.run.run_id)
        facts[part] = {"symbols": listed.symbols, "list": str(listed.source)}
    yield from materialized(context, lake, [MARKETS], facts)


class UniverseConfig(dg.Config):
    """Which cycles are looked for; without start currencies, each directed cycle once."""

    start: list[str] | None = None
    min_length: int = 3
    max_length: int = 3


@dg.multi_asset(
    specs=[
        # Markets of a venue without a list are inferred from its books.
        dg.AssetSpec(
            table.name, deps=["markets", "book_tops"], **described(table, group="universe")
        )
        for table in TABLES
    ],
    partitions_def=VENUE_DAYS,
    backfill_policy=SEVERAL_DAYS_A_RUN,
)
def universe(
    context: dg.AssetExecutionContext, config: UniverseConfig, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.MaterializeResult]:
    """Find the cycles of each venue and day of the run."""
    facts = {}
    for part in venue_days(context.partition_keys):
        found = build_universe(
            lake, part.venue, part.day, **config.model_dump(), run_id=context.run.run_id
        )
        facts[part] = {
            "symbols": found.symbols,
            "currencies": found.currencies,
            "directed_cycles": {str(n): count for n, count in found.directed_cycles.items()},
        }
    yield from materialized(context, lake, TABLES, facts)
