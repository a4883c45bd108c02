"""What makes a book row bad: the rules, checked in one pass over a file's columns.

Judges rows, and remembers the last accepted row of each symbol of one file.
Which partition a row belongs to, and what happens to it, is the business of
``ingest``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from arb_pipelines.clock import NS_PER_DAY
from arb_pipelines.errors import InvariantBroken

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.uint8]

#: Why a row is not accepted, by code; 0 is accepted. A row that breaks several
#: rules is refused for the one with the lowest code.
REASONS = (
    "",
    "other segment",
    "no time",
    "time out of range",
    "unknown symbol",
    "nan",
    "non-positive price",
    "negative size",
    "zero size",
    "crossed",
    "levels not ordered",
    "time backwards",
    "duplicate",
    "other day",
)
(
    _ACCEPTED,
    _OTHER_SEGMENT,
    _NO_TIME,
    _OUT_OF_RANGE,
    _UNKNOWN_SYMBOL,
    _NAN,
    _NON_POSITIVE,
    _NEGATIVE,
    _ZERO,
    _CROSSED,
    _NOT_ORDERED,
    _BACKWARDS,
    _DUPLICATE,
    OTHER_DAY,
) = range(len(REASONS))

#: Times outside 2009 (the first coin) to 2100 come from a wrong unit or a broken clock.
MIN_TS = 14_245 * NS_PER_DAY
MAX_TS = 47_482 * NS_PER_DAY


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
        _judge(
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


@nb.njit(nogil=True, cache=True)
def _judge(
    columns: tuple[Any, ...],
    sides: tuple[Any, ...],
    code: npt.NDArray[np.int32],
    known: npt.NDArray[np.bool_],
    day: npt.NDArray[np.int32],
    other_segment: Bools,
    last: tuple[Any, ...],
    reasons: Codes,
) -> None:
    ts, has_ts, uid, has_uid, bp, has_bp, bs, has_bs, ap, has_ap, az, has_az = columns
    b_at, b_px, b_sz, a_at, a_px, a_sz = sides
    last_ts, last_uid, last_has_uid, last_top, last_count, last_levels, last_row = last
    for i in range(len(reasons)):
        if len(other_segment) and other_segment[i]:
            reasons[i] = _OTHER_SEGMENT
            continue
        if len(has_ts) and not has_ts[i]:
            reasons[i] = _NO_TIME
            continue
        t = ts[i]
        if t < MIN_TS or t >= MAX_TS:
            reasons[i] = _OUT_OF_RANGE
            continue
        s = code[i]
        if not known[day[i] if len(day) else 0, s]:
            reasons[i] = _UNKNOWN_SYMBOL
            continue

        has_bid = not len(has_bp) or has_bp[i]
        has_ask = not len(has_ap) or has_ap[i]
        reason = min(
            _top_reason(has_bid, bp[i], not len(has_bs) or has_bs[i], bs[i]),
            _top_reason(has_ask, ap[i], not len(has_az) or has_az[i], az[i]),
            _levels_reason(b_px[b_at[i] : b_at[i + 1]], b_sz[b_at[i] : b_at[i + 1]], -1.0),
            _levels_reason(a_px[a_at[i] : a_at[i + 1]], a_sz[a_at[i] : a_at[i + 1]], 1.0),
        )
        if has_bid and has_ask and bp[i] >= ap[i]:
            reason = min(reason, _CROSSED)
        if reason != _NONE:
            reasons[i] = reason
            continue

        has_id = not len(has_uid) or has_uid[i]
        n_bids, n_asks = b_at[i + 1] - b_at[i], a_at[i + 1] - a_at[i]
        if t < last_ts[s]:
            reasons[i] = _BACKWARDS
            continue
        if (
            t == last_ts[s]
            and has_id == last_has_uid[s]
            and (not has_id or uid[i] == last_uid[s])
            and _same(has_bid, bp[i], bs[i], last_top[s, 0], last_top[s, 1])
            and _same(has_ask, ap[i], az[i], last_top[s, 2], last_top[s, 3])
            and n_bids == last_count[s, 0]
            and n_asks == last_count[s, 1]
        ):
            j = last_row[s]
            if j >= 0:
                equal = (
                    _equal(b_px, b_at[i], b_px[b_at[j] :], n_bids)
                    and _equal(b_sz, b_at[i], b_sz[b_at[j] :], n_bids)
                    and _equal(a_px, a_at[i], a_px[a_at[j] :], n_asks)
                    and _equal(a_sz, a_at[i], a_sz[a_at[j] :], n_asks)
                )
            else:
                equal = (
                    _equal(b_px, b_at[i], last_levels[s, 0], n_bids)
                    and _equal(b_sz, b_at[i], last_levels[s, 1], n_bids)
                    and _equal(a_px, a_at[i], last_levels[s, 2], n_asks)
                    and _equal(a_sz, a_at[i], last_levels[s, 3], n_asks)
                )
            if equal:
                reasons[i] = _DUPLICATE
                continue

        last_ts[s] = t
        last_has_uid[s] = has_id
        last_uid[s] = uid[i]
        last_top[s, 0] = bp[i] if has_bid else np.nan
        last_top[s, 1] = bs[i] if has_bid else np.nan
        last_top[s, 2] = ap[i] if has_ask else np.nan
        last_top[s, 3] = az[i] if has_ask else np.nan
        last_count[s, 0] = n_bids
        last_count[s, 1] = n_asks
        last_row[s] = i

    # The next batch compares with rows that are gone by then.
    for s in range(len(last_row)):
        j = last_row[s]
        if j >= 0:
            n_bids, n_asks = last_count[s]
            last_levels[s, 0, :n_bids] = b_px[b_at[j] : b_at[j + 1]]
            last_levels[s, 1, :n_bids] = b_sz[b_at[j] : b_at[j + 1]]
            last_levels[s, 2, :n_asks] = a_px[a_at[j] : a_at[j + 1]]
            last_levels[s, 3, :n_asks] = a_sz[a_at[j] : a_at[j + 1]]
            last_row[s] = -1


_NONE = len(REASONS)


@nb.njit(nogil=True, cache=True)
def _top_reason(has_px: bool, px: float, has_sz: bool, sz: float) -> int:
    if not has_px:  # an empty side; feeds write its size as null or 0
        return _NAN if has_sz and sz != 0.0 else _NONE
    if not has_sz or not np.isfinite(px) or not np.isfinite(sz):
        return _NAN
    if px <= 0.0:
        return _NON_POSITIVE
    if sz <= 0.0:
        return _NEGATIVE if sz < 0.0 else _ZERO
    return _NONE


@nb.njit(nogil=True, cache=True)
def _levels_reason(px: Floats, sz: Floats, direction: float) -> int:
    reason = _NONE
    for k in range(len(px)):
        reason = min(reason, _top_reason(True, px[k], True, sz[k]))
        if k and (px[k] - px[k - 1]) * direction <= 0.0:
            reason = min(reason, _NOT_ORDERED)
    return reason


@nb.njit(nogil=True, cache=True)
def _same(has: bool, px: float, sz: float, last_px: float, last_sz: float) -> bool:
    if not has:
        return bool(np.isnan(last_px))
    return px == last_px and sz == last_sz


@nb.njit(nogil=True, cache=True)
def _equal(values: Floats, start: int, others: Floats, count: int) -> bool:
    same = 0
    while same < count and values[start + same] == others[same]:
        same += 1
    return same == count
