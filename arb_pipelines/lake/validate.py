"""The check of one file's rows, batch by batch, in order of arrival.

Judges rows, and remembers the last accepted row of each symbol of one file.
Which partition a row belongs to, and what happens to it, is the business of
``ingest``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.lake.rules import Bools, Codes, Floats, Ints, judge_rows


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one column. ``valid`` is empty when there are no nulls, which is the usual case."""

    values: npt.NDArray[Any]
    valid: Bools

    @classmethod
    def of(cls, column: pa.ChunkedArray | pa.Array) -> Column:
        """Take the values of an integer or float64 column; those of nulls are 0."""
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if not array.null_count:
            return cls(array.to_numpy(), np.empty(0, np.bool_))
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        return cls(array.fill_null(0).to_numpy(), valid)


@dataclass(frozen=True, slots=True)
class _Side:
    """One side's levels: row i has ``px[offsets[i]:offsets[i + 1]]``, sizes likewise."""

    offsets: npt.NDArray[np.int32]
    px: Floats
    sz: Floats

    @classmethod
    def of(cls, px: pa.ChunkedArray, sz: pa.ChunkedArray) -> _Side:
        """Take two list columns; a null list is an empty one, a null level a NaN."""
        if px.null_count == len(px):
            return cls(np.zeros(len(px) + 1, np.int32), np.empty(0), np.empty(0))
        offsets, prices = flat(px)
        size_offsets, sizes = flat(sz)
        if not np.array_equal(offsets, size_offsets):
            raise InvariantBroken("a reader gave a row with more prices than sizes, or fewer")
        return cls(
            offsets,
            prices.to_numpy(zero_copy_only=False),
            sizes.to_numpy(zero_copy_only=False),
        )

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        return self.offsets, self.px, self.sz


def flat(lists: pa.ChunkedArray) -> tuple[npt.NDArray[np.int32], pa.Array]:
    """Offsets, starting at 0, and values of a list column; a null list is an empty one."""
    array = lists.combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(array) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets, array.flatten()


class Judge:
    """Checks the rows of one file in order of arrival, batch by batch."""

    def __init__(self) -> None:
        self._last = _Last.empty(0, 0)

    def __call__(
        self,
        rows: pa.Table,
        code: npt.NDArray[np.int32],
        known: npt.NDArray[np.bool_],
        day: npt.NDArray[np.int32],
        other_segment: Bools | None,
    ) -> Codes:
        """Give each of ``rows`` (``BOOK_ROWS``) the code of its reason, 0 if it is accepted.

        ``code`` numbers the symbols of the file. ``known[d, s]`` tells whether
        the venue has symbol s on the d-th day; ``day`` is d of each row, or
        empty if there is but one.
        """
        bids = _Side.of(rows["bids_px"], rows["bids_sz"])
        asks = _Side.of(rows["asks_px"], rows["asks_sz"])
        depth = max((int(np.diff(side.offsets).max(initial=0)) for side in (bids, asks)), default=0)
        self._last = self._last.grown(known.shape[1], depth)
        columns = [
            Column.of(rows[name])
            for name in ("ts_recv", "update_id", "bid_px", "bid_sz", "ask_px", "ask_sz")
        ]
        reasons = np.zeros(len(rows), np.uint8)
        judge_rows(
            tuple(_fixed(part) for column in columns for part in (column.values, column.valid)),
            tuple(_fixed(part) for side in (bids, asks) for part in side.arrays()),
            _fixed(code),
            _fixed(known),
            _fixed(day),
            _fixed(np.empty(0, np.bool_) if other_segment is None else other_segment),
            self._last.arrays(),
            reasons,
        )
        return reasons


def _fixed(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # Some arrays are Arrow's and read-only. The kernel would be compiled for each mixture.
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, slots=True)
class _Last:
    """The last accepted row of each symbol. ``row`` is its place in the batch, -1 if before it."""

    ts: Ints
    update_id: Ints
    has_id: Bools
    top: Floats  # (symbols, 4): bid price and size, ask price and size; NaN where empty
    count: npt.NDArray[np.int32]  # (symbols, 2): levels of bid and ask
    levels: Floats  # (symbols, 4, depth): as top
    row: Ints

    @classmethod
    def empty(cls, symbols: int, depth: int) -> _Last:
        return cls(
            np.full(symbols, np.iinfo(np.int64).min),
            np.zeros(symbols, np.int64),
            np.zeros(symbols, np.bool_),
            np.full((symbols, 4), np.nan),
            np.zeros((symbols, 2), np.int32),
            np.full((symbols, 4, depth), np.nan),
            np.full(symbols, -1, np.int64),
        )

    def arrays(self) -> tuple[Any, ...]:
        return self.ts, self.update_id, self.has_id, self.top, self.count, self.levels, self.row

    def grown(self, symbols: int, depth: int) -> _Last:
        old_symbols, _, old_depth = self.levels.shape
        if symbols <= old_symbols and depth <= old_depth:
            return self
        grown = _Last.empty(max(symbols, old_symbols), max(depth, old_depth))
        for new, old in zip(grown.arrays(), self.arrays(), strict=True):
            new[tuple(slice(length) for length in old.shape)] = old
        return grown
