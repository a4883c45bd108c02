"""Asset checks: one query a check over the lake, which returns the rows that are wrong.

The queries themselves are the audits in ``dbt_like_sql/audits`` and the tests
beside the SQL models, so that any DuckDB client runs the same. Here they meet
their assets: a check looks at the partitions of its run, or at the whole table
when it is executed alone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import dagster as dg
import polars as pl

from arb_pipelines.lake.models.checks import Check, CheckResult, run_checks
from arb_pipelines.lake.models.files import load_models, partition_of
from arb_pipelines.lake.schemas import TABLES
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.models import all_checks
from assets.partitions import CUTS, Part
from assets.tables import asset_of

ReadKeys = Callable[[Iterable[str]], Sequence[Part]]

_MAX_SHOWN = 10


def checks_of_table(
    table: str, checks: Sequence[Check], read_keys: ReadKeys
) -> dg.AssetChecksDefinition:
    """Make the asset checks of one table: one step, one connection, a result a check."""
    specs = [
        dg.AssetCheckSpec(
            check.name,
            asset=asset_of(table),
            description=check.description,
            blocking=check.blocking,
        )
        for check in checks
    ]

    @dg.multi_asset_check(name=f"check_{table}", specs=specs, can_subset=True)
    def check_table(
        context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]
    ) -> Iterator[dg.AssetCheckResult]:
        names = {key.name for key in context.selected_asset_check_keys}
        wanted = [check for check in checks if check.name in names]
        found = [part._asdict() for part in _parts(context, read_keys)]
        parts: list[dict[str, Any] | None] = [*found] or [None]
        by_part = [run_checks(lake, wanted, part) for part in parts]
        for check, results in zip(wanted, zip(*by_part, strict=True), strict=True):
            yield dg.AssetCheckResult(
                check_name=check.name,
                passed=all(result.passed for result in results),
                severity=_severity(check),
                metadata=_metadata(results),
            )

    return check_table


def evaluation(results: Sequence[CheckResult]) -> dg.AssetCheckEvaluation:
    """Make of one check that was run beside an op, on a partition each, what Dagster shows."""
    check = results[0].check
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(asset_of(check.on)),
        check_name=check.name,
        passed=all(result.passed for result in results),
        severity=_severity(check),
        metadata=_metadata(results),
    )


def _parts(context: dg.AssetCheckExecutionContext, read_keys: ReadKeys) -> Sequence[Part]:
    partitioned = context.has_partition_key or context.has_partition_key_range
    return read_keys(context.partition_keys) if partitioned else []


def _metadata(results: Sequence[CheckResult]) -> dict[str, Any]:
    """What is shown of one check, made on one or several partitions."""
    return {
        "bad_rows": sum(result.bad for result in results),
        "first_bad_rows": _shown([result.sample for result in results]),
        "query": dg.MetadataValue.md(f"```sql\n{results[0].check.sql}\n```"),
    }


def _severity(check: Check) -> dg.AssetCheckSeverity:
    return dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN


def _shown(samples: list[pl.DataFrame]) -> dg.MetadataValue:
    """First bad rows as a markdown table."""
    rows = pl.concat(samples, how="diagonal_relaxed").head(_MAX_SHOWN)
    if rows.is_empty():
        return dg.MetadataValue.md("none")
    lines = [rows.columns, ["---"] * rows.width, *rows.iter_rows()]
    return dg.MetadataValue.md("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines))


def _all() -> list[dg.AssetChecksDefinition]:
    models, by_table = load_models(), defaultdict[str, list[Check]](list)
    for check in all_checks():
        by_table[check.on].append(check)
    owners = {name: partition_of(models, name)[0] for name in models}
    owners |= {name: table.partition_by[0] for name, table in TABLES.items() if table.partition_by}
    return [
        checks_of_table(on, found, CUTS[owners[on]].read_keys) for on, found in by_table.items()
    ]


table_checks = _all()
