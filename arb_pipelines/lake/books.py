"""Recorded books as arrays, in order of arrival.

Reading follows ``row_no`` instead of sorting: rows come out of a parallel scan
in any order and are put where they belong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from arb_pipelines.lake.store import Lake

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tops:
    """Top-of-book states of one venue and day, in order of arrival.

    Every array has shape ``(n,)``. ``symbol`` indexes ``symbols``. Prices are
    quote per base, sizes base; NaN where that side of the book was empty.
    """

    symbols: tuple[str, ...]
    symbol: npt.NDArray[np.int32]
    ts_recv: Ints
    bid_px: Floats
    bid_sz: Floats
    ask_px: Floats
    ask_sz: Floats

    def __len__(self) -> int:
        return len(self.ts_recv)


@dataclass(frozen=True, slots=True)
class Levels:
    """Book states with depth, in order of arrival.

    Level arrays have shape ``(n, depth)``, best level first; beyond the last
    known level prices are NaN and sizes 0. A source that recorded only tops
    gives ``depth == 1``.
    """

    symbols: tuple[str, ...]
    symbol: npt.NDArray[np.int32]
    ts_recv: Ints
    bid_px: Floats
    bid_sz: Floats
    ask_px: Floats
    ask_sz: Floats

    def __len__(self) -> int:
        return len(self.ts_recv)

    @property
    def depth(self) -> int:
        """Number of levels kept a side."""
        return int(self.bid_px.shape[1])


def read_tops(
    lake: Lake, venue: str, day: date, symbols: Sequence[str], *, snapshot: int | None = None
) -> Tops:
    """Read the tops of ``symbols``; rows of other symbols are left out."""
    raise NotImplementedError


def read_levels(
    lake: Lake,
    venue: str,
    day: date,
    symbols: Sequence[str],
    *,
    depth: int = 20,
    snapshot: int | None = None,
) -> Levels:
    """Read up to ``depth`` levels of ``symbols``; symbols that have only tops give one level."""
    raise NotImplementedError
