"""Parsed states as Arrow rows of ``BOOK_ROWS``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arb_pipelines.lake.readers.base import BOOK_ROWS
from arb_pipelines.lake.recording.format import BookState
from arb_pipelines.lake.recording.parse import Columns

#: ``BOOK_ROWS`` with the symbol as a number and without base and quote, which follow from it.
CODED_ROWS = pa.schema(
    [
        pa.field("symbol", pa.int32()) if field.name == "symbol" else field
        for field in BOOK_ROWS
        if field.name not in ("base", "quote")
    ]
)


def rows_of_columns(columns: Columns, codes: Sequence[int], first_line: int) -> pa.Table:
    """Rows of ``CODED_ROWS``; ``codes`` has the number of each of the columns' symbols."""
    return pa.table(
        [
            columns.line + first_line,
            np.array(codes, np.int32)[columns.symbol] if codes else columns.symbol,
            pa.array(columns.ts_event, mask=~columns.has_event),
            columns.ts_recv,
            pa.array(columns.update_id, mask=~columns.has_update_id),
            *_sides(
                columns.bid_offsets, columns.bids_px, columns.bids_sz,
                columns.ask_offsets, columns.asks_px, columns.asks_sz,
            ),
        ],
        schema=CODED_ROWS,
    )  # fmt: skip


def rows_of_states(states: Sequence[tuple[int, BookState]], codes: Sequence[int]) -> pa.Table:
    """Rows of ``CODED_ROWS``, of line numbers and states with the number of each's symbol."""
    sides: list[npt.NDArray[Any]] = []
    for name in ("bids", "asks"):
        levels = [getattr(state, name) for _, state in states]
        flat = np.array([pair for side in levels for pair in side], np.float64).reshape(-1, 2)
        offsets = np.cumsum([0, *(len(side) for side in levels)], dtype=np.int32)
        sides += [offsets, flat[:, 0].copy(), flat[:, 1].copy()]
    return pa.table(
        [
            [line for line, _ in states],
            codes,
            [state.ts_event for _, state in states],
            [state.ts_recv for _, state in states],
            [state.update_id for _, state in states],
            *_sides(*sides),
        ],
        schema=CODED_ROWS,
    )


def encoded(codes: pa.ChunkedArray, values: list[str | None]) -> pa.ChunkedArray:
    """Dictionary column that has ``values[code]`` for each code."""
    coded = pa.array(values, pa.string()).dictionary_encode()
    chunks = [
        pa.DictionaryArray.from_arrays(coded.indices.take(chunk), coded.dictionary)
        for chunk in codes.chunks
    ]
    return pa.chunked_array(chunks, coded.type)


def _sides(
    bid_offsets: npt.NDArray[np.int32],
    bids_px: npt.NDArray[np.float64],
    bids_sz: npt.NDArray[np.float64],
    ask_offsets: npt.NDArray[np.int32],
    asks_px: npt.NDArray[np.float64],
    asks_sz: npt.NDArray[np.float64],
) -> list[pa.Array]:
    """Tops, then levels, in the order of ``BOOK_ROWS``."""
    sides = (
        (bid_offsets, bids_px), (bid_offsets, bids_sz),
        (ask_offsets, asks_px), (ask_offsets, asks_sz),
    )  # fmt: skip
    tops = [_first(offsets, values) for offsets, values in sides]
    lists = [pa.ListArray.from_arrays(pa.array(offsets), pa.array(v)) for offsets, v in sides]
    return [*tops, *lists]


def _first(offsets: npt.NDArray[np.int32], values: npt.NDArray[np.float64]) -> pa.Array:
    """Level 1 of each state; null where the side is empty."""
    starts, empty = offsets[:-1], np.diff(offsets) == 0
    padded = values if len(values) else np.zeros(1)
    return pa.array(padded[np.where(empty, 0, starts)], mask=empty)
