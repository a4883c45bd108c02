"""Books that many processes read at once: written once as Arrow files, mapped by each.

A file holds a day's books of some symbols as a backtest replays them. Every process
that maps it sees the same pages of memory, and none can write to them. The files
lie in ``cache/books`` of ARB_HOME; nothing is lost with them but the time to write
them again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import filelock
import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from arb_pipelines.backtest.scenario import Books
from arb_pipelines.errors import ArbError, ConfigError, DataError
from arb_pipelines.lake.books import Levels, iter_levels
from arb_pipelines.lake.store import Lake

_FORMAT = 1
_PART_ROWS = 1_000_000
_SIDES = ("bid_px", "bid_sz", "ask_px", "ask_sz")
_WAIT_S = 3_600


@dataclass(frozen=True, slots=True)
class BookFile:
    """Where the books of a venue and day are."""

    path: Path
    venue: str
    day: date


@dataclass(frozen=True, slots=True)
class BooksVersion:
    """Names the content of a day's books: equal until rows of it are replaced.

    ``rows`` are those of book_tops; ``tables`` name both tables, also from those of a
    lake that was here before, then count the rows and bound the lake's snapshots that
    brought them.
    """

    rows: int
    tables: tuple[tuple[str | int | None, ...], ...]


def books_version(lake: Lake, venue: str, day: date, *, snapshot: int) -> BooksVersion:
    """Say which version of a day's books a snapshot holds; no rows are no error."""
    tables = [
        lake.query(
            "SELECT (SELECT CAST(table_uuid AS VARCHAR) FROM ducklake_table_info('lake') "
            "WHERE table_name = ?), count(*), min(snapshot_id), max(snapshot_id) "
            f"FROM {table} AT (VERSION => {int(snapshot)}) WHERE venue = ? AND day = ?",
            [table, venue, day],
        ).row(0)
        for table in ("book_tops", "book_levels")
    ]
    return BooksVersion(tables[0][1], tuple(tables))


def share_books(
    lake: Lake, venue: str, day: date, symbols: Sequence[str], *, snapshot: int
) -> BookFile:
    """Write the file of these books unless it is there, and say where it is.

    Processes that ask for the same file at once write it once: the others wait.

    Raises:
        DataError: there are no such books.
        ArbError: the file could not be written.
    """
    version = books_version(lake, venue, day, snapshot=snapshot)
    key = orjson.dumps([_FORMAT, lake.data_path(), venue, str(day), list(symbols), version])
    name = f"{venue}-{day}-{hashlib.sha256(key).hexdigest()[:20]}.arrow"
    file = BookFile(folder_of(lake) / name, venue, day)
    if not _found(file.path):
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(file.path.with_suffix(".lock"), timeout=_WAIT_S):
            if not _found(file.path):
                _write(
                    file,
                    iter_levels(lake, venue, day, symbols, part_rows=_PART_ROWS, snapshot=snapshot),
                )
    return file


def map_books(file: BookFile) -> tuple[Books, ...]:
    """Map a file into memory: consecutive parts of one depth, all arrays read-only.

    Nothing is copied. The pages are shared with every other process that maps the
    file, and stay valid after the file is removed.

    Raises:
        DataError: the file is not there.
    """
    try:
        source = pa.memory_map(str(file.path))
    except FileNotFoundError:
        raise DataError(
            "the shared books are not here; a worker on another machine needs the same ARB_HOME, "
            "on a folder that the machines share",
            source=str(file.path),
        ) from None
    reader = pa.ipc.open_file(source)
    return tuple(_books(reader.get_batch(i)) for i in range(reader.num_record_batches))


def make_room(lake: Lake, needed: Collection[BookFile]) -> None:
    """Remove the files that were not used for longest until ARB_CACHE_GB is kept.

    Raises:
        ConfigError: those that are ``needed`` are larger than that by themselves.
    """
    most = lake.settings.cache_gb * 1e9
    own = {file.path for file in needed}
    size = sum(stat.st_size for stat in map(_stat, own) if stat)
    if size > most:
        raise ConfigError(
            f"the books of this study take {size / 1e9:.3g} GB, more than the "
            f"{lake.settings.cache_gb:g} allowed; allow more, or search fewer days at once",
            source="ARB_CACHE_GB",
        )
    paths = (path for path in folder_of(lake).glob("*.arrow*") if path not in own)
    others = [(stat, path) for path in paths if (stat := _stat(path))]
    for stat, path in sorted(others, key=lambda other: other[0].st_mtime, reverse=True):
        size += stat.st_size
        if size > most:
            _remove(path)


def folder_of(lake: Lake) -> Path:
    """Where the files lie."""
    return lake.root / "cache" / "books"


def _found(path: Path) -> bool:
    """Tell whether the file is there, and note that it is used."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _stat(path: Path) -> os.stat_result | None:
    """Look at a file; None if another process has just removed it."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _remove(path: Path) -> None:
    """Remove a file, or what a crash left of one, unless it is being written."""
    lock = filelock.FileLock(path.with_suffix(".lock"))
    with contextlib.suppress(filelock.Timeout), lock.acquire(timeout=0):
        path.unlink(missing_ok=True)


def _write(file: BookFile, parts: Iterator[Levels]) -> None:
    first = next(parts, None)
    if first is None or not len(first):
        raise DataError(
            f"there are no books of {file.venue} on {file.day} for the strategy's symbols; "
            "see `arb ingest --help`",
            source="book_tops",
        )
    unfinished = file.path.with_suffix(".arrow-part")  # one a lock, so a crash leaves one at most
    try:
        with unfinished.open("wb") as sink:
            batch = _batch(first)
            with pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write_batch(batch)
                for part in parts:
                    writer.write_batch(_batch(part))
            sink.flush()
            os.fsync(sink.fileno())
        unfinished.replace(file.path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ArbError(
            f"{file.path}: the books of {file.venue} on {file.day} could not be shared: "
            f"{error.strerror or error}; free some space, or set ARB_HOME to a larger disk"
        ) from None


def _batch(levels: Levels) -> pa.RecordBatch:
    columns = {"symbol": pa.array(levels.symbol), "ts_recv": pa.array(levels.ts_recv)}
    for side in _SIDES:
        flat = pa.array(np.ascontiguousarray(getattr(levels, side)).reshape(-1))
        columns[side] = pa.FixedSizeListArray.from_arrays(flat, levels.depth)
    return pa.RecordBatch.from_pydict(columns)


def _books(batch: pa.RecordBatch) -> Books:
    def levels(side: str) -> npt.NDArray[np.float64]:
        column = batch.column(side)
        flat: npt.NDArray[np.float64] = column.values.to_numpy(zero_copy_only=True)
        return flat.reshape(len(column), column.type.list_size)

    return Books(
        batch.column("symbol").to_numpy(zero_copy_only=True),
        batch.column("ts_recv").to_numpy(zero_copy_only=True),
        *map(levels, _SIDES),
    )
