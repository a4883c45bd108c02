"""What Dagster is told about a table of the lake: once by its schema, once a partition."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from arb_pipelines.lake.schemas import LIVE_METRICS, Table
from arb_pipelines.lake.store import Lake
from assets.partitions import Part

OWNERS = ("team:research",)
KINDS = frozenset({"duckdb", "parquet"})


def asset_of(table: str) -> str:
    """Name of the asset that shows a table; the table's own but for the figures of sessions."""
    return "live_session_metrics" if table == LIVE_METRICS.name else table


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


def materialized(
    context: dg.AssetExecutionContext,
    lake: Lake,
    tables: Sequence[Table],
    facts: Mapping[Part, Mapping[str, Any]],
) -> Iterator[dg.MaterializeResult[Any]]:
    """Report ``tables`` as materialised in each partition of ``facts``.

    A partition's event has its facts, its own and the table's row count, and
    the lake's snapshot after the step.
    """
    with lake.reading() as connection:
        ask = connection.execute
        ask("BEGIN")  # one snapshot for all counts, and the catalog is read once
        (snapshot,) = ask("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone() or (None,)
        for table in tables:
            where = " AND ".join(f"{name} = ?" for name in table.partition_by)
            count = f"SELECT count(*) FROM {table.name}"
            (rows,) = ask(count).fetchone() or (0,)
            for part, known in facts.items():
                keys = [getattr(part, name) for name in table.partition_by]
                (part_rows,) = ask(f"{count} WHERE {where}", keys).fetchone() or (0,)
                counts = {"dagster/row_count": rows, "dagster/partition_row_count": part_rows}
                context.add_asset_metadata(
                    {**counts, "lake_snapshot": snapshot, **known},
                    asset_key=table.name,
                    partition_key=part.key,
                )
            yield dg.MaterializeResult(asset_key=table.name)


def row_counts(lake: Lake, tables: Sequence[Table], part: Part) -> dict[str, int]:
    """Count the rows of one partition in each of ``tables``, by table, in one snapshot."""
    counts = {}
    with lake.reading() as connection:
        connection.execute("BEGIN")
        for table in tables:
            where = " AND ".join(f"{name} = ?" for name in table.partition_by)
            found = connection.execute(
                f"SELECT count(*) FROM {table.name} WHERE {where}",
                [getattr(part, name) for name in table.partition_by],
            ).fetchone()
            counts[table.name] = found[0] if found else 0
    return counts
