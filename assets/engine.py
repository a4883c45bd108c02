"""What the strategy engine did: cycles that have ended, held to the venue's own account of them.

A session copies its cycles to the lake as it goes; to materialise them brings what is lacking.
How that is done belongs in ``arb_pipelines.research.state_tables`` and ``account_days``.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import dagster as dg

from arb_pipelines.lake.schemas import RECONCILIATIONS, STRATEGY_CYCLES
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.account_days import reconcile_day
from arb_pipelines.research.state_agreement import Disagreement, disagreements
from arb_pipelines.research.state_rows import STATE_TABLES
from arb_pipelines.research.state_tables import copy_day
from assets.partitions import SEVERAL_DAYS_A_RUN, VENUE_DAYS, venue_days
from assets.tables import described, materialized


@dg.multi_asset(
    specs=[dg.AssetSpec(table.name, **described(table, group="engine")) for table in STATE_TABLES],
    partitions_def=VENUE_DAYS,
    backfill_policy=SEVERAL_DAYS_A_RUN,
)
def ended_cycles(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.MaterializeResult[Any]]:
    """Copy what ended on each day from the state files; what is there already stays."""
    facts = {
        part: {"copied": asdict(copy_day(lake, part.venue, part.day))}
        for part in venue_days(context.partition_keys)
    }
    yield from materialized(context, lake, STATE_TABLES, facts)


@dg.asset(
    name=RECONCILIATIONS.name,
    partitions_def=VENUE_DAYS,
    backfill_policy=SEVERAL_DAYS_A_RUN,
    **described(RECONCILIATIONS, group="engine"),
)
def reconciliations(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]
) -> Iterator[dg.MaterializeResult[Any]]:
    """Hold each day's orders and balances to what the venue says of them."""
    facts = {
        part: asdict(reconcile_day(lake, part.venue, part.day))
        for part in venue_days(context.partition_keys)
    }
    yield from materialized(context, lake, [RECONCILIATIONS], facts)


@dg.asset_check(
    asset=STRATEGY_CYCLES.name,
    description="Every cycle that ended is in the lake as in its state file, and every cycle of "
    "the lake in the file, as far as that reaches back.",
)
def state_and_lake_agree(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
) -> dg.AssetCheckResult:
    """Hold the two against each other, on the days of the run or on all."""
    partitioned = context.has_partition_key or context.has_partition_key_range
    parts = venue_days(context.partition_keys) if partitioned else []
    found = disagreements(lake, [(part.venue, part.day) for part in parts])
    return dg.AssetCheckResult(
        passed=not found, metadata={"differ": len(found), "first": shown(found[:10])}
    )


def shown(found: list[Disagreement]) -> dg.MetadataValue:
    """A line each."""
    return dg.MetadataValue.md("\n".join(f"- {one}" for one in found) or "none")
