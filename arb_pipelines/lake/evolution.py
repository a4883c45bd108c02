"""Creation of the lake's tables, and what a newer version of them asks of an older lake."""

from __future__ import annotations

import contextlib

import duckdb

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.parquet import ROW_GROUP_ROWS
from arb_pipelines.lake.schemas import TABLES, Column, Table

#: Appends of at most this many rows to a growing table stay in the catalog
#: until maintenance flushes them, instead of making a file each.
INLINED_ROWS = 1_000


def is_missing(error: duckdb.Error) -> bool:
    """Whether an ATTACH failed since there is no lake at that place yet."""
    text = str(error)
    return "does not exist" in text and "creating a new DuckLake" in text


def missing(connection: duckdb.DuckDBPyConnection) -> dict[Table, tuple[Column, ...]]:
    """Tables that the lake in use lacks in whole or in part, with the columns it lacks.

    Raises:
        ConfigError: a column that cannot be added, or has another type.
    """
    found: dict[str, dict[str, str]] = {}
    for table, column, type_ in connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE database_name = 'lake' AND schema_name = 'main'"
    ).fetchall():
        found.setdefault(table, {})[column] = type_
    lacking = {}
    for table in TABLES.values():
        present = found.get(table.name, {})
        absent = tuple(column for column in table.columns if column.name not in present)
        if present:
            _check(table, present, absent)
        if absent:
            lacking[table] = absent
    return lacking


def _check(table: Table, present: dict[str, str], absent: tuple[Column, ...]) -> None:
    advice = "this lake was made by another version: name a new ARB_HOME and ingest again"
    for column in absent:
        if not column.nullable:
            raise ConfigError(f"table {table.name} lacks {column.name}; {advice}", source="lake")
    for column in table.columns:
        type_ = present.get(column.name, column.type)
        if type_ != column.type:
            raise ConfigError(
                f"{table.name}.{column.name} is {type_}, not {column.type}; {advice}", source="lake"
            )


def apply(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what is still missing, in one transaction. Call it holding the lake's lock."""
    lacking = missing(connection)
    if not lacking:
        return
    _set_option(connection, "parquet_version", "2")
    _set_option(connection, "parquet_row_group_size", str(ROW_GROUP_ROWS))
    _set_option(connection, "data_inlining_row_limit", "0")
    connection.execute("BEGIN")
    try:
        for table, columns in lacking.items():
            if columns == table.columns:
                connection.execute(table.ddl)
                if table.partition_by:
                    keys = ", ".join(table.partition_by)
                    connection.execute(f"ALTER TABLE {table.name} SET PARTITIONED BY ({keys})")
                grain = table.grain.replace("'", "''")
                connection.execute(f"COMMENT ON TABLE {table.name} IS '{grain}'")
            else:
                for column in columns:
                    connection.execute(
                        f"ALTER TABLE {table.name} ADD COLUMN {column.name} {column.type}"
                    )
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    for table in lacking:
        if table.inlined:
            _set_option(
                connection,
                "data_inlining_row_limit",
                str(INLINED_ROWS),
                f"table_name => '{table.name}'",
            )


def _set_option(
    connection: duckdb.DuckDBPyConnection, name: str, value: str, scope: str | None = None
) -> None:
    arguments = ", ".join(part for part in (f"'{name}'", value, scope) if part)
    connection.execute(f"CALL lake.set_option({arguments})")
