"""Tardis's CSV files: their columns, and how to stream them as Arrow batches.

Comma, LF, one header line, gzip or plain; times are microseconds since the
epoch, UTC; an empty cell means that there is no value. What the rows mean is
for ``tardis`` and ``tardis_l2``.

Source: https://docs.tardis.dev/downloadable-csv-files/data-types
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from arb_pipelines.clock import NS_PER_US
from arb_pipelines.errors import DataError

Columns = dict[str, pa.DataType]

_TEXT = pa.dictionary(pa.int32(), pa.string())
_HEAD: Columns = {"symbol": _TEXT, "timestamp": pa.int64(), "local_timestamp": pa.int64()}
_GZIP_MAGIC = b"\x1f\x8b"
_BLOCK_BYTES = 16 << 20


def _snapshot(depth: int) -> Columns:
    sides = [(side, what) for side in ("asks", "bids") for what in ("price", "amount")]
    names = [f"{side}[{level}].{what}" for level in range(depth) for side, what in sides]
    return _HEAD | dict.fromkeys(names, pa.float64())


#: Data type -> the columns that are read; ``exchange`` is there too and not needed.
TYPES: Mapping[str, Columns] = {
    "quotes": _HEAD
    | dict.fromkeys(("ask_amount", "ask_price", "bid_price", "bid_amount"), pa.float64()),
    "book_snapshot_5": _snapshot(5),
    "book_snapshot_25": _snapshot(25),
    "incremental_book_L2": _HEAD
    | {"is_snapshot": pa.bool_(), "side": _TEXT, "price": pa.float64(), "amount": pa.float64()},
}


def type_of(path: Path) -> str:
    """Tell a file's data type by its columns.

    Raises:
        DataError: it is empty, cut off, or of none of the known types.
    """
    header = set(_header(path))
    for name in ("incremental_book_L2", "book_snapshot_25", "book_snapshot_5", "quotes"):
        if header >= set(TYPES[name]):
            return name
    found = ",".join(sorted(header))[:200]
    raise DataError(
        f"has the columns of none of: {', '.join(TYPES)}; its header is {found}",
        source=str(path),
    )


def stream(path: Path, columns: Columns) -> Iterator[pa.RecordBatch]:
    """Read ``columns`` of a file in batches of some 16 MB of text, in order.

    Raises:
        DataError: the file is empty, cut off or damaged, a column is missing, or a
            cell does not parse; names the row.
    """
    missing = [name for name in columns if name not in _header(path)]
    if missing:
        raise DataError(f"lacks the columns {', '.join(missing[:8])}", source=str(path))
    try:
        with closing(_open(path)) as source:
            yield from arrow_csv.open_csv(
                source,
                read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict(columns),
                    include_columns=list(columns),
                    null_values=[""],
                    true_values=["true"],
                    false_values=["false"],
                ),
            )
    except pa.ArrowInvalid as error:
        raise _first_fault(path, columns) or DataError(str(error), source=str(path)) from error
    except OSError as error:
        raise DataError(f"is cut off or damaged: {error}", source=str(path)) from error


def times_ns(batch: pa.RecordBatch) -> tuple[pa.Array, pa.Array]:
    """``ts_event`` and ``ts_recv`` in ns. Equal times mean that the venue sent none: null."""
    received, event = batch["local_timestamp"], batch["timestamp"]
    unknown = pa.scalar(None, pa.int64())
    event = pc.if_else(pc.equal(event, received), unknown, event)
    return pc.multiply(event, NS_PER_US), pc.multiply(received, NS_PER_US)


def floats(column: pa.Array) -> npt.NDArray[np.float64]:
    """A float column as numpy; null becomes NaN."""
    values: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
    return values


def _open(path: Path) -> pa.NativeFile:
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
    return pa.input_stream(str(path), compression="gzip" if compressed else None)


def _text(path: Path) -> IO[str]:
    with path.open("rb") as file:
        compressed = file.read(2) == _GZIP_MAGIC
    if compressed:
        return gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="")
    return path.open(encoding="utf-8", errors="replace", newline="")


def _header(path: Path) -> list[str]:
    if not path.is_file():
        raise DataError("no such file", source=str(path))
    try:
        with _text(path) as file:
            header = next(csv.reader(file), None)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"is cut off or damaged: {error}", source=str(path)) from error
    if not header:
        raise DataError(
            "is empty; Tardis serves an empty file when it has no data for the day",
            source=str(path),
        )
    return header


def _first_fault(path: Path, columns: Columns) -> DataError | None:
    """Find the first cell that Arrow refused. Slow; for files already known to be wrong."""
    with _text(path) as file:
        rows = csv.reader(file)
        header = next(rows)
        checks = [(header.index(name), name, _check(kind)) for name, kind in columns.items()]
        for row, cells in enumerate(rows):
            if len(cells) != len(header):
                reason = f"has {len(cells)} cells, not {len(header)}"
                return DataError(reason, source=str(path), row=row)
            for position, name, check in checks:
                if cells[position] and not check(cells[position]):
                    reason = f"{name} is {cells[position][:40]!r}, which is no {columns[name]}"
                    return DataError(reason, source=str(path), row=row)
    return None


def _check(kind: pa.DataType) -> Callable[[str], bool]:
    def parses(cell: str) -> bool:
        try:
            pa.scalar(cell).cast(kind)
        except pa.ArrowInvalid:
            return False
        return True

    if pa.types.is_dictionary(kind):
        return lambda _: True
    if pa.types.is_boolean(kind):
        return lambda cell: cell in ("true", "false")
    return parses
