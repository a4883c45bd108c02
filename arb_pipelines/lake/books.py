"""Recorded books as arrays, in order of arrival.

Reading follows ``row_no`` instead of sorting: rows come out of a parallel scan
in any order and are put where they belong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arb_pipelines.lake.store import Lake

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tops:
    """Top-of-book states of one venue and day, in order of arrival.

    Every array has shape ``(n,)``. ``symbol`` indexes ``symbols``. Prices are
    quote per base, sizes base; NaN where that side of the book was empty.
    """

    symbols: tuple[str, ...]
    symbol: npt.NDArray[np.int32]
    ts_recv: Ints
    bid_px: Floats
    bid_sz: Floats
    ask_px: Floats
    ask_sz: Floats

    def __len__(self) -> int:
        return len(self.ts_recv)


@dataclass(frozen=True, slots=True)
class Levels:
    """Book states with depth, in order of arrival.

    Level arrays have shape ``(n, depth)``, best level first; beyond the last
    known level prices are NaN and sizes 0. A source that recorded only tops
    gives ``depth == 1``.
    """

    symbols: tuple[str, ...]
    symbol: npt.NDArray[np.int32]
    ts_recv: Ints
    bid_px: Floats
    bid_sz: Floats
    ask_px: Floats
    ask_sz: Floats

    def __len__(self) -> int:
        return len(self.ts_recv)

    @property
    def depth(self) -> int:
        """Number of levels kept a side."""
        return int(self.bid_px.shape[1])


_TOP_COLUMNS = ("ts_recv", "bid_px", "bid_sz", "ask_px", "ask_sz")
_BATCH_ROWS = 100_000


def read_tops(
    lake: Lake, venue: str, day: date, symbols: Sequence[str], *, snapshot: int | None = None
) -> Tops:
    """Read the tops of ``symbols``; rows of other symbols are left out.

    ``symbols`` of the answer is ``symbols`` as given. A symbol without rows is
    no error, and a day without rows gives empty arrays.
    """
    with lake.reading(snapshot) as connection:
        return _read_tops(connection, _Partition.of(connection, venue, day, symbols))


def read_levels(
    lake: Lake,
    venue: str,
    day: date,
    symbols: Sequence[str],
    *,
    depth: int = 20,
    snapshot: int | None = None,
) -> Levels:
    """Read up to ``depth`` levels of ``symbols``; symbols that have only tops give one level."""
    with lake.reading(snapshot) as connection:
        connection.execute("BEGIN")  # one snapshot for both tables
        partition = _Partition.of(connection, venue, day, symbols)
        tops = _read_tops(connection, partition)
        return _with_depth(connection, partition, tops, depth)


@dataclass(frozen=True, slots=True)
class _Partition:
    """The rows of some symbols in one partition, and where each belongs in the arrays.

    ``rank`` maps ``row_no`` to the position among the chosen rows; None when
    all rows were chosen and the two are the same.
    """

    where: str
    symbols: tuple[str, ...]
    count: int
    rank: npt.NDArray[np.int32] | None

    @classmethod
    def of(
        cls, connection: duckdb.DuckDBPyConnection, venue: str, day: date, symbols: Sequence[str]
    ) -> _Partition:
        where = f"venue = {_quoted(venue)} AND day = DATE '{day}'"
        chosen = ", ".join(_quoted(symbol) for symbol in symbols)
        counted = connection.execute(
            f"SELECT count(*), count(*) FILTER (symbol IN ({chosen or 'NULL'})), max(row_no) "
            f"FROM book_tops WHERE {where}"
        ).fetchone()
        total, count, last = counted or (0, 0, None)
        if count and count == total == last + 1:
            return cls(where, tuple(symbols), count, None)
        where += f" AND symbol IN ({chosen or 'NULL'})"
        present = np.zeros(0 if last is None else last + 1, np.bool_)
        if count:
            scan = connection.execute(f"SELECT row_no FROM book_tops WHERE {where}")
            for batch in scan.to_arrow_reader(_BATCH_ROWS):
                present[batch.column(0).to_numpy()] = True
        return cls(where, tuple(symbols), count, np.cumsum(present, dtype=np.int32) - 1)

    def scan(
        self, connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str]
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.integer[Any]], pa.RecordBatch]]:
        """Give position, symbol index and ``columns`` of the chosen rows, in any order."""
        names = ", ".join(_quoted(symbol) for symbol in dict.fromkeys(self.symbols))
        rows = connection.execute(
            f"SELECT row_no, symbol::ENUM({names}) AS symbol, {', '.join(columns)} "
            f"FROM {table} WHERE {self.where}"
        )
        for batch in rows.to_arrow_reader(_BATCH_ROWS):
            row_no = batch.column(0).to_numpy()
            at = row_no if self.rank is None else self.rank[row_no]
            yield at, batch.column(1).indices.to_numpy(), batch


def _read_tops(connection: duckdb.DuckDBPyConnection, partition: _Partition) -> Tops:
    n = partition.count
    tops = Tops(
        partition.symbols,
        np.empty(n, np.int32),
        np.empty(n, np.int64),
        *(np.empty(n, np.float64) for _ in range(4)),
    )
    if n:
        for at, symbol, batch in partition.scan(connection, "book_tops", _TOP_COLUMNS):
            tops.symbol[at] = symbol
            for name in _TOP_COLUMNS:
                getattr(tops, name)[at] = batch.column(name).to_numpy(zero_copy_only=False)
    return tops


def _with_depth(
    connection: duckdb.DuckDBPyConnection, partition: _Partition, tops: Tops, depth: int
) -> Levels:
    known = connection.execute(
        f"SELECT max(greatest(len(bid_px), len(ask_px))) FROM book_levels WHERE {partition.where}"
    ).fetchone()
    kept = max(1, min(depth, known[0] if known and known[0] else 1))
    shape = (len(tops), kept)
    arrays = {
        name: np.zeros(shape) if name.endswith("sz") else np.full(shape, np.nan)
        for name in _TOP_COLUMNS[1:]
    }
    for name, array in arrays.items():
        array[:, 0] = getattr(tops, name)
        if name.endswith("sz"):
            np.nan_to_num(array[:, 0], copy=False)
    if kept > 1:
        for at, _, batch in partition.scan(connection, "book_levels", _TOP_COLUMNS[1:]):
            for name, array in arrays.items():
                _fill(array, at, batch.column(name))
    return Levels(tops.symbols, tops.symbol, tops.ts_recv, **arrays)


def _fill(array: Floats, at: Ints, lists: pa.ListArray) -> None:
    offsets = lists.offsets.to_numpy()
    values = lists.values.to_numpy(zero_copy_only=False)
    lengths = np.minimum(np.diff(offsets), array.shape[1])
    for level in range(array.shape[1]):
        has = lengths > level
        array[at[has], level] = values[offsets[:-1][has] + level]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
