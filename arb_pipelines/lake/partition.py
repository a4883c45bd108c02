"""What is new in one (venue, day) of books: the judged rows of its sources, gathered on disk.

How they join what the lake has already is the business of ``merge``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from arb_pipelines.lake.readers.base import Gap
from arb_pipelines.lake.spool import Spool, Writer
from arb_pipelines.lake.validate import flat
from arb_pipelines.market.symbols import Market

_LIST = pa.list_(pa.float64())
_TEXT = pa.dictionary(pa.int32(), pa.string())

#: Columns of the files of ``book_tops``; ``venue`` and ``day`` are in their path.
TOPS = pa.schema(
    [
        pa.field("row_no", pa.int64(), nullable=False),
        pa.field("symbol", _TEXT, nullable=False),
        pa.field("ts_event", pa.int64()),
        pa.field("ts_recv", pa.int64(), nullable=False),
        pa.field("update_id", pa.int64()),
        pa.field("bid_px", pa.float64()),
        pa.field("bid_sz", pa.float64()),
        pa.field("ask_px", pa.float64()),
        pa.field("ask_sz", pa.float64()),
        pa.field("source", _TEXT, nullable=False),
        pa.field("source_row", pa.int64()),
    ]
)
#: Columns of the files of ``book_levels``, likewise.
LEVELS = pa.schema(
    [
        *(TOPS.field(name) for name in ("row_no", "symbol", "ts_event", "ts_recv", "update_id")),
        *(pa.field(name, _LIST, nullable=False) for name in ("bid_px", "bid_sz")),
        *(pa.field(name, _LIST, nullable=False) for name in ("ask_px", "ask_sz")),
        TOPS.field("source"),
    ]
)
#: Level columns: name in the lake, name in ``BOOK_ROWS``.
LEVEL_COLUMNS = {"bid_px": "bids_px", "bid_sz": "bids_sz", "ask_px": "asks_px", "ask_sz": "asks_sz"}
SAMPLE_ROWS = 256


@dataclass(slots=True)
class SourceRows:
    """What one source gave to a partition. ``span``: first and last ts_recv it was taken with."""

    name: str
    format: str
    sha256: str = ""
    accepted: int = 0
    rejected: int = 0
    gaps: list[Gap] = field(default_factory=list)
    span: tuple[int, int] | None = None

    @property
    def read(self) -> int:
        """Rows of the source that fall in the partition."""
        return self.accepted + self.rejected


class NewRows:
    """The rows of one ingest that fall in one partition.

    ``in_order`` tells that they came as the partition wants them, so that
    ``row_no``, which counts arrivals, is right as it stands. ``ts_sample`` has
    the ts_recv of every so many rows.
    """

    def __init__(self, folder: Path, day: date, writer: Writer) -> None:
        self.day = day
        self.in_order = True
        self.sources: dict[str, SourceRows] = {}
        self.symbols: set[str] = set()
        self.reasons: Counter[str] = Counter()
        self.inferred: dict[str, Market] = {}
        self.ts_sample: list[npt.NDArray[np.int64]] = []
        self.tops = Spool(folder / f"{day}-tops", writer)
        self.levels = Spool(folder / f"{day}-levels", writer)
        self.rejected = Spool(folder / f"{day}-rejected", writer)
        self._last_ts: int | None = None
        self._last_source = ""

    def accept(
        self,
        source: SourceRows,
        rows: pa.Table,
        symbol: npt.NDArray[np.int32],
        symbols: Sequence[str],
    ) -> None:
        """Take accepted ``BOOK_ROWS`` in their order; ``symbol`` indexes ``symbols``."""
        n = len(rows)
        if not n:
            return
        ts = rows["ts_recv"].to_numpy()
        self._note_time(source, ts)
        source.accepted += n
        self.symbols.update(symbols)
        first = self.tops.rows
        columns = {
            **{name: rows[name] for name in ("ts_event", "ts_recv", "update_id")},
            "row_no": pa.array(np.arange(first, first + n)),
            "symbol": pa.DictionaryArray.from_arrays(symbol, pa.array(symbols, pa.string())),
            "source": pa.DictionaryArray.from_arrays(
                np.zeros(n, np.int32), pa.array([source.name])
            ),
        }
        tops = columns | {"source_row": rows["row"]}
        for side in ("bid", "ask"):
            px, sz = rows[f"{side}_px"], rows[f"{side}_sz"]
            if px.null_count:
                sz = pc.if_else(px.is_valid(), sz, pa.scalar(None, pa.float64()))
            tops |= {f"{side}_px": px, f"{side}_sz": sz}
        self.tops.add(pa.table([tops[name] for name in TOPS.names], schema=TOPS))
        if min(rows["bids_px"].null_count, rows["asks_px"].null_count) < n:
            lists = {name: rows[column] for name, column in LEVEL_COLUMNS.items()}
            self._accept_levels(pa.table(columns | lists))

    def _accept_levels(self, rows: pa.Table) -> None:
        rows = rows.filter(pc.or_(rows["bid_px"].is_valid(), rows["ask_px"].is_valid()))
        filled = {
            name: pa.ListArray.from_arrays(*flat(rows[name]))
            if name in LEVEL_COLUMNS
            else rows[name]
            for name in LEVELS.names
        }
        self.levels.add(pa.table(list(filled.values()), schema=LEVELS))

    def reject(self, source: SourceRows, rows: pa.Table) -> None:
        """Take refused rows, as ``rejects.REJECTED``."""
        source.rejected += len(rows)
        for count in rows["reason"].value_counts().to_pylist():
            self.reasons[count["values"]] += count["counts"]
        self.rejected.add(rows)

    def flush(self) -> None:
        """Let go of the rows in memory."""
        for spool in (self.tops, self.levels, self.rejected):
            spool.flush()

    def _note_time(self, source: SourceRows, ts: npt.NDArray[np.int64]) -> None:
        first, last = int(ts.min()), int(ts.max())
        if self._last_ts is not None:
            # Two sources that meet in one nanosecond may hold the same state.
            earliest = self._last_ts + (source.name != self._last_source)
            self.in_order &= first >= earliest and int(ts[0]) >= earliest
        self.in_order &= bool((ts[1:] >= ts[:-1]).all())
        self._last_ts, self._last_source = last, source.name
        if source.span:
            first, last = min(first, source.span[0]), max(last, source.span[1])
        source.span = (first, last)
        self.ts_sample.append(ts[::SAMPLE_ROWS].copy())
