"""Recorded books as arrays, in order of arrival.

Reading follows ``row_no`` instead of sorting: every thread scans its range of
the partition, and each row is put where it belongs. Nothing but the arrays
given back and a few Arrow batches is held in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arb_pipelines.errors import DataError
from arb_pipelines.lake.attachment import sql_text
from arb_pipelines.lake.scatter import (
    Floats,
    Hashes,
    Int32s,
    Ints,
    scatter_lists,
    scatter_tops,
    symbol_slots,
)
from arb_pipelines.lake.store import Lake


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


_SIDES = ("bid_px", "bid_sz", "ask_px", "ask_sz")
_BATCH_ROWS = 100_000


def read_tops(
    lake: Lake, venue: str, day: date, symbols: Sequence[str], *, snapshot: int | None = None
) -> Tops:
    """Read the tops of ``symbols``; rows of other symbols are left out.

    ``symbols`` of the answer is ``symbols`` as given. A symbol without rows is
    no error, and a day without rows gives empty arrays. Takes 44 bytes a row.

    Raises:
        DataError: ``snapshot`` has expired, or the partition is not whole.
    """
    return _tops(_Partition.of(lake, venue, day, symbols, snapshot))


def read_levels(
    lake: Lake,
    venue: str,
    day: date,
    symbols: Sequence[str],
    *,
    depth: int = 20,
    snapshot: int | None = None,
) -> Levels:
    """Read up to ``depth`` levels of ``symbols``; symbols that have only tops give one level.

    The answer is as deep as the deepest book of those symbols, at most
    ``depth``. Takes 12 bytes a row and 32 a level.

    Raises:
        DataError: ``snapshot`` has expired, or the partition is not whole.
    """
    partition = _Partition.of(lake, venue, day, symbols, snapshot)
    return _levels(partition, partition.depth(depth))


def iter_levels(
    lake: Lake,
    venue: str,
    day: date,
    symbols: Sequence[str],
    *,
    depth: int = 20,
    part_rows: int = 4_000_000,
    snapshot: int | None = None,
) -> Iterator[Levels]:
    """Read as ``read_levels`` does, in consecutive parts of at most ``part_rows`` rows.

    All parts have one depth. Holds one part at a time, so that a day of any
    length fits in memory.

    Raises:
        DataError: as ``read_levels``.
    """
    partition = _Partition.of(lake, venue, day, symbols, snapshot)
    kept = partition.depth(depth)
    for first in range(0, partition.rows, part_rows):
        yield _levels(partition.part(first, min(first + part_rows, partition.rows)), kept)


def _levels(partition: _Partition, depth: int) -> Levels:
    tops = _tops(partition)
    if depth == 1:
        columns = [getattr(tops, side)[:, np.newaxis] for side in _SIDES]
    else:
        columns = [_widened(getattr(tops, side), depth, side) for side in _SIDES]

        def put(batch: pa.RecordBatch) -> None:
            row_no = batch.column(0).to_numpy()
            for lists, levels in zip(batch.columns[1:], columns, strict=True):
                values = lists.values.to_numpy(zero_copy_only=False)
                scatter_lists(partition.rank, row_no, lists.offsets.to_numpy(), values, levels)

        partition.scan("book_levels", (partition.row, *_SIDES), put)
    for side, levels in zip(_SIDES, columns, strict=True):
        if side.endswith("sz"):
            np.nan_to_num(levels[:, 0], copy=False)
    return Levels(tops.symbols, tops.symbol, tops.ts_recv, *columns)


def _tops(partition: _Partition) -> Tops:
    n = partition.count
    tops = Tops(
        partition.symbols,
        np.full(n, -1, np.int32),
        np.empty(n, np.int64),
        *(np.empty(n, np.float64) for _ in _SIDES),
    )
    arrays = (tops.symbol, tops.ts_recv, tops.bid_px, tops.bid_sz, tops.ask_px, tops.ask_sz)

    def put(batch: pa.RecordBatch) -> None:
        columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
        given = [partition.keys, partition.index, partition.rank, *columns, *arrays]
        scatter_tops(*given)

    partition.scan("book_tops", (partition.row, "hash(symbol)", "ts_recv", *_SIDES), put)
    if n and tops.symbol.min() < 0:
        raise DataError("row_no is not unique; ingest this day again", source=partition.name)
    return tops


def _widened(top: Floats, depth: int, side: str) -> Floats:
    levels = np.full((len(top), depth), np.nan if side.endswith("px") else 0.0)
    levels[:, 0] = top
    return levels


@dataclass(frozen=True, slots=True)
class _Partition:
    """The rows of some symbols in one partition, as of one snapshot.

    They are those from ``first`` to before ``rows``, and ``count`` of them.
    ``keys`` and ``index`` find a symbol by its hash. ``rank`` gives the
    position among the chosen rows by ``row_no``; it is empty when all rows
    were chosen, for then the two are the same.
    """

    lake: Lake
    name: str
    symbols: tuple[str, ...]
    at: str
    where: str
    count: int
    rows: int
    keys: Hashes
    index: Int32s
    rank: Int32s
    first: int = 0

    @property
    def row(self) -> str:
        """The row's number, counted from the first of this part."""
        return f"row_no - {self.first}"

    @classmethod
    def of(
        cls, lake: Lake, venue: str, day: date, symbols: Sequence[str], snapshot: int | None
    ) -> _Partition:
        """Count the rows and learn the hashes. Every later read is of the same snapshot."""
        seen = lake.snapshot() if snapshot is None else snapshot
        at = f"AT (VERSION => {int(seen)})"
        where = f"venue = {sql_text(venue)} AND day = DATE '{day}'"
        with lake.reading() as connection:
            found = connection.execute(
                "SELECT symbol, hash(symbol), count(*), max(row_no) + 1 "
                f"FROM book_tops {at} WHERE {where} GROUP BY symbol"
            ).fetchall()
        hashes = {symbol: value for symbol, value, _, _ in found}
        if len(set(hashes.values())) < len(hashes):
            raise DataError("two symbols have one hash", source=f"book_tops {venue} {day}")
        chosen = set(symbols)
        count = sum(n for symbol, _, n, _ in found if symbol in chosen)
        total = sum(n for _, _, n, _ in found)
        rows = max((end for *_, end in found), default=0)
        order = {symbol: position for position, symbol in enumerate(symbols)}
        present = [symbol for symbol in order if symbol in hashes]
        keys, slots = symbol_slots([hashes[symbol] for symbol in present])
        positions = np.array([order[symbol] for symbol in present] + [-1], np.int32)
        partition = cls(
            lake=lake,
            name=f"book_tops {venue} {day}",
            symbols=tuple(symbols),
            at=at,
            where=where,
            count=count,
            rows=rows,
            keys=keys,
            index=positions[slots],
            rank=np.zeros(0, np.int32),
        )
        if count == total == rows:
            return partition
        return partition.restricted(present)

    def restricted(self, symbols: Sequence[str]) -> _Partition:
        """The same with only the rows of ``symbols``, ranked by ``row_no``."""
        names = ", ".join(sql_text(symbol) for symbol in symbols) or "NULL"
        part = replace(self, where=f"{self.where} AND symbol IN ({names})")
        present = np.zeros(self.rows, np.bool_)

        def mark(batch: pa.RecordBatch) -> None:
            present[batch.column(0).to_numpy()] = True

        part.scan("book_tops", ("row_no",), mark)
        return replace(part, rank=np.cumsum(present, dtype=np.int32) - np.int32(1))

    def part(self, first: int, end: int) -> _Partition:
        """The same with only the rows from ``first`` to before ``end``, ranked from 0."""
        if not len(self.rank):
            return replace(self, first=first, rows=end, count=end - first)
        before = self.rank[first - 1] + 1 if first else 0
        rank = self.rank[first:end] - np.int32(before)
        return replace(self, first=first, rows=end, count=int(rank[-1]) + 1, rank=rank)

    def depth(self, most: int) -> int:
        """Levels of the deepest book among the chosen rows, from 1 to ``most``."""
        with self.lake.reading() as connection:
            found = connection.execute(
                "SELECT max(greatest(len(bid_px), len(ask_px))) "
                f"FROM book_levels {self.at} WHERE {self.where}"
            ).fetchone()
        return max(1, min(most, int(found[0]))) if found and found[0] else 1

    def scan(
        self, table: str, columns: Sequence[str], put: Callable[[pa.RecordBatch], None]
    ) -> None:
        """Hand every chosen row to ``put``, in batches, from several threads at once."""
        if not self.count:
            return
        threads = self.lake.settings.lake_threads or os.cpu_count() or 1
        rows = self.rows - self.first
        edges = [self.first + rows * part // threads for part in range(threads + 1)]
        sql = f"SELECT {', '.join(columns)} FROM {table} {self.at} WHERE {self.where}"

        def scan_range(first: int, end: int) -> None:
            with self.lake.reading() as connection:
                rows = connection.execute(f"{sql} AND row_no >= {first} AND row_no < {end}")
                for batch in rows.to_arrow_reader(_BATCH_ROWS):
                    put(batch)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(scan_range, edges[:-1], edges[1:]))
