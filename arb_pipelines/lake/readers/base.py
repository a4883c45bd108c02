"""What every reader of recorded books gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

#: One book state a row. ``row`` is the 0-based data row (line, for text) in the
#: source. ``symbol`` is the name as the source has it; ``base`` and ``quote``
#: are null where the source does not tell them. Times are ns since the epoch,
#: UTC. A price or size is null where that side of the book is empty; NaN stays
#: NaN and is rejected later. The four lists hold the levels, best first, with
#: level 1 equal to the top; they are null for sources that have only tops.
BOOK_ROWS = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("symbol", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("base", pa.dictionary(pa.int32(), pa.string())),
        pa.field("quote", pa.dictionary(pa.int32(), pa.string())),
        pa.field("ts_event", pa.int64()),
        pa.field("ts_recv", pa.int64()),
        pa.field("update_id", pa.int64()),
        pa.field("bid_px", pa.float64()),
        pa.field("bid_sz", pa.float64()),
        pa.field("ask_px", pa.float64()),
        pa.field("ask_sz", pa.float64()),
        pa.field("bids_px", pa.list_(pa.float64())),
        pa.field("bids_sz", pa.list_(pa.float64())),
        pa.field("asks_px", pa.list_(pa.float64())),
        pa.field("asks_sz", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """One input row that could not be taken. ``ts_recv`` is null where not even that was read."""

    row: int
    reason: str
    symbol: str | None = None
    detail: str | None = None
    ts_recv: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A break in one symbol's update sequence; ``resynced_ts`` is when a snapshot healed it."""

    symbol: str
    ts_recv: int
    expected: int
    got: int
    resynced_ts: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """A part of a file: rows of ``BOOK_ROWS`` in source order, and what did not become one.

    ``silent`` counts source rows that are not book rows by design (a heartbeat,
    a trade, a level-2 delta before its snapshot) and so are neither accepted
    nor rejected; they are not part of ``rows_read``. ``other_segment`` is True
    where a row belongs to another segment of the venue than the one asked for.
    """

    rows: pa.Table
    rejected: list[Rejected] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    silent: int = 0
    other_segment: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user said about a file that the file itself does not tell.

    ``timezone`` names the zone of zone-less times. ``segment`` picks one value
    of the file's own venue column. ``depth`` is the number of levels kept from
    a rebuilt book. ``batch_rows`` bounds memory.
    """

    timezone: str = "UTC"
    segment: str | None = None
    depth: int = 20
    batch_rows: int = 250_000


class Reader(Protocol):
    """Turns one file (or one recording made of several) into batches.

    Raises:
        DataError: the file as a whole is not of this format, is empty, or ends
            in the middle; names the file and, where known, the row.
    """

    def __call__(self, path: Path, options: ReadOptions) -> Iterator[Batch]: ...
