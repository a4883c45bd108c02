"""The store: attach the lake, read a snapshot of it, commit to it.

Writers are short. A writer collects its rows, then hands ``Lake.commit`` a
function that replaces whole partitions in one transaction; a partition written
twice is the same as once. On the embedded catalog a file lock lets one commit
in at a time; a conflict is retried, and never reaches the caller.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import duckdb
import filelock
import polars as pl
import pyarrow as pa

from arb_pipelines.errors import ArbError, ConfigError, DataError
from arb_pipelines.lake.schemas import TABLES, Table
from arb_pipelines.settings import Settings

T = TypeVar("T")
Rows: TypeAlias = pl.DataFrame | pa.Table | pa.RecordBatchReader | duckdb.DuckDBPyRelation

_CONFLICTS = ("database is locked", "conflict", "could not serialize", "deadlock", "try again")


def extension(name: str) -> Path:
    """Path of a signed DuckDB extension that came as a wheel; nothing is downloaded."""
    package = import_module(f"duckdb_extension_{name}")
    found = sorted(
        Path(package.__path__[0]).glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")
    )
    if not found:
        raise ConfigError(
            f"extension {name} for DuckDB {duckdb.__version__} is not installed; run make again"
        )
    return found[0]


class Transaction:
    """What a commit function may do. Valid only inside ``Lake.commit``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def replace(self, table: Table, keys: Mapping[str, object], rows: Rows) -> int:
        """Replace the partition ``keys`` of ``table`` by ``rows``; return how many came in.

        ``keys`` names every column of ``table.partition_by``; each row must lie
        in the partition. The rows go in by column name.
        """
        if set(keys) != set(table.partition_by):
            raise ConfigError(
                f"{table.name} is replaced by {table.partition_by}, not {tuple(keys)}"
            )
        where = " AND ".join(f"{name} = ?" for name in keys)
        self.connection.execute(f"DELETE FROM {table.name} WHERE {where}", list(keys.values()))
        return self.append(table, rows)

    def append(self, table: Table, rows: Rows) -> int:
        """Add ``rows`` to ``table`` by column name; return how many."""
        self.connection.register("incoming", rows)
        try:
            columns = ", ".join(table.names)
            done = self.connection.execute(
                f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM incoming"
            ).fetchone()
        finally:
            self.connection.unregister("incoming")
        return int(done[0]) if done else 0

    def upsert(self, table: Table, rows: pl.DataFrame) -> int:
        """Add ``rows``, replacing those of the same ``table.key``; return how many came in.

        For tables that grow by a few rows at a time.
        """
        self.connection.register("incoming", rows)
        try:
            same = " AND ".join(f"{table.name}.{name} = incoming.{name}" for name in table.key)
            self.connection.execute(f"DELETE FROM {table.name} USING incoming WHERE {same}")
        finally:
            self.connection.unregister("incoming")
        return self.append(table, rows)


