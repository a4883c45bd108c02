"""Rebuilds books from Tardis's ``incremental_book_L2``.

A line sets one price level; lines of a symbol with the same ``local_timestamp``
are one message, and only the book after a whole message is a state. A message
that is a snapshot begins the book anew.

Source: https://docs.tardis.dev/faq/data (how to reconstruct the order book)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from arb_pipelines.clock import NS_PER_US
from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.base import BOOK_ROWS, Batch, ReadOptions, Rejected
from arb_pipelines.lake.readers.tardis_csv import TYPES, floats, stream

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_FIRST_CAPACITY = 4096
_BID, _ASK = 0, 1
#: What became of a message.
_STATE, _NO_SNAPSHOT, _BAD_LEVEL, _AFTER_BAD_LEVEL = 0, 1, 2, 3
_REASONS = ("", "no snapshot", "bad level", "book lost to a bad level")


@numba.njit(cache=True)
def _set_level(keys: Floats, sizes: Floats, count: int, key: float, size: float) -> int:
    """Set one level of a side sorted by rising key, best last; return the new count."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    known = low < count and keys[low] == key
    if size > 0.0:
        if not known:
            for i in range(count, low, -1):
                keys[i], sizes[i] = keys[i - 1], sizes[i - 1]
            keys[low] = key
            count += 1
        sizes[low] = size
    elif known:
        count -= 1
        for i in range(low, count):
            keys[i], sizes[i] = keys[i + 1], sizes[i + 1]
    return count


@numba.njit(cache=True)
def _replay(
    ends: Ints,
    is_snapshot: Bools,
    is_bid: Bools,
    price: Floats,
    amount: Floats,
    keys: Floats,
    sizes: Floats,
    counts: Ints,
    standing: int,
    out_px: Floats,
    out_sz: Floats,
    out_counts: Ints,
    outcome: Ints,
) -> int:
    """Apply one symbol's lines and write the top of its book after each message.

    ``ends[m]`` is one past the last line of message ``m``. ``keys`` and ``sizes``
    have shape (2, capacity) and hold the book, asks by negated price; there must
    be room for every line. ``standing`` is the outcome that a delta would have
    now: ``_STATE`` while the book is whole. Outputs have shape (messages, 2,
    depth), (messages, 2) and (messages,). Returns the standing after the last.
    """
    depth = out_px.shape[2]
    line = 0
    for message in range(len(ends)):
        bad, fresh = False, True
        for i in range(line, ends[message]):
            if is_snapshot[i] and fresh:
                counts[:] = 0
                standing, bad = _STATE, False
            fresh = not is_snapshot[i]
            if not (0.0 < price[i] < np.inf and 0.0 <= amount[i] < np.inf):
                bad = True
            if bad or standing != _STATE:
                continue
            side = _BID if is_bid[i] else _ASK
            key = price[i] if is_bid[i] else -price[i]
            counts[side] = _set_level(keys[side], sizes[side], counts[side], key, amount[i])
        line = ends[message]
        outcome[message] = _BAD_LEVEL if bad else standing
        if bad:
            standing = _AFTER_BAD_LEVEL
        if outcome[message] != _STATE:
            continue
        for side in range(2):
            shown = min(depth, counts[side])
            out_counts[message, side] = shown
            for level in range(shown):
                at = counts[side] - 1 - level
                out_px[message, side, level] = abs(keys[side, at])
                out_sz[message, side, level] = sizes[side, at]
    return standing


class _SymbolBook:
    """One symbol's book between batches."""

    def __init__(self) -> None:
        self.keys: Floats = np.empty((2, _FIRST_CAPACITY))
        self.sizes: Floats = np.empty((2, _FIRST_CAPACITY))
        self.counts: Ints = np.zeros(2, np.int64)
        self.standing = _NO_SNAPSHOT

    def make_room(self, lines: int) -> None:
        """Grow so that ``lines`` more levels fit on either side."""
        capacity = self.keys.shape[1]
        needed = int(self.counts.max()) + lines
        if needed > capacity:
            more = ((0, 0), (0, max(needed, 2 * capacity) - capacity))
            self.keys, self.sizes = np.pad(self.keys, more), np.pad(self.sizes, more)


