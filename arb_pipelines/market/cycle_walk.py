"""The kernels that list a graph's directed cycles of 3 to 5 legs.

One root currency at a time: a cycle is a walk out of the root and a way back
into it that was looked up when the root was taken up: one edge for triangles,
else a *wedge* of two. A root taken up is struck out for the later ones, so no
cycle is met twice and each begins where it should. Of a venue's graph little is
left behind the hubs, which come first in any sensible order. The loops are
written out, length by length: a call a cycle would cost more than the cycle.

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

MAX_LENGTH = 5
NO_LIMIT = np.iinfo(np.int64).max


@njit(cache=True)
def arrange(ptr: Int32, to: Int32, leg: Int32, order: Int32) -> tuple[Int32, Int32, Int32]:
    """Number the currencies by their place in ``order``, and sort each one's edges by target.

    Then the edges that lead to struck currencies stand first, and striking one
    out is a step of a pointer.
    """
    n = order.shape[0]
    place_ptr = np.zeros(n + 1, np.int32)
    place = np.empty(n, np.int32)
    for p in range(n):
        place[order[p]] = p
        place_ptr[p + 1] = place_ptr[p] + ptr[order[p] + 1] - ptr[order[p]]
    free = place_ptr[:-1].copy()
    place_to = np.empty_like(to)
    place_leg = np.empty_like(leg)
    for p in range(n):
        for e in range(ptr[order[p]], ptr[order[p] + 1]):
            source = place[to[e]]
            place_to[free[source]], place_leg[free[source]] = p, leg[e] ^ 1
            free[source] += 1
    return place_ptr, place_to, place_leg


@njit(cache=True)
def count_cycles(
    ptr: Int32, to: Int32, leg: Int32, n_roots: int, min_length: int, max_length: int, limit: int
) -> Int64:
    """Count the cycles through the first ``n_roots`` currencies of an arranged graph.

    The index of the result is the length. Gives up, with what it has, soon
    after the sum passes ``limit``.
    """
    counts = np.zeros(MAX_LENGTH + 1, np.int64)
    nowhere = np.empty((0, 0), np.int32)
    _walk(ptr, to, leg, n_roots, min_length, max_length, counts, limit, nowhere)
    return counts


@njit(cache=True)
def list_cycles(
    ptr: Int32,
    to: Int32,
    leg: Int32,
    n_roots: int,
    min_length: int,
    max_length: int,
    counts: Int64,
    ends: Int32,
) -> tuple[Int32, Int8, Int8, Int32]:
    """List the cycles that ``count_cycles`` counted, shorter ones first.

    Each begins at the first currency of the order that it contains; ``ends`` is
    the graph's. Returns ``leg_symbol`` and ``leg_side`` of shape
    ``(n, max_length)``, -1 beyond the last leg, ``length`` and ``start`` of
    shape ``(n,)``.
    """
    n = counts.sum()
    legs = np.empty((n, max_length), np.int32)
    length = np.empty(n, np.int8)
    cursor = np.cumsum(counts) - counts
    for size in range(min_length, max_length + 1):
        part = slice(cursor[size], cursor[size] + counts[size])
        length[part] = size
        legs[part, size:] = -1
    _walk(ptr, to, leg, n_roots, min_length, max_length, cursor, NO_LIMIT, legs)
    start = np.empty(n, np.int32)
    for k in range(n):
        start[k] = ends[legs[k, 0] ^ 1]
    side = np.empty((n, max_length), np.int8)
    flat_legs, flat_side = legs.reshape(-1), side.reshape(-1)
    for i in range(flat_legs.shape[0]):
        code = flat_legs[i]
        flat_side[i] = -1 if code < 0 else code & 1
        flat_legs[i] = code >> 1
    return legs, side, length, start


@njit(cache=True)
def _walk(
    ptr: Int32,
    to: Int32,
    leg: Int32,
    n_roots: int,
    min_length: int,
    max_length: int,
    cursor: Int64,
    limit: int,
    legs: Int32,
) -> None:
    """Meet every cycle once, moving ``cursor[length]`` on; write it if ``legs`` has room."""
    n = ptr.shape[0] - 1
    begin, end = ptr[:-1].copy(), ptr[1:]  # the edges of each currency that are left
    first = np.zeros(n, np.int32)
    last = np.zeros(n, np.int32)
    middle = np.empty(0, np.int32)
    back = np.empty((0, 2), np.int32)
    for root in range(n_roots):
        for e in range(begin[root], end[root]):
            begin[to[e]] += 1
        if min_length <= 3:
            _triangles(root, begin, end, to, leg, last, cursor, legs)
        if max_length >= 4:
            middle, back = _wedges(root, begin, end, to, leg, first, last, middle, back)
            _longer(
                root, begin, end, to, leg, first, last, middle, back,
                min_length, max_length, cursor, limit, legs,
            )  # fmt: skip
            _forget_wedges(root, begin, end, to, first, last)
        if cursor.sum() > limit:
            return


@njit(cache=True)
def _triangles(
    root: int,
    begin: Int32,
    end: Int32,
    to: Int32,
    leg: Int32,
    last: Int32,
    cursor: Int64,
    legs: Int32,
) -> None:
    """Meet the triangles of ``root``. ``last`` is scratch, zero before and after."""
    write = legs.shape[0] > 0
    k = cursor[3]
    for e in range(begin[root], end[root]):
        last[to[e]] = e + 1  # edges to one currency stand together; this is their end
    for e0 in range(begin[root], end[root]):
        a = to[e0]
        for e1 in range(begin[a], end[a]):
            d = to[e1]
            e2 = last[d] - 1
            while e2 >= begin[root] and to[e2] == d:
                if write:
                    legs[k, 0], legs[k, 1], legs[k, 2] = leg[e0], leg[e1], leg[e2] ^ 1
                k += 1
                e2 -= 1
    for e in range(begin[root], end[root]):
        last[to[e]] = 0
    cursor[3] = k


@njit(cache=True)
def _longer(
    root: int,
    begin: Int32,
    end: Int32,
    to: Int32,
    leg: Int32,
    first: Int32,
    last: Int32,
    middle: Int32,
    back: Int32,
    min_length: int,
    max_length: int,
    cursor: Int64,
    limit: int,
    legs: Int32,
) -> None:
    """Meet the cycles of 4 and 5 legs of ``root``: walks of 2 and 3 legs, and a wedge home."""
    write = legs.shape[0] > 0
    k4, k5 = cursor[4], cursor[5]
    for e0 in range(begin[root], end[root]):
        a = to[e0]
        for e1 in range(begin[a], end[a]):
            b = to[e1]
            if min_length <= 4:
                for w in range(first[b], last[b]):
                    if middle[w] == a:
                        continue
                    if write:
                        legs[k4, 0], legs[k4, 1] = leg[e0], leg[e1]
                        legs[k4, 2], legs[k4, 3] = back[w, 0], back[w, 1]
                    k4 += 1
            if max_length < 5:
                continue
            for e2 in range(begin[b], end[b]):
                c = to[e2]
                if c == a:
                    continue
                for w in range(first[c], last[c]):
                    if middle[w] == a or middle[w] == b:
                        continue
                    if write:
                        legs[k5, 0], legs[k5, 1], legs[k5, 2] = leg[e0], leg[e1], leg[e2]
                        legs[k5, 3], legs[k5, 4] = back[w, 0], back[w, 1]
                    k5 += 1
        if k4 + k5 > limit:
            break
    cursor[4], cursor[5] = k4, k5


@njit(cache=True)
def _wedges(
    root: int,
    begin: Int32,
    end: Int32,
    to: Int32,
    leg: Int32,
    first: Int32,
    last: Int32,
    middle: Int32,
    back: Int32,
) -> tuple[Int32, Int32]:
    """Put the wedges ``v > d > root`` into ``first[v]:last[v]`` of ``middle`` and ``back``.

    ``last`` is zero before. Returns the two arrays, larger ones if need be.
    """
    total = 0
    for e in range(begin[root], end[root]):
        d = to[e]
        total += end[d] - begin[d]
        for f in range(begin[d], end[d]):
            last[to[f]] -= 1  # below zero: how many will come, and no place given yet
    if total > middle.shape[0]:
        middle = np.empty(2 * total, np.int32)
        back = np.empty((2 * total, 2), np.int32)
    free = 0
    for e in range(begin[root], end[root]):
        d = to[e]
        for f in range(begin[d], end[d]):
            v = to[f]
            if last[v] < 0:
                first[v] = free
                free -= last[v]
                last[v] = first[v]
            # Both edges are met in the opposite direction: d > v and root > d.
            middle[last[v]], back[last[v], 0], back[last[v], 1] = d, leg[f] ^ 1, leg[e] ^ 1
            last[v] += 1
    return middle, back


@njit(cache=True)
def _forget_wedges(
    root: int, begin: Int32, end: Int32, to: Int32, first: Int32, last: Int32
) -> None:
    """Undo ``_wedges`` where it wrote, which is cheaper than everywhere."""
    for e in range(begin[root], end[root]):
        d = to[e]
        for f in range(begin[d], end[d]):
            first[to[f]] = last[to[f]] = 0
