"""Book lines to columns, at the speed of the disk.

The kernel reads lines exactly as ``format.encode_state`` lays them out and
numbers whose float64 it can tell without rounding twice. Every other line
(header, symbol list, another key order, twenty digits, garbage) it leaves to
``lines.py``, which is slow and knows JSON whole. The two agree: a property test
holds them together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from arb_pipelines.lake.recording.scalars import (
    Bytes,
    as_bytes,
    read_integer,
    read_number,
    read_optional_integer,
    skip_literal,
)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


_START = as_bytes('{"s":"')
_EVENT = as_bytes('","e":')
_RECV = as_bytes(',"t":')
_UPDATE = as_bytes(',"u":')
_BIDS = as_bytes(',"b":[')
_ASKS = as_bytes('],"a":[')
_END = as_bytes("]}\n")
_SYMBOL_SLOTS = 1 << 14
_SYMBOLS_MAX = _SYMBOL_SLOTS // 2
#: Fewest bytes a level takes: ``[1,2],``.
_LEVEL_BYTES_MIN = 6
_NEWLINE, _QUOTE, _COMMA, _OPEN, _BACKSLASH, _CLOSE = 10, 34, 44, 91, 92, 93


@dataclass(slots=True)
class Columns:
    """Book states as columns; level ``k`` of state ``i`` lies at ``offsets[i] + k``.

    ``line`` is the index of the line in the text. ``symbol`` indexes the spans
    of ``symbol_at`` (start and end of its name in the text). ``slow`` holds
    start and end of each line the kernel left alone, ``slow_line`` its index.
    """

    line: Ints
    symbol: npt.NDArray[np.int32]
    ts_event: Ints
    has_event: Flags
    ts_recv: Ints
    update_id: Ints
    has_update_id: Flags
    bid_offsets: npt.NDArray[np.int32]
    ask_offsets: npt.NDArray[np.int32]
    bids_px: Floats
    bids_sz: Floats
    asks_px: Floats
    asks_sz: Floats
    symbol_at: Ints
    slow: Ints
    slow_line: Ints


def parse_lines(text: Bytes) -> Columns:
    """Parse whole lines; ``text`` ends in a newline and is shorter than 2 GiB."""
    lines = int(np.count_nonzero(text == _NEWLINE))
    levels = len(text) // _LEVEL_BYTES_MIN
    columns = Columns(
        line=np.empty(lines, np.int64),
        symbol=np.empty(lines, np.int32),
        ts_event=np.empty(lines, np.int64),
        has_event=np.empty(lines, np.bool_),
        ts_recv=np.empty(lines, np.int64),
        update_id=np.empty(lines, np.int64),
        has_update_id=np.empty(lines, np.bool_),
        bid_offsets=np.zeros(lines + 1, np.int32),
        ask_offsets=np.zeros(lines + 1, np.int32),
        bids_px=np.empty(levels, np.float64),
        bids_sz=np.empty(levels, np.float64),
        asks_px=np.empty(levels, np.float64),
        asks_sz=np.empty(levels, np.float64),
        symbol_at=np.empty((_SYMBOLS_MAX, 2), np.int64),
        slow=np.empty((lines, 2), np.int64),
        slow_line=np.empty(lines, np.int64),
    )
    states, slow, symbols = _parse(text, *(getattr(columns, name) for name in Columns.__slots__))
    for name in ("line", "symbol", "ts_event", "has_event", "ts_recv", "update_id"):
        setattr(columns, name, getattr(columns, name)[:states])
    columns.has_update_id = columns.has_update_id[:states]
    for side in ("bid", "ask"):
        offsets = getattr(columns, f"{side}_offsets")[: states + 1]
        setattr(columns, f"{side}_offsets", offsets)
        for name in (f"{side}s_px", f"{side}s_sz"):
            # Copied, so that a batch does not keep the whole upper bound alive.
            setattr(columns, name, getattr(columns, name)[: offsets[-1]].copy())
    columns.symbol_at = columns.symbol_at[:symbols]
    columns.slow, columns.slow_line = columns.slow[:slow], columns.slow_line[:slow]
    return columns


@nb.njit(cache=True)
def _levels(text: Bytes, at: int, prices: Floats, sizes: Floats, count: int) -> tuple[int, int]:
    """Read ``[px,sz],…`` up to the closing bracket of the side; position -1 when malformed."""
    if text[at] == _CLOSE:
        return count, at
    while True:
        if text[at] != _OPEN:
            return count, -1
        price, at = read_number(text, at + 1)
        if at < 0 or text[at] != _COMMA:
            return count, -1
        size, at = read_number(text, at + 1)
        if at < 0 or text[at] != _CLOSE:
            return count, -1
        prices[count], sizes[count] = price, size
        count += 1
        at += 1
        if text[at] != _COMMA:
            return count, at
        at += 1


@nb.njit(cache=True)
def _symbol_end(text: Bytes, at: int) -> tuple[int, np.uint64]:
    """Position of the closing quote and the FNV-1a hash; -1 unless plain, printable ASCII."""
    start = at
    hashed = np.uint64(14695981039346656037)
    while text[at] != _QUOTE:
        if text[at] < 32 or text[at] > 126 or text[at] == _BACKSLASH:
            return -1, hashed
        hashed = (hashed ^ np.uint64(text[at])) * np.uint64(1099511628211)
        at += 1
    return (at if at > start else -1), hashed


@nb.njit(cache=True)
def _symbol_index(
    text: Bytes, start: int, end: int, hashed: np.uint64, table: Ints, spans: Ints, known: int
) -> tuple[int, int]:
    """Index of the name among those seen and how many are known; -1 when the table is full."""
    slot = np.int64(hashed % np.uint64(_SYMBOL_SLOTS))
    while table[slot] >= 0:
        index = table[slot]
        first, last = spans[index, 0], spans[index, 1]
        if last - first == end - start:
            same = True
            for k in range(end - start):
                if text[first + k] != text[start + k]:
                    same = False
                    break
            if same:
                return index, known
        slot = (slot + 1) % _SYMBOL_SLOTS
    if known == _SYMBOLS_MAX:
        return -1, known
    table[slot] = known
    spans[known, 0], spans[known, 1] = start, end
    return known, known + 1


@nb.njit(cache=True)
def _parse(
    text: Bytes,
    line: Ints,
    symbol: Ints,
    ts_event: Ints,
    has_event: Flags,
    ts_recv: Ints,
    update_id: Ints,
    has_update_id: Flags,
    bid_offsets: Ints,
    ask_offsets: Ints,
    bids_px: Floats,
    bids_sz: Floats,
    asks_px: Floats,
    asks_sz: Floats,
    symbol_at: Ints,
    slow: Ints,
    slow_line: Ints,
) -> tuple[int, int, int]:
    """Fill the columns; return the number of states, of slow lines and of symbols.

    A line always ends in a newline, which no number, name or literal holds, so
    no read runs past the text.
    """
    table = np.full(_SYMBOL_SLOTS, -1, np.int64)
    at = states = slows = symbols = number = 0
    while at < len(text):
        line_start = at
        bid_count, ask_count = bid_offsets[states], ask_offsets[states]
        at = skip_literal(text, at, _START)
        if at >= 0:
            name_start = at
            name_end, hashed = _symbol_end(text, at)
            at = skip_literal(text, name_end, _EVENT)
        if at >= 0:
            event, event_known, at = read_optional_integer(text, at)
            at = skip_literal(text, at, _RECV)
        if at >= 0:
            recv, at = read_integer(text, at)
            at = skip_literal(text, at, _UPDATE)
        if at >= 0:
            update, update_known, at = read_optional_integer(text, at)
            at = skip_literal(text, at, _BIDS)
        if at >= 0:
            bid_count, at = _levels(text, at, bids_px, bids_sz, bid_count)
            at = skip_literal(text, at, _ASKS)
        if at >= 0:
            ask_count, at = _levels(text, at, asks_px, asks_sz, ask_count)
            at = skip_literal(text, at, _END)
        index = -1
        if at >= 0:
            index, symbols = _symbol_index(
                text, name_start, name_end, hashed, table, symbol_at, symbols
            )
        if index >= 0:
            line[states] = number
            symbol[states] = index
            ts_event[states], has_event[states] = event, event_known
            ts_recv[states] = recv
            update_id[states], has_update_id[states] = update, update_known
            states += 1
            bid_offsets[states], ask_offsets[states] = bid_count, ask_count
        else:
            at = line_start
            while text[at] != _NEWLINE:
                at += 1
            slow[slows, 0], slow[slows, 1] = line_start, at
            slow_line[slows] = number
            slows += 1
            at += 1
        number += 1
    return states, slows, symbols
