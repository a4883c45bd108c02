"""The scanner's arrays and what one update does to them, in numba.

A *leg* is a directed edge, ``2 * symbol + side`` as in ``graph``. Its gross rate
is what a unit of the currency given buys before fees: ``1 / ask`` for a buy,
``bid`` for a sell, and 0 while the book must not signal, so that every cycle
through it is worth 0 without a branch. Fees are one factor a cycle.

Books wait in a list in the order in which they were last heard of; an update
first takes those off its front that have become stale. That costs an update a
constant, where asking each leg of each cycle for its age would double the work.

Three things here are for speed alone. Indices are unsigned: a signed one is
tested for a negative value at each access. The small functions take arrays, not
the tuple of them: an array taken from a tuple is counted in and out each time.
And the product of a cycle is written out wherever it is needed: as a function
of its own it takes a third off the rate.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

UInt32 = npt.NDArray[np.uint32]
UInt8 = npt.NDArray[np.uint8]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# What is the matter with a book. An evaluation takes the worst of its legs, so order counts.
USABLE, CROSSED, ONE_SIDED, STALE, UNKNOWN, HALTED = range(6)
STATUS_NAMES = ("fresh", "crossed", "one_sided", "stale", "unknown", "halted")

NONE = -1
FOREVER_NS = 1 << 62
NO_TIME = (1 << 63) - 1  # later than any, so that the end of the list is never stale


class CycleArrays(NamedTuple):
    """The cycles and fees of a universe of ``n`` symbols; kernels only read it.

    An entry is a cycle seen from one of its symbols; those of symbol ``s`` are
    ``ptr[s]:ptr[s + 1]``. ``legs`` is filled up with leg ``2 n``, whose rate is 1.
    """

    ptr: Int32  # (n + 1,)
    cycle: UInt32  # (entries,)
    legs: UInt32  # (entries, max_length)
    keep: Floats  # (entries,) what the fees leave of the cycle's gross product
    leg_input: Floats  # (2 n,) share of the input that trades
    leg_output: Floats  # (2 n,) share of the output that arrives


class BookArrays(NamedTuple):
    """The tops of ``n`` books; kernels write it.

    The list of fresh books is doubly linked through ``older`` and ``newer``;
    node ``n`` is its two ends, and a node that points to itself is not in it.
    """

    rate: Floats  # (2 n + 1,) gross, to-currency per from-currency
    size: Floats  # (2 n,) size at the top that the leg takes from, base
    seen: Int64  # (n + 1,) time of the book, ns; the end of the list is of NO_TIME
    status: UInt8  # (n,)
    halted: UInt8  # (n,) 1 while the venue takes no orders
    older: UInt32  # (n + 1,)
    newer: UInt32  # (n + 1,)


@njit(inline="always")
def time_of(seen: Int64, older: UInt32, ts: int) -> int:
    """Time of an update stamped ``ts``: it never runs backwards."""
    end = older.shape[0] - 1
    newest = older[end]
    return seen[newest] if newest != end and seen[newest] > ts else ts


@njit(inline="always")
def is_stale(seen: Int64, newer: UInt32, limit: int) -> bool:
    """Whether the oldest book on the list is older than ``limit``."""
    return bool(seen[newer[-1]] < limit)


@njit(inline="always")
def expire(rate: Floats, status: UInt8, older: UInt32, newer: UInt32) -> int:
    """Take the oldest book off the list, and out of the market; give its symbol."""
    end = np.uint32(newer.shape[0] - 1)
    oldest = newer[end]
    newer[end] = newer[oldest]
    older[newer[oldest]] = end
    older[oldest] = oldest
    newer[oldest] = oldest
    rate[2 * oldest] = 0.0
    rate[2 * oldest + 1] = 0.0
    if status[oldest] != HALTED:
        status[oldest] = STALE
    return int(oldest)


@njit(inline="always")
def set_book(
    rate: Floats,
    size: Floats,
    seen: Int64,
    status: UInt8,
    halted: UInt8,
    older: UInt32,
    newer: UInt32,
    s: int,
    now: int,
    bid: float,
    bid_sz: float,
    ask: float,
    ask_sz: float,
) -> None:
    """Put a new state of symbol ``s`` in its place and make it the youngest."""
    end = np.uint32(newer.shape[0] - 1)
    newer[older[s]] = newer[s]
    older[newer[s]] = older[s]
    newest = older[end]
    newer[newest] = s
    older[s] = newest
    newer[s] = end
    older[end] = s
    seen[s] = now
    size[2 * s] = ask_sz
    size[2 * s + 1] = bid_sz
    two_sided = bid > 0.0 and bid_sz > 0.0 and ask_sz > 0.0 and 0.0 < ask < np.inf
    if two_sided and bid < ask and not halted[s]:
        rate[2 * s] = 1.0 / ask
        rate[2 * s + 1] = bid
        status[s] = USABLE
    else:
        rate[2 * s] = 0.0
        rate[2 * s + 1] = 0.0
        status[s] = HALTED if halted[s] else CROSSED if two_sided else ONE_SIDED


@njit(cache=True)
def update_all(
    cycles: CycleArrays,
    books: BookArrays,
    max_age_ns: int,
    symbol: UInt32,
    ts: Int64,
    bid_px: Floats,
    bid_sz: Floats,
    ask_px: Floats,
    ask_sz: Floats,
    best_cycle: Int32,
    best_product: Floats,
) -> None:
    """Apply updates in order; write for each the best cycle through its symbol.

    With its net product; ``NONE`` and 0 if no cycle has all its books. Of
    equals the first wins.
    """
    ptr, cycle, legs, keep, _, _ = cycles
    rate, size, seen, status, halted, older, newer = books
    for i in range(symbol.shape[0]):
        s = symbol[i]
        now = time_of(seen, older, ts[i])
        while is_stale(seen, newer, now - max_age_ns):
            expire(rate, status, older, newer)
        set_book(
            rate, size, seen, status, halted, older, newer,
            s, now, bid_px[i], bid_sz[i], ask_px[i], ask_sz[i],
        )  # fmt: skip
        best, best_entry = 0.0, NONE
        for entry in range(ptr[s], ptr[s + 1]):
            product = rate[legs[entry, 0]]
            for k in range(1, legs.shape[1]):
                product *= rate[legs[entry, k]]
            product *= keep[entry]
            best_entry = entry if product > best else best_entry
            best = product if product > best else best
        best_cycle[i] = NONE if best_entry == NONE else np.int32(cycle[best_entry])
        best_product[i] = best


@njit
def update_through(
    handle: Any, s: int, ts: int, bid: float, bid_sz: float, ask: float, ask_sz: float
) -> tuple[int, float]:
    """Apply one update to what a jitclass instance holds; give the best cycle and its product.

    Not cached on disk: the type of a jitclass is new in every process.
    """
    ptr, legs, keep, rate = handle.ptr, handle.legs, handle.keep, handle.rate
    seen, status, older, newer = handle.seen, handle.status, handle.older, handle.newer
    now = time_of(seen, older, ts)
    while is_stale(seen, newer, now - handle.max_age_ns):
        expire(rate, status, older, newer)
    set_book(
        rate, handle.size, seen, status, handle.halted, older, newer,
        s, now, bid, bid_sz, ask, ask_sz,
    )  # fmt: skip
    best, best_entry = 0.0, NONE
    for entry in range(ptr[s], ptr[s + 1]):
        product = rate[legs[entry, 0]]
        for k in range(1, legs.shape[1]):
            product *= rate[legs[entry, k]]
        product *= keep[entry]
        best_entry = entry if product > best else best_entry
        best = product if product > best else best
    return NONE if best_entry == NONE else int(handle.cycle[best_entry]), best
