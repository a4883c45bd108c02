"""What a commit may do to the tables of the lake: replace partitions, add rows, renew rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.schemas import Table
from arb_pipelines.lake.staging import Rows, Staged


class Transaction:
    """What a commit function may do. Valid only inside ``Lake.commit``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def replace(self, table: Table, keys: Mapping[str, object], rows: Rows | Staged) -> int:
        """Replace the partition ``keys`` of ``table`` by ``rows``; return how many came in.

        ``keys`` names every column of ``table.partition_by``; each row must lie
        in the partition. The rows go in by column name. Large ones are better
        staged first, as ``Lake.replace`` does: less is done within the lock.
        """
        check_keys(table, keys)
        where = " AND ".join(f"{name} = ?" for name in keys)
        self.connection.execute(f"DELETE FROM {table.name} WHERE {where}", list(keys.values()))
        if not isinstance(rows, Staged):
            return self.append(table, rows)
        if (rows.table.name, dict(rows.keys)) != (table.name, dict(keys)):
            raise ConfigError(f"rows staged for {rows.table.name} {rows.keys} belong nowhere else")
        if rows.path is not None:
            self.adopt(table, rows.path)
        return rows.rows

    def adopt(self, table: Table, file: Path) -> None:
        """Add the rows of a file that lies where ``parquet.new_file`` said."""
        self.connection.execute(
            "CALL ducklake_add_data_files('lake', ?, ?, hive_partitioning => true)",
            [table.name, str(file)],
        )

    def append(self, table: Table, rows: Rows) -> int:
        """Add ``rows`` to ``table`` by column name; return how many."""
        with _registered(self.connection, rows) as name:
            columns = ", ".join(table.names)
            done = self.connection.execute(
                f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {name}"
            ).fetchone()
        return int(done[0]) if done else 0

    def upsert(self, table: Table, rows: pl.DataFrame) -> int:
        """Add ``rows``, replacing those of the same ``table.key``; return how many came in.

        For tables that grow by a few rows at a time. Files are looked into only where their
        statistics say that such a row may be there.
        """
        with _registered(self.connection, rows) as name:
            same = [f"{table.name}.{key} = {name}.{key}" for key in table.key]
            near = [f"{table.name}.{key} BETWEEN ? AND ?" for key in table.key]
            bounds = [bound for key in table.key for bound in (rows[key].min(), rows[key].max())]
            self.connection.execute(
                f"DELETE FROM {table.name} USING {name} WHERE {' AND '.join(same + near)}", bounds
            )
        return self.append(table, rows)


def check_keys(table: Table, keys: Mapping[str, object]) -> None:
    """Refuse keys that are not those a table is partitioned by.

    Raises:
        ConfigError: they are others.
    """
    if set(keys) != set(table.partition_by):
        raise ConfigError(f"{table.name} is replaced by {table.partition_by}, not {tuple(keys)}")


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, rows: Rows) -> Iterator[str]:
    if isinstance(rows, duckdb.DuckDBPyRelation):
        rows = rows.to_arrow_reader()  # a relation belongs to another connection
    connection.register("incoming", rows)
    try:
        yield "incoming"
    finally:
        connection.unregister("incoming")