def read_incremental_book_l2(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Rebuild the books of an ``incremental_book_L2`` file, a state a message.

    ``exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount``
    ``binance,BTCUSDT,1709251200123000,1709251200124000,false,bid,62000.0,0``

    ``row`` is the message's last line; its other lines count as silent. A message
    with a NaN, negative or missing number is refused, and so is all that follows
    of its symbol until a snapshot, since the book is no longer known.

    Raises:
        DataError: as ``tardis_csv.stream``, or a side is neither bid nor ask, or a
            time is missing.
    """
    books: dict[str, _SymbolBook] = {}
    left: pa.Table | None = None
    first = 0
    for part in stream(path, TYPES["incremental_book_L2"]):
        table = pa.Table.from_batches([part])
        if left is not None:
            table = pa.concat_tables([left, table]).unify_dictionaries()
        table = table.combine_chunks()
        whole = _whole_messages(table["local_timestamp"].to_numpy())
        left = table.slice(whole)
        if whole:
            yield _rebuild(path, table.slice(0, whole), first, books, options.depth)
        first += whole
    if left is not None and left.num_rows:
        yield _rebuild(path, left, first, books, options.depth)


def _whole_messages(received: Ints) -> int:
    """Number of lines before those that share the last one's time and may go on."""
    differs = np.flatnonzero(received != received[-1])
    return int(differs[-1]) + 1 if len(differs) else 0


def _rebuild(
    path: Path, table: pa.Table, first: int, books: dict[str, _SymbolBook], depth: int
) -> Batch:
    lines = _Lines(path, table, first)
    parts = []
    for code in np.unique(lines.code):
        of_symbol = np.flatnonzero(lines.code == code)
        name = lines.symbols[code]
        parts.append(
            _rebuild_symbol(lines, of_symbol, books.setdefault(name, _SymbolBook()), depth)
        )
    last = np.concatenate([part["last"] for part in parts])
    order = np.argsort(last)
    merged = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    good = merged["outcome"] == _STATE
    rejected = [
        Rejected(
            first + int(at),
            _REASONS[outcome],
            lines.symbols[lines.code[at]],
            None,
            int(lines.received[at]) * NS_PER_US,
        )
        for at, outcome in zip(merged["last"][~good], merged["outcome"][~good], strict=True)
    ]
    states = {name: values[good] for name, values in merged.items()}
    return Batch(lines.table_of(states), rejected, silent=table.num_rows - len(order))


class _Lines:
    """The lines of a batch as arrays."""

    def __init__(self, path: Path, table: pa.Table, first: int) -> None:
        self.first = first
        symbol, side = table["symbol"].combine_chunks(), table["side"].combine_chunks()
        self.symbols: list[str] = symbol.dictionary.to_pylist()
        for name in ("symbol", "side", "is_snapshot", "timestamp", "local_timestamp"):
            if table[name].null_count:
                row = int(np.flatnonzero(table[name].is_null().to_numpy())[0])
                raise DataError(f"{name} is missing", source=str(path), row=first + row)
        self.code: npt.NDArray[np.int32] = symbol.indices.to_numpy()
        sides = side.dictionary.to_pylist()
        codes = side.indices.to_numpy()
        for position, text in enumerate(sides):
            if text not in ("bid", "ask") and (codes == position).any():
                row = int(np.flatnonzero(codes == position)[0])
                raise DataError(
                    f"side is {text[:40]!r}, neither bid nor ask", source=str(path), row=first + row
                )
        self.is_bid: Bools = np.array([text == "bid" for text in sides])[codes]
        self.is_snapshot: Bools = table["is_snapshot"].to_numpy()
        self.event: Ints = table["timestamp"].to_numpy()
        self.received: Ints = table["local_timestamp"].to_numpy()
        self.price = floats(table["price"].combine_chunks())
        self.amount = floats(table["amount"].combine_chunks())

    def table_of(self, states: dict[str, npt.NDArray[Any]]) -> pa.Table:
        """The states as ``BOOK_ROWS``; ``states['last']`` is each one's last line here."""
        last = states["last"]
        event, received = self.event[last], self.received[last]
        known: dict[str, pa.Array] = {
            "row": pa.array(last + self.first),
            "symbol": pa.DictionaryArray.from_arrays(self.code[last], pa.array(self.symbols)),
            "ts_event": pa.array(event * NS_PER_US, mask=event == received),
            "ts_recv": pa.array(received * NS_PER_US),
        }
        depth = states["px"].shape[2]
        for side, name in ((_BID, "bid"), (_ASK, "ask")):
            counts = states["counts"][:, side]
            present = np.arange(depth) < counts[:, None]
            offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
            for what in ("px", "sz"):
                values = states[what][:, side]
                known[f"{name}_{what}"] = pa.array(values[:, 0], mask=counts == 0)
                known[f"{name}s_{what}"] = pa.ListArray.from_arrays(offsets, values[present])
        arrays = [
            known[field.name] if field.name in known else pa.nulls(len(last), field.type)
            for field in BOOK_ROWS
        ]
        return pa.table(arrays, schema=BOOK_ROWS)


def _rebuild_symbol(
    lines: _Lines, at: Ints, book: _SymbolBook, depth: int
) -> dict[str, npt.NDArray[Any]]:
    """Replay the lines ``at`` of one symbol; one entry a message in every array."""
    received = lines.received[at]
    ends = np.append(np.flatnonzero(np.diff(received)) + 1, len(at))
    book.make_room(len(at))
    px, sz = np.zeros((len(ends), 2, depth)), np.zeros((len(ends), 2, depth))
    counts, outcome = np.zeros((len(ends), 2), np.int64), np.zeros(len(ends), np.int64)
    book.standing = _replay(
        ends,
        lines.is_snapshot[at],
        lines.is_bid[at],
        lines.price[at],
        lines.amount[at],
        book.keys,
        book.sizes,
        book.counts,
        book.standing,
        px,
        sz,
        counts,
        outcome,
    )
    return {"last": at[ends - 1], "px": px, "sz": sz, "counts": counts, "outcome": outcome}
