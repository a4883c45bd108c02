"""Readers of Tardis's downloadable CSV: quotes, book snapshots, incremental level 2.

``quotes`` and ``book_snapshot_N`` hold one state a row and are turned into
columns here; ``incremental_book_L2`` needs its books rebuilt, in ``tardis_l2``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arb_pipelines.lake.readers.base import BOOK_ROWS, Batch, ReadOptions
from arb_pipelines.lake.readers.tardis_csv import TYPES, floats, stream, times_ns, type_of
from arb_pipelines.lake.readers.tardis_l2 import read_incremental_book_l2

__all__ = [
    "read_book_snapshot_5",
    "read_book_snapshot_25",
    "read_incremental_book_l2",
    "read_quotes",
    "read_tardis",
]


def read_tardis(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Read a file of any of the known types, told by its columns.

    Raises:
        DataError: as the type's own reader, or of none of the types.
    """
    readers = {
        "quotes": read_quotes,
        "book_snapshot_5": read_book_snapshot_5,
        "book_snapshot_25": read_book_snapshot_25,
        "incremental_book_L2": read_incremental_book_l2,
    }
    return readers[type_of(path)](path, options)


def read_quotes(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Read ``quotes``: the best bid and ask of a rebuilt book, a row a change.

    ``exchange,symbol,timestamp,local_timestamp,ask_amount,ask_price,bid_price,bid_amount``
    ``binance,BTCUSDT,1709251200123000,1709251200124000,0.5,62000.01,62000.0,1.25``

    Raises:
        DataError: as ``tardis_csv.stream``.
    """
    first = 0
    for part in stream(path, TYPES["quotes"]):
        tops = {
            "bid_px": part["bid_price"],
            "bid_sz": part["bid_amount"],
            "ask_px": part["ask_price"],
            "ask_sz": part["ask_amount"],
        }
        yield Batch(_table(part, first, tops))
        first += part.num_rows


def read_book_snapshot_5(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Read ``book_snapshot_5``: five levels a side, a row a change.

    ``exchange,symbol,timestamp,local_timestamp,asks[0].price,asks[0].amount,bids[0].price,
    bids[0].amount,asks[1].price,…``

    Raises:
        DataError: as ``tardis_csv.stream``.
    """
    return _read_snapshots(path, 5)


def read_book_snapshot_25(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Read ``book_snapshot_25``: as ``book_snapshot_5``, with 25 levels.

    Raises:
        DataError: as ``tardis_csv.stream``.
    """
    return _read_snapshots(path, 25)


def _read_snapshots(path: Path, depth: int) -> Iterator[Batch]:
    first = 0
    for part in stream(path, TYPES[f"book_snapshot_{depth}"]):
        columns: dict[str, pa.Array] = {}
        for side, source in (("bid", "bids"), ("ask", "asks")):
            prices = [part[f"{source}[{level}].price"] for level in range(depth)]
            sizes = [part[f"{source}[{level}].amount"] for level in range(depth)]
            columns[f"{side}_px"], columns[f"{side}_sz"] = prices[0], sizes[0]
            columns[f"{side}s_px"], columns[f"{side}s_sz"] = _lists(prices, sizes)
        yield Batch(_table(part, first, columns))
        first += part.num_rows


def _lists(prices: list[pa.Array], sizes: list[pa.Array]) -> tuple[pa.Array, pa.Array]:
    """Zip the columns of the levels into two list columns, absent levels left out.

    A level of which only the price or only the size is there stays, with NaN, so
    that its row is refused rather than mended.
    """
    rows, depth = len(prices[0]), len(prices)
    values = [np.column_stack([floats(column) for column in side]) for side in (prices, sizes)]
    if any(column.null_count for column in (*prices, *sizes)):
        absent = np.column_stack(
            [_is_null(price) & _is_null(size) for price, size in zip(prices, sizes, strict=True)]
        )
        ends = np.concatenate([[0], np.cumsum(depth - absent.sum(axis=1))]).astype(np.int32)
        flat = [side[~absent] for side in values]
    else:
        ends = np.arange(0, rows * depth + 1, depth, dtype=np.int32)
        flat = [side.ravel() for side in values]
    offsets = pa.array(ends)
    return tuple(pa.ListArray.from_arrays(offsets, pa.array(side)) for side in flat)


def _is_null(column: pa.Array) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return mask


def _table(part: pa.RecordBatch, first: int, columns: dict[str, pa.Array]) -> pa.Table:
    ts_event, ts_recv = times_ns(part)
    known = {
        "row": pa.array(np.arange(first, first + part.num_rows)),
        "symbol": part["symbol"],
        "ts_event": ts_event,
        "ts_recv": ts_recv,
        **columns,
    }
    arrays = [
        known[field.name] if field.name in known else pa.nulls(part.num_rows, field.type)
        for field in BOOK_ROWS
    ]
    return pa.table(arrays, schema=BOOK_ROWS)
