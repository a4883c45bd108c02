"""Collects book states one by one into tables of ``BOOK_ROWS``.

For readers that walk messages in Python. A reader whose source is already in
columns builds its table from them and does not come here.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from arb_pipelines.lake.readers.base import BOOK_ROWS, Batch, Gap, Rejected
from arb_pipelines.market.book import Ladder

#: Levels a batch may hold over both sides, whatever ``batch_rows`` says: 256 MB of floats.
_MAX_LEVELS = 16_000_000
_LISTS = ("bids_px", "bids_sz", "asks_px", "asks_sz")
_SCALARS = ("row", "symbol", "ts_event", "ts_recv", "update_id")
_TOPS = ("bid_px", "bid_sz", "ask_px", "ask_sz")


@dataclass(slots=True)
class _Lists:
    """A list column under construction: values end to end, and where each list ends."""

    values: array[float] = field(default_factory=lambda: array("d"))
    ends: array[int] = field(default_factory=lambda: array("i", [0]))

    def append(self, values: list[float]) -> None:
        self.values.extend(values)
        self.ends.append(len(self.values))

    def arrow(self) -> pa.ListArray:
        return pa.ListArray.from_arrays(np.array(self.ends), np.array(self.values))


class BatchBuilder:
    """A ``Batch`` under construction."""

    def __init__(self, batch_rows: int) -> None:
        self._batch_rows = batch_rows
        self._start()

    def _start(self) -> None:
        self._scalars: dict[str, list[object]] = {name: [] for name in (*_SCALARS, *_TOPS)}
        self._lists = {name: _Lists() for name in _LISTS}
        self._levels = 0
        self.rejected: list[Rejected] = []
        self.gaps: list[Gap] = []
        self.silent = 0

    @property
    def full(self) -> bool:
        """Whether the batch has reached its size."""
        rows = len(self._scalars["row"]) + len(self.rejected)
        return rows >= self._batch_rows or self._levels >= _MAX_LEVELS

    def add(
        self,
        row: int,
        symbol: str,
        ts_event: int | None,
        ts_recv: int,
        update_id: int | None,
        bids: Ladder,
        asks: Ladder,
    ) -> None:
        """Add one book state; an empty ladder is an empty side."""
        scalars = self._scalars
        for name, value in zip(_SCALARS, (row, symbol, ts_event, ts_recv, update_id), strict=True):
            scalars[name].append(value)
        for name, ladder in zip(("bid", "ask"), (bids, asks), strict=True):
            prices, sizes = ladder
            scalars[f"{name}_px"].append(prices[0] if prices else None)
            scalars[f"{name}_sz"].append(sizes[0] if sizes else None)
            self._lists[f"{name}s_px"].append(prices)
            self._lists[f"{name}s_sz"].append(sizes)
            self._levels += len(prices)

    def take(self) -> Batch:
        """Return what was collected and start anew."""
        columns = {
            name: pa.array(values, BOOK_ROWS.field(name).type)
            for name, values in self._scalars.items()
        }
        columns |= {name: lists.arrow() for name, lists in self._lists.items()}
        rows = len(columns["row"])
        for name in ("base", "quote"):
            columns[name] = pa.nulls(rows, BOOK_ROWS.field(name).type)
        table = pa.table([columns[name] for name in BOOK_ROWS.names], schema=BOOK_ROWS)
        batch = Batch(table, self.rejected, self.gaps, self.silent)
        self._start()
        return batch
