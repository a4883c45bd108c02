"""The kernel that lists a graph's directed cycles of 3 to 5 legs.

One root currency at a time: a cycle is a walk out of the root and a *wedge*,
two edges back into it that were prepared when the root was taken up, so that a
walk ends where nothing closes it. Then the root is struck out, and no cycle is
met twice. Hubs should go first: they leave little of a venue's graph behind.
Source: Chiba and Nishizeki, "Arboricity and subgraph listing algorithms",
SIAM J. Comput. 14 (1985), whose order and wedges these are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.market.graph import Int32

Int8 = npt.NDArray[np.int8]
Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MAX_LENGTH = 5
NO_LIMIT = np.iinfo(np.int64).max


@njit(cache=True)
def count_cycles(
    ptr: Int32, to: Int32, leg: Int32, roots: Int32, min_length: int, max_length: int, limit: int
) -> Int64:
    """Count the cycles through ``roots``; the index of the result is the length.

    Gives up, with what it has, soon after the sum passes ``limit``.
    """
    counts = np.zeros(MAX_LENGTH + 1, np.int64)
    nothing = np.empty((0, 0), np.int32), np.empty((0, 0), np.int8), np.empty(0, np.int32)
    rank = np.empty(0, np.int32)
    _walk(ptr, to, leg, roots, rank, min_length, max_length, counts, limit, nothing)
    return counts


@njit(cache=True)
def list_cycles(
    ptr: Int32,
    to: Int32,
    leg: Int32,
    roots: Int32,
    rank: Int32,
    min_length: int,
    max_length: int,
    counts: Int64,
) -> tuple[Int32, Int8, Int8, Int32]:
    """List the cycles that ``count_cycles`` counted, shorter ones first.

    Each is turned to begin at its currency of lowest ``rank``. Returns
    ``leg_symbol`` and ``leg_side`` of shape ``(n, max_length)``, -1 beyond the
    last leg; ``length`` and ``start`` (a currency) of shape ``(n,)``.
    """
    n = counts.sum()
    leg_symbol = np.empty((n, max_length), np.int32)
    leg_side = np.empty((n, max_length), np.int8)
    length = np.empty(n, np.int8)
    start = np.empty(n, np.int32)
    cursor = np.cumsum(counts) - counts
    for size in range(min_length, max_length + 1):
        length[cursor[size] : cursor[size] + counts[size]] = size
    out = leg_symbol, leg_side, start
    _walk(ptr, to, leg, roots, rank, min_length, max_length, cursor, NO_LIMIT, out)
    return leg_symbol, leg_side, length, start


@njit(cache=True)
def _walk(
    ptr: Int32,
    to: Int32,
    leg: Int32,
    roots: Int32,
    rank: Int32,
    min_length: int,
    max_length: int,
    cursor: Int64,
    limit: int,
    out: tuple[Int32, Int8, Int32],
) -> None:
    """Meet every cycle once, moving ``cursor[length]`` on; write it if ``out`` has room."""
    n = ptr.shape[0] - 1
    struck = np.zeros(n, np.bool_)
    touched = np.empty(n, np.int32)
    first = np.zeros(n, np.int32)
    last = np.zeros(n, np.int32)
    middle = np.empty(0, np.int32)
    back = np.empty((0, 2), np.int32)
    at = np.empty(MAX_LENGTH, np.int32)
    walked = np.empty(MAX_LENGTH, np.int32)
    for root in roots:
        found, total = _count_wedges(ptr, to, struck, root, last, touched)
        if total > middle.shape[0]:
            middle = np.empty(2 * total, np.int32)
            back = np.empty((2 * total, 2), np.int32)
        _fill_wedges(ptr, to, leg, struck, root, touched[:found], first, last, middle, back)
        at[0] = root
        for e0 in range(ptr[root], ptr[root + 1]):
            a = to[e0]
            if struck[a] or cursor.sum() > limit:
                continue
            at[1], walked[0] = a, leg[e0]
            if min_length <= 3:
                _close(3, at, walked, first, last, middle, back, rank, cursor, out)
            if max_length < 4:
                continue
            for e1 in range(ptr[a], ptr[a + 1]):
                b = to[e1]
                if struck[b] or b == root:
                    continue
                at[2], walked[1] = b, leg[e1]
                if min_length <= 4:
                    _close(4, at, walked, first, last, middle, back, rank, cursor, out)
                if max_length < 5:
                    continue
                for e2 in range(ptr[b], ptr[b + 1]):
                    c = to[e2]
                    if struck[c] or c in (root, a):
                        continue
                    at[3], walked[2] = c, leg[e2]
                    _close(5, at, walked, first, last, middle, back, rank, cursor, out)
        for v in touched[:found]:
            first[v] = last[v] = 0
        struck[root] = True


@njit(cache=True)
def _count_wedges(
    ptr: Int32, to: Int32, struck: Bools, root: int, size: Int32, touched: Int32
) -> tuple[int, int]:
    """Count the wedges ``v > d > root`` into ``size[v]``; list each ``v`` in ``touched``."""
    found = total = 0
    for e in range(ptr[root], ptr[root + 1]):
        d = to[e]
        if struck[d]:
            continue
        for f in range(ptr[d], ptr[d + 1]):
            v = to[f]
            if struck[v] or v == root:
                continue
            if size[v] == 0:
                touched[found] = v
                found += 1
            size[v] += 1
            total += 1
    return found, total


@njit(cache=True)
def _fill_wedges(
    ptr: Int32,
    to: Int32,
    leg: Int32,
    struck: Bools,
    root: int,
    touched: Int32,
    first: Int32,
    last: Int32,
    middle: Int32,
    back: Int32,
) -> None:
    """Put the wedges of ``v`` into ``first[v]:last[v]``, where ``last`` held their number."""
    total = 0
    for v in touched:
        first[v] = total
        total += last[v]
        last[v] = first[v]
    for e in range(ptr[root], ptr[root + 1]):
        d = to[e]
        if struck[d]:
            continue
        for f in range(ptr[d], ptr[d + 1]):
            v = to[f]
            if struck[v] or v == root:
                continue
            w = last[v]
            # Both edges are met in the opposite direction: d > v and root > d.
            middle[w], back[w, 0], back[w, 1] = d, leg[f] ^ 1, leg[e] ^ 1
            last[v] = w + 1


@njit(cache=True)
def _close(
    length: int,
    at: Int32,
    walked: Int32,
    first: Int32,
    last: Int32,
    middle: Int32,
    back: Int32,
    rank: Int32,
    cursor: Int64,
    out: tuple[Int32, Int8, Int32],
) -> None:
    """Close the walk ``at[: length - 1]`` by each wedge of its end that misses the walk."""
    leg_symbol, leg_side, start = out
    v = at[length - 2]
    for w in range(first[v], last[v]):
        d = middle[w]
        met = False
        for i in range(1, length - 2):
            met |= at[i] == d
        if met:
            continue
        k = cursor[length]
        cursor[length] += 1
        if k >= start.shape[0]:
            continue
        at[length - 1] = d
        walked[length - 2], walked[length - 1] = back[w, 0], back[w, 1]
        turn = 0
        for i in range(1, length):
            if rank[at[i]] < rank[at[turn]]:
                turn = i
        start[k] = at[turn]
        for i in range(length):
            code = walked[(turn + i) % length]
            leg_symbol[k, i] = code >> 1
            leg_side[k, i] = code & 1
        for i in range(length, leg_symbol.shape[1]):
            leg_symbol[k, i] = leg_side[k, i] = -1
