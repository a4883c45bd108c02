"""Rows in a database of their own, for audits to look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb
import polars as pl

from arb_pipelines.lake.models.files import Audit
from arb_pipelines.lake.schemas import TABLES


def database_of(rows: Iterable[tuple[str, pl.DataFrame]]) -> duckdb.DuckDBPyConnection:
    """Every table of the lake in memory, with rows by the table's name."""
    database = duckdb.connect()
    for table in TABLES.values():
        database.execute(table.ddl)
    for name, frame in rows:
        database.register("rows", frame.to_arrow())
        database.execute(f"INSERT INTO {name} BY NAME SELECT * FROM rows")
    return database


def each(wrong: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Name each statement with the audit that is to find what it makes wrong."""
    return [(name, statement) for name, statements in wrong.items() for statement in statements]


def bad_rows(database: duckdb.DuckDBPyConnection, audit: Audit, statement: str) -> pl.DataFrame:
    """Make one thing wrong, and give what the audit finds: something."""
    database.execute(statement)
    bad = database.execute(audit.sql).pl()
    assert len(bad) > 0
    return bad
