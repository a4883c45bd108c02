"""One commit at a time, whatever the catalog.

DuckLake detects some conflicts and not others (two writers that fill the same
empty partition both succeed), and SQLite refuses a transaction that began
before another one's commit. Both go away when a commit, from its first read to
its last write, is alone. The Parquet files are written before, outside.

Both locks end with their holder, also when it is killed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import filelock

from arb_pipelines.errors import ArbError

#: Longest wait for the writers before us.
TIMEOUT_S = 600

_ADVISORY_KEY = int.from_bytes(b"arb_lake")


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold the lock file of an embedded lake.

    Raises:
        ArbError: another writer held it for longer than ``TIMEOUT_S``.
    """
    try:
        with filelock.FileLock(path, timeout=TIMEOUT_S):
            yield
    except filelock.Timeout:
        raise ArbError(
            f"{path}: another writer has held the lake for {TIMEOUT_S} s; "
            "see which process it is with `fuser` and end it if it hangs"
        ) from None


@contextlib.contextmanager
def advisory_lock(database: duckdb.DuckDBPyConnection, dsn: str) -> Iterator[None]:
    """Hold an advisory lock in the Postgres database of the catalog, on a connection of its own."""
    with contextlib.closing(database.cursor()) as connection:
        quoted = dsn.replace("'", "''")
        connection.execute(
            f"ATTACH IF NOT EXISTS '{quoted}' AS lake_lock (TYPE postgres, READ_ONLY)"
        )
        connection.execute("BEGIN")
        try:
            for statement in (
                f"SELECT set_config('lock_timeout', '{TIMEOUT_S}s', true)",
                f"SELECT 1 FROM (SELECT pg_advisory_xact_lock({_ADVISORY_KEY})) AS held",
            ):
                escaped = statement.replace("'", "''")
                connection.execute(
                    f"SELECT * FROM postgres_query('lake_lock', '{escaped}')"
                ).fetchall()
            yield
        finally:
            connection.execute("ROLLBACK")
