"""Statements of a person against the lake, read-only, with errors in one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from arb_pipelines.errors import ConfigError

_READING = frozenset(
    {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.SET}
)

#: What `\\d` lists.
TABLES_SQL = (
    "SELECT table_name, column_count AS columns, comment FROM duckdb_tables() "
    "WHERE database_name = 'lake' AND schema_name = 'main' UNION ALL "
    "SELECT view_name, column_count, comment FROM duckdb_views() "
    "WHERE database_name = 'lake' AND schema_name = 'main' AND NOT internal ORDER BY 1"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Columns and rows of one statement; ``more`` tells that ``limit`` cut it."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    more: bool


def ask(connection: duckdb.DuckDBPyConnection, sql: str, limit: int = 0) -> Iterator[Answer]:
    """Run each statement of ``sql`` in turn; at most ``limit`` rows of each, 0 for all.

    Raises:
        ConfigError: a statement would write, or DuckDB refuses it.
    """
    if any("\ud800" <= sign <= "\udfff" for sign in sql):
        raise ConfigError("the statement is not UTF-8 text")
    try:
        statements = connection.extract_statements(sql)
        for statement in statements:
            if statement.type not in _READING:
                raise ConfigError(
                    f"{statement.type.name} is refused: arb sql only reads; write with a DuckDB "
                    "client of your own if you must"
                )
        for statement in statements:
            result = connection.execute(statement)
            if statement.type == duckdb.StatementType.SET:
                continue
            rows = result.fetchmany(limit + 1) if limit else result.fetchall()
            columns = tuple(column[0] for column in result.description or ())
            yield Answer(
                columns, rows[:limit] if limit else rows, bool(limit) and len(rows) > limit
            )
    except duckdb.Error as error:
        raise ConfigError(" ".join(str(error).split("\n\nLINE")[0].split())) from None
