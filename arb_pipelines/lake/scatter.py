"""Numba kernels that put scanned rows where they belong.

A parallel scan gives rows in any order; each carries its position. Symbols
come as 64-bit hashes, which DuckDB computes once a distinct value of a Parquet
dictionary and which cost a third of a cast to ENUM.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]


def symbol_slots(hashes: Sequence[int]) -> tuple[Hashes, Int32s]:
    """Build the open-addressing table hash -> position in ``hashes``.

    The table's size is a power of two, at most half full; a free slot has
    position -1, so a look-up of an unknown hash ends there.
    """
    size = 2 << max(len(hashes), 1).bit_length()
    keys, index = np.zeros(size, np.uint64), np.full(size, -1, np.int32)
    for position, value in enumerate(hashes):
        slot = value & (size - 1)
        while index[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        keys[slot], index[slot] = value, position
    return keys, index


@numba.njit(cache=True, nogil=True)
def _find(keys: Hashes, index: Int32s, value: np.uint64) -> Any:
    mask = np.uint64(len(keys) - 1)
    slot = value & mask
    while index[slot] >= 0 and keys[slot] != value:
        slot = (slot + np.uint64(1)) & mask
    return index[slot]


@numba.njit(cache=True, nogil=True)
def scatter_tops(
    keys: Hashes,
    index: Int32s,
    rank: Int32s,
    row_no: Ints,
    symbol_hash: Hashes,
    ts_recv: Ints,
    bid_px: Floats,
    bid_sz: Floats,
    ask_px: Floats,
    ask_sz: Floats,
    to_symbol: Int32s,
    to_ts_recv: Ints,
    to_bid_px: Floats,
    to_bid_sz: Floats,
    to_ask_px: Floats,
    to_ask_sz: Floats,
) -> None:
    """Put each row at ``rank[row_no]``, or at ``row_no`` where ``rank`` is empty."""
    ranked = len(rank) > 0
    for row in range(len(row_no)):
        at = np.int64(rank[row_no[row]]) if ranked else row_no[row]
        to_symbol[at] = _find(keys, index, symbol_hash[row])
        to_ts_recv[at] = ts_recv[row]
        to_bid_px[at] = bid_px[row]
        to_bid_sz[at] = bid_sz[row]
        to_ask_px[at] = ask_px[row]
        to_ask_sz[at] = ask_sz[row]


@numba.njit(cache=True, nogil=True)
def scatter_lists(
    rank: Int32s, row_no: Ints, offsets: Int32s, values: Floats, to_levels: Floats
) -> None:
    """Put each row's list into its row of ``to_levels``, cut at that array's width."""
    ranked = len(rank) > 0
    for row in range(len(row_no)):
        at = np.int64(rank[row_no[row]]) if ranked else row_no[row]
        first = offsets[row]
        for level in range(min(offsets[row + 1] - first, to_levels.shape[1])):
            to_levels[at, level] = values[first + level]
