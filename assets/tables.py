"""What Dagster is told about a table of the lake: once by its schema, once a partition."""

from collections.abc import Mapping
from typing import Any, Protocol

import dagster as dg

from arb_pipelines.lake.schemas import Table
from arb_pipelines.lake.store import Lake

OWNERS = ("team:research",)
KINDS = frozenset({"duckdb", "parquet"})


class Part(Protocol):
    """A partition: a named tuple of partition columns with Dagster's key of it."""

    @property
    def key(self) -> str: ...
    def _asdict(self) -> dict[str, Any]: ...


def described(table: Table, *, group: str, kinds: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Arguments of an asset, or of an asset's spec, that follow from its table."""
    return {
        "group_name": group,
        "owners": list(OWNERS),
        "kinds": set(KINDS | kinds),
        "tags": {"layer": group},
        "description": f"One row is {table.grain}.",
        "metadata": {
            "dagster/table_name": f"lake.{table.name}",
            "dagster/column_schema": columns(table),
        },
    }


def columns(table: Table) -> dg.TableSchema:
    """Columns of ``table`` with their types, meanings and units, as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.type,
                description=column.doc,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in table.columns
        ],
        constraints=dg.TableConstraints(
            other=[f"unique ({', '.join(table.key)})"] if table.key else []
        ),
    )


def report(
    context: dg.AssetExecutionContext,
    lake: Lake,
    table: Table,
    part: Part,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Attach to ``part`` of ``table``'s asset its row counts, the lake's snapshot and ``facts``."""
    keys = {name: value for name, value in part._asdict().items() if name in table.partition_by}
    where = " AND ".join(f"{name} = ?" for name in keys)
    counts = lake.query(
        f"SELECT (SELECT count(*) FROM {table.name}) AS all_rows, "
        f"(SELECT count(*) FROM {table.name} WHERE {where}) AS part_rows, "
        "(SELECT max(snapshot_id) FROM lake.snapshots()) AS snapshot",
        list(keys.values()),
    ).row(0, named=True)
    context.add_asset_metadata(
        {
            "dagster/row_count": counts["all_rows"],
            "dagster/partition_row_count": counts["part_rows"],
            "lake_snapshot": counts["snapshot"],
            **(facts or {}),
        },
        asset_key=table.name,
        partition_key=part.key,
    )
