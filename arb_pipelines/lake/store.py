"""The store: attach the lake, read a snapshot of it, commit to it.

Writers are short. A writer stages its rows as Parquet files, which nobody sees
yet, then replaces whole partitions in one transaction; a partition written
twice is the same as once. Commits come one at a time (``locks.py``); a conflict
with a foreign client is retried, and never reaches the caller.

How a lake is attached is in ``attachment.py``, DDL and the schema's evolution in
``evolution.py``, upkeep in ``maintenance.py``.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import polars as pl
import pyarrow as pa
import structlog

from arb_pipelines.errors import ArbError, ConfigError, DataError
from arb_pipelines.lake import evolution
from arb_pipelines.lake.attachment import (
    attach,
    catalog,
    data_folder,
    open_engine,
    own_errors,
    sql_text,
)
from arb_pipelines.lake.locks import advisory_lock, file_lock
from arb_pipelines.lake.schemas import Table
from arb_pipelines.lake.staging import Rows, Staged, gathered, stage
from arb_pipelines.lake.transaction import Transaction, check_keys
from arb_pipelines.settings import Settings

T = TypeVar("T")
_log = structlog.get_logger()

#: Fewer rows than this are inserted within the commit instead of staged.
STAGED_ROWS = 50_000

_CONFLICTS = ("database is locked", "conflict", "could not serialize", "deadlock", "try again")


class Lake:
    """One process's door to the lake.

    Cheap to make and to pickle; the first use opens a DuckDB instance, which the next
    few hundred share, from any thread.
    """

    #: Connections that one DuckDB instance is opened for. DuckLake keeps the statistics of each
    #: snapshot that an instance has seen for as long as it lives (duckdb/ducklake #1018, #1136).
    uses = 500

    def __init__(self, settings: Settings, *, read_only: bool = False) -> None:
        self.settings = settings
        self.read_only = read_only
        self.root = settings.root
        self.embedded = settings.lake_catalog is None
        self._database: duckdb.DuckDBPyConnection | None = None
        self._uses = 0
        self._opener = threading.Lock()
        self._pid = os.getpid()

    def __reduce__(self) -> tuple[Any, ...]:
        return _lake, (self.settings, self.read_only)

    # -- connections -------------------------------------------------------------------

    @property
    def data(self) -> str:
        """Folder or object store of a lake made here."""
        return data_folder(self.settings)

    def connect(self, snapshot: int | None = None) -> duckdb.DuckDBPyConnection:
        """Open a connection with the lake attached as ``lake`` and in use.

        ``snapshot`` opens the lake as it was at that snapshot, read-only.

        Raises:
            DataError: opened read-only and there is no lake yet, or the
                snapshot has expired.
            ConfigError: the lake's tables are not those of this version.
            ArbError: the catalog cannot be reached.
        """
        if snapshot is not None and not 0 < snapshot < 2**63:
            raise DataError(f"there is no snapshot {snapshot}; see `arb lake info`", source="lake")
        with own_errors():
            if snapshot is not None:
                connection = self._open(f"READ_ONLY, SNAPSHOT_VERSION {int(snapshot)}")
            else:
                connection = self._instance().cursor()
            connection.execute("USE lake")
        return connection

    def _instance(self) -> duckdb.DuckDBPyConnection:
        with self._opener:
            self._uses += 1
            used_up = self._uses > self.uses  # who has a connection keeps the old one alive
            ours = self._database is not None and self._pid == os.getpid()  # forks share nothing
            if not ours or used_up:
                try:
                    self._database = (
                        self._open("READ_ONLY") if self.read_only else self._open_to_write()
                    )
                except (ArbError, duckdb.Error) as error:
                    if not ours:
                        raise
                    _log.warning("lake.instance_kept", error=str(error))
                self._pid, self._uses = os.getpid(), 1
            assert self._database is not None
            return self._database

    def _open(self, *options: str) -> duckdb.DuckDBPyConnection:
        """Attach a lake that is there already."""
        if self.embedded and not _has_content(self.root / "catalog.sqlite"):
            raise self._no_lake()
        database = open_engine(self.settings)
        try:
            attach(self.settings, database, "CREATE_IF_NOT_EXISTS false", *options)
        except duckdb.Error as error:
            database.close()
            if evolution.is_missing(error):
                raise self._no_lake() from None
            raise
        return database

    def _open_to_write(self) -> duckdb.DuckDBPyConnection:
        """Attach the lake; create it, and what a newer version added, where missing."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"cannot be made a folder: {error.strerror}; set ARB_HOME to one that can",
                source=str(self.root),
            ) from None
        try:
            database = self._open()
        except DataError:
            database = open_engine(self.settings)
            with self._lock(database):
                self._refuse_orphans()
                attach(self.settings, database, f"DATA_PATH {sql_text(self.data)}")
        database.execute("USE lake")
        if evolution.missing(database):
            with self._lock(database):
                evolution.apply(database)
        return database

    def _refuse_orphans(self) -> None:
        """Do not begin a new lake over the data of one whose catalog is lost.

        Its maintenance would take the old data for waste, and delete it.
        """
        if not self.embedded or _has_content(self.root / "catalog.sqlite"):
            return
        if next(Path(self.data).glob("**/*.parquet"), None) is not None:
            raise ConfigError(
                "holds the data of a lake whose catalog.sqlite is missing or empty; restore the "
                "catalog from a backup, or move the folder away to begin a new lake",
                source=self.data,
            )

    def _no_lake(self) -> DataError:
        return DataError(
            "there is no lake here yet; run `make demo` or `arb ingest` first, or set "
            + ("ARB_HOME" if self.embedded else "ARB_LAKE_CATALOG"),
            source=str(self.root) if self.embedded else "ARB_LAKE_CATALOG",
        )

    def _lock(self, database: duckdb.DuckDBPyConnection) -> contextlib.AbstractContextManager[None]:
        if self.embedded:
            return file_lock(self.root / "lake.lock")
        return advisory_lock(database, catalog(self.settings).removeprefix("ducklake:postgres:"))

    # -- writing -----------------------------------------------------------------------

    def replace(self, keys: Mapping[str, object], tables: Mapping[Table, Rows]) -> dict[str, int]:
        """Replace the partition ``keys`` of several tables in one transaction; return rows in each.

        The way to write: large rows are staged before the commit, so that the
        lake is held for milliseconds, and read just once.

        Raises:
            DataError: rows that cannot enter; nothing is changed.
            ArbError: the disk or the catalog failed; nothing is changed.
        """
        if self.read_only:
            raise ConfigError("this lake was opened read-only")
        ready: dict[Table, Rows | Staged] = {}
        for table, rows in tables.items():
            check_keys(table, keys)
            ready[table] = self._staged(table, keys, rows)

        def work(transaction: Transaction) -> dict[str, int]:
            return {
                table.name: transaction.replace(table, keys, rows) for table, rows in ready.items()
            }

        return self.commit(work)

    def _staged(self, table: Table, keys: Mapping[str, object], rows: Rows) -> Rows | Staged:
        in_memory = isinstance(rows, pl.DataFrame | pa.Table)
        if in_memory and len(rows) < STAGED_ROWS:
            return rows
        data = self.data_path()
        if "://" in data:  # DuckDB has the credentials of an object store, and writes there itself
            return rows if in_memory else gathered(rows)
        try:
            return stage(Path(data), table, keys, rows)
        except OSError as error:
            raise ArbError(f"the lake could not be written: {error}") from None

    def data_path(self) -> str:
        """Folder or object store in which this lake keeps its files; its catalog is there now."""
        self._instance()
        if self.embedded:
            return self.data
        with self.reading() as connection:
            found = connection.execute(
                "SELECT value FROM lake.options() WHERE option_name = 'data_path'"
            ).fetchone()
        return str(found[0]) if found else self.data

    def commit(self, work: Callable[[Transaction], T], *, attempts: int = 12) -> T:
        """Run ``work`` in one transaction and commit it, whole or not at all.

        ``work`` may run more than once (a conflicting commit is retried from the
        start with jitter), so it must not consume what it cannot read again.

        Raises:
            ArbError: every attempt met a conflict, or the disk or the catalog failed.
        """
        if self.read_only:
            raise ConfigError("this lake was opened read-only")
        last = ""
        with contextlib.closing(self.connect()) as connection, own_errors():
            for attempt in range(attempts):
                try:
                    with self._lock(connection):
                        return _committed(connection, work)
                except duckdb.Error as error:
                    last = str(error)
                    if not any(word in last.lower() for word in _CONFLICTS):
                        raise
                time.sleep(random.uniform(0, 0.05 * 2 ** min(attempt, 6)))  # noqa: S311 - jitter
        raise ArbError(f"the lake refused a commit {attempts} times: {last}")

    @contextlib.contextmanager
    def alone(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for upkeep, with no commit of anybody's beside it."""
        if self.read_only:
            raise ConfigError("this lake was opened read-only")
        with (
            contextlib.closing(self.connect()) as connection,
            own_errors(),
            self._lock(connection),
        ):
            yield connection

    # -- reading -----------------------------------------------------------------------

    @contextlib.contextmanager
    def reading(self, snapshot: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection for reading, closed at the end."""
        with contextlib.closing(self.connect(snapshot)) as connection, own_errors():
            yield connection

    def query(
        self, sql: str, parameters: list[Any] | None = None, *, snapshot: int | None = None
    ) -> pl.DataFrame:
        """Run one SELECT and return its rows."""
        with self.reading(snapshot) as connection:
            return connection.execute(sql, parameters or []).pl()

    def snapshot(self) -> int:
        """Number of the newest committed snapshot."""
        with self.reading() as connection:
            found = connection.execute(
                "SELECT id FROM ducklake_current_snapshot('lake')"
            ).fetchone()
        if found is None:
            raise DataError("the catalog has no snapshot", source="lake")
        return int(found[0])


def _lake(settings: Settings, read_only: bool) -> Lake:
    return Lake(settings, read_only=read_only)


def _has_content(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def _committed(connection: duckdb.DuckDBPyConnection, work: Callable[[Transaction], T]) -> T:
    connection.execute("BEGIN")
    try:
        result = work(Transaction(connection))
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    return result
