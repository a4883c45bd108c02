"""Gaps of a recording, from the line that tells of one to the state that ends it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from arb_pipelines.lake.readers.base import Gap
from arb_pipelines.lake.recording.format import BookGap


class OpenGaps:
    """Gaps whose end has not been read yet, each with the number of its line."""

    def __init__(self) -> None:
        self._open: list[tuple[int, BookGap]] = []

    def add(self, line: int, gap: BookGap) -> None:
        """Note a gap."""
        self._open.append((line, gap))

    def close(self, states: pa.Table, codes: Mapping[str, int]) -> list[Gap]:
        """Give the gaps that ``states`` (coded rows in order) end.

        A state ends the gaps of its symbol that stand before it in the file.
        """
        if not self._open or not len(states):
            return []
        row, symbol = states["row"].to_numpy(), states["symbol"].to_numpy()
        closed, still = [], []
        for line, gap in self._open:
            after = np.flatnonzero((symbol == codes.get(gap.symbol, -1)) & (row > line))
            if len(after):
                at = int(after[0])
                closed.append(_gap(gap, states["ts_recv"][at].as_py(), states["update_id"][at]))
            else:
                still.append((line, gap))
        self._open = still
        return closed

    def rest(self) -> list[Gap]:
        """Give the gaps that were never ended."""
        return [_gap(gap, None, None) for _, gap in self._open]


def _gap(gap: BookGap, resynced_ts: int | None, update_id: pa.Scalar | None) -> Gap:
    """Put a gap into the words of all readers; 0 stands for a number that nobody gave."""
    expected = 0 if gap.update_id is None else gap.update_id + 1
    got = None if update_id is None else update_id.as_py()
    return Gap(gap.symbol, gap.ts_recv, expected, got or 0, resynced_ts)
