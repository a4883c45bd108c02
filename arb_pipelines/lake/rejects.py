"""Refused rows as rows of ``rejected_rows``: where, why, and the offending values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from arb_pipelines.lake.readers.base import Rejected
from arb_pipelines.lake.rules import REASONS

_TEXT = pa.dictionary(pa.int32(), pa.string())

#: Columns of the files of ``rejected_rows``; ``venue`` and ``day`` are in their path.
REJECTED = pa.schema(
    [
        pa.field("source", _TEXT, nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("symbol", pa.string()),
        pa.field("reason", _TEXT, nullable=False),
        pa.field("detail", pa.string()),
    ]
)
_NO_VALUES = ("other segment", "other day", "unknown symbol")  # not the values' fault


def refused(source: str, rows: pa.Table, reasons: npt.NDArray[np.uint8]) -> pa.Table:
    """Rows of ``REJECTED`` for ``rows`` (``BOOK_ROWS``), refused for the reasons of these codes."""
    return pa.table(
        [
            _constant(source, len(rows)),
            rows["row"],
            rows["symbol"].cast(pa.string()),
            pa.DictionaryArray.from_arrays(reasons.astype(np.int32), pa.array(REASONS)),
            _values(rows, reasons),
        ],
        schema=REJECTED,
    )


def unparsed(source: str, rejected: Sequence[Rejected]) -> pa.Table:
    """Rows of ``REJECTED`` for what a reader could not make a row of."""
    return pa.table(
        [
            _constant(source, len(rejected)),
            pa.array([one.row for one in rejected], pa.int64()),
            pa.array([one.symbol for one in rejected], pa.string()),
            pa.array([one.reason for one in rejected], pa.string()).dictionary_encode(),
            pa.array([one.detail for one in rejected], pa.string()),
        ],
        schema=REJECTED,
    )


def _constant(text: str, n: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(np.zeros(n, np.int32), pa.array([text]))


def _values(rows: pa.Table, reasons: npt.NDArray[np.uint8]) -> pa.Array:
    silent = np.isin(reasons, [REASONS.index(reason) for reason in _NO_VALUES])
    if silent.all():
        return pa.nulls(len(rows), pa.string())
    told = pc.binary_join_element_wise(
        *("bid ", _text(rows["bid_px"]), " x ", _text(rows["bid_sz"])),
        *(", ask ", _text(rows["ask_px"]), " x ", _text(rows["ask_sz"])),
        *(", received ", _text(rows["ts_recv"]), ", update ", _text(rows["update_id"]), ""),
    ).combine_chunks()
    lists = [name for name in rows.schema.names if name.startswith(("bids", "asks"))]
    if any(rows[name].null_count < len(rows) for name in lists):
        levels = rows.select(lists).to_pylist()
        told = pa.array(
            [f"{top}; levels {row}" for top, row in zip(told.to_pylist(), levels, strict=True)]
        )
    return pc.if_else(pa.array(silent), pa.scalar(None, pa.string()), told)


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(column.cast(pa.string()), "none")