class Lake:
    """One process's door to the lake. Cheap to make; connections are opened on use."""

    def __init__(self, settings: Settings, *, read_only: bool = False) -> None:
        self.settings = settings
        self.read_only = read_only
        self.root = settings.root
        self.data = settings.lake_data or str(self.root / "lake")
        self.embedded = settings.lake_catalog is None
        self._lock_path = self.root / "lake.lock"

    # -- connections -------------------------------------------------------------------

    @property
    def catalog(self) -> str:
        """DuckLake's connection string, secrets included: never log it."""
        if self.settings.lake_catalog is not None:
            return f"ducklake:{self.settings.lake_catalog.get_secret_value()}"
        return f"ducklake:sqlite:{self.root / 'catalog.sqlite'}"

    def connect(self, snapshot: int | None = None) -> duckdb.DuckDBPyConnection:
        """Open a connection with the lake attached as ``lake`` and in use.

        ``snapshot`` opens the lake as it was at that snapshot, read-only.

        Raises:
            DataError: opened read-only, and there is no lake yet.
        """
        exists = not self.embedded or (self.root / "catalog.sqlite").exists()
        if not exists:
            if self.read_only:
                raise DataError(
                    "there is no lake here yet; run `make demo` or `arb ingest` first, "
                    "or set ARB_HOME",
                    source=str(self.root),
                )
            self.root.mkdir(parents=True, exist_ok=True)
        # DuckDB hashes 70 MB of extensions to check their signatures, 0.35 s a connection. pip
        # has checked these two files already; for any other the check is back in force.
        connection = duckdb.connect(config=self._config() | {"allow_unsigned_extensions": True})
        connection.execute(f"LOAD '{extension('ducklake')}'")
        connection.execute(
            f"LOAD '{extension('sqlite_scanner' if self.embedded else 'postgres_scanner')}'"
        )
        connection.execute("SET allow_unsigned_extensions = false")
        options = [f"DATA_PATH '{self.data}'"]
        if self.embedded:
            options += ["META_JOURNAL_MODE 'WAL'", "META_BUSY_TIMEOUT 10000"]
        if self.read_only or snapshot is not None:
            options.append("READ_ONLY")
        if snapshot is not None:
            options.append(f"SNAPSHOT_VERSION {int(snapshot)}")
        attach = f"ATTACH '{self.catalog}' AS lake ({', '.join(options)})"
        with self._lock() if not exists else contextlib.nullcontext():
            connection.execute(attach)
            connection.execute("USE lake")
            if not exists:
                self.create(connection)
        return connection

    def _config(self) -> dict[str, str | bool | int | float | list[str]]:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self.settings.lake_memory,
            "temp_directory": str(self.root / "spill"),
        }
        if self.settings.lake_threads:
            config["threads"] = self.settings.lake_threads
        return config

    def create(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Create what is missing of the tables of ``schemas.TABLES``."""
        for table in TABLES.values():
            connection.execute(table.ddl)
            if table.partition_by:
                columns = ", ".join(table.partition_by)
                connection.execute(f"ALTER TABLE {table.name} SET PARTITIONED BY ({columns})")

    def _lock(self) -> contextlib.AbstractContextManager[object]:
        if not self.embedded:
            return contextlib.nullcontext()
        self.root.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(self._lock_path, timeout=600)

    # -- writing -----------------------------------------------------------------------

    def commit(self, work: Callable[[Transaction], T], *, attempts: int = 12) -> T:
        """Run ``work`` in one transaction and commit it, whole or not at all.

        ``work`` may run more than once (a conflicting commit is retried from the
        start with jitter), so it must not consume what it cannot read again.

        Raises:
            ArbError: every attempt met a conflict.
        """
        if self.read_only:
            raise ConfigError("this lake was opened read-only")
        with contextlib.closing(self.connect()) as connection:
            for attempt in range(attempts):
                try:
                    with self._lock():
                        connection.execute("BEGIN")
                        result = work(Transaction(connection))
                        connection.execute("COMMIT")
                    return result
                except duckdb.Error as error:
                    with contextlib.suppress(duckdb.Error):
                        connection.execute("ROLLBACK")
                    if not any(word in str(error).lower() for word in _CONFLICTS):
                        raise
                    last = error
                except BaseException:
                    with contextlib.suppress(duckdb.Error):
                        connection.execute("ROLLBACK")
                    raise
                time.sleep(random.uniform(0, 0.05 * 2 ** min(attempt, 6)))  # noqa: S311 - jitter
        raise ArbError(f"the lake refused a commit {attempts} times: {last}")

    # -- reading -----------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self, snapshot: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for reading, closed at the end."""
        with contextlib.closing(self.connect(snapshot)) as connection:
            yield connection

    def query(
        self, sql: str, parameters: list[Any] | None = None, *, snapshot: int | None = None
    ) -> pl.DataFrame:
        """Run one SELECT and return its rows."""
        with self.reading(snapshot) as connection:
            return connection.execute(sql, parameters or []).pl()

    def snapshot(self) -> int:
        """Number of the newest committed snapshot."""
        row = self.query("SELECT max(snapshot_id) AS n FROM lake.snapshots()")
        return int(row.item())
