"""Opportunities of a day: how long each cycle stood above a threshold, and how high.

A life begins with the update that lifts a cycle's net edge above the threshold.
It ends with the update that brings it back or takes a book out of the market,
or, with no update at all, when the first of its books goes stale. Lives are
found in one pass, beside counts of what was evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.errors import DataError
from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.market.fees import BPS, FeeFactors
from arb_pipelines.market.scan_kernel import (
    FOREVER_NS,
    NONE,
    STATUS_NAMES,
    USABLE,
    BookArrays,
    CycleArrays,
    Floats,
    Int64,
    UInt32,
    expire,
    is_stale,
    set_book,
    time_of,
)
from arb_pipelines.market.scanner import TopArrays, columns, cycle_arrays, no_books

#: One life. ``ts_end`` is -1 and ``ended_by`` 0 while it goes on; edges are products.
LIFE = np.dtype(
    [
        ("cycle", np.int32),
        ("ended_by", np.int32),
        ("ts_first", np.int64),
        ("ts_last", np.int64),
        ("ts_end", np.int64),
        ("ts_peak", np.int64),
        ("updates", np.int64),
        ("peak_gross", np.float64),
        ("peak_net", np.float64),
        ("top_size", np.float64),
    ]
)
GOES_ON, BY_EDGE, BY_BOOK, BY_STALENESS = range(4)
ENDED_BY = (None, "edge", "book", "stale")


@dataclass(frozen=True, slots=True)
class DayScan:
    """What one pass over a day's tops found.

    An evaluation is one cycle at one update of a book on it; ``by_reason``
    counts them by the worst book of the cycle (``fresh``: all can trade), and
    the other counts are of the fresh. ``raw_above_one`` and ``net_above_one``
    count a way through the currencies once an update, however many of its
    routes are above 1. ``max_product`` is the greatest gross product and
    ``best_cycle`` whose it was, 0 and ``None`` if none was fresh. ``lives`` has
    dtype ``LIFE``, in order of first sight.
    """

    raw_above_one: int
    net_above_one: int
    max_product: float
    best_cycle: int | None
    by_reason: dict[str, int]
    lives: npt.NDArray[np.void]


def find_opportunities(
    cycles: CycleSet,
    fees: FeeFactors,
    tops: TopArrays,
    *,
    max_age_ns: int | None,
    threshold_bps: float = 0.0,
    ts_end: int,
) -> DayScan:
    """Scan ``tops`` for the lives of ``cycles`` whose net edge is above ``threshold_bps``.

    ``ts_end`` is where the day ends: a life that neither an update nor
    staleness has ended before goes on.

    Raises:
        DataError: the tops are numbered by other symbols than the cycles, or
            their times run backwards.
    """
    backwards = tops.ts_recv[1:] < tops.ts_recv[:-1]
    if backwards.any():
        row = int(backwards.argmax()) + 1
        raise DataError("time runs backwards; ingest the day again", source="book_tops", row=row)
    counts, max_product, best_cycle, lives = _find(
        cycle_arrays(cycles, fees),
        no_books(len(cycles.symbols)),
        cycles.currency_cycles(),
        FOREVER_NS if max_age_ns is None else min(max_age_ns, FOREVER_NS),
        1.0 + threshold_bps * BPS,
        ts_end,
        *columns(cycles, tops),
    )
    return DayScan(
        raw_above_one=int(counts[-2]),
        net_above_one=int(counts[-1]),
        max_product=float(max_product),
        best_cycle=None if best_cycle == NONE else int(best_cycle),
        by_reason=dict(zip(STATUS_NAMES, counts.tolist(), strict=False)),
        lives=lives,
    )


@njit(cache=True)
def _find(
    cycles: CycleArrays,
    books: BookArrays,
    way: Int64,
    max_age_ns: int,
    threshold: float,
    ts_end: int,
    symbol: UInt32,
    ts: Int64,
    bid_px: Floats,
    bid_sz: Floats,
    ask_px: Floats,
    ask_sz: Floats,
) -> tuple[Int64, float, int, npt.NDArray[np.void]]:
    """Give counts by status, then raw and net above one, and the rest as in ``DayScan``."""
    ptr, cycle, legs, keep, leg_input, leg_output = cycles
    rate, size, seen, status, halted, older, newer = books
    counts = np.zeros(len(STATUS_NAMES) + 2, np.int64)
    max_product, best = 0.0, NONE
    raw_at, net_at = np.full(way.shape[0], NONE, np.int64), np.full(way.shape[0], NONE, np.int64)
    lives = np.empty(1024, LIFE)
    n_lives, n_open = 0, 0
    life_of = np.full(way.shape[0], NONE, np.int64)
    for i in range(symbol.shape[0]):
        s = symbol[i]
        now = time_of(seen, older, ts[i])
        while is_stale(seen, newer, now - max_age_ns):
            gone = expire(rate, status, older, newer)
            if n_open:
                n_open -= _end_all(lives, life_of, ptr, cycle, gone, seen[gone] + max_age_ns)
        set_book(
            rate, size, seen, status, halted, older, newer,
            s, now, bid_px[i], bid_sz[i], ask_px[i], ask_sz[i],
        )  # fmt: skip
        for entry in range(ptr[s], ptr[s + 1]):
            gross = rate[legs[entry, 0]]
            for k in range(1, legs.shape[1]):
                gross *= rate[legs[entry, k]]
            net = gross * keep[entry]
            c = cycle[entry]
            if gross > max_product:
                max_product, best = gross, int(c)
            if gross > 0.0:
                counts[USABLE] += 1
                if gross > 1.0 and raw_at[way[c]] != i:
                    raw_at[way[c]] = i
                    counts[-2] += 1
                if net > 1.0 and net_at[way[c]] != i:
                    net_at[way[c]] = i
                    counts[-1] += 1
            else:
                counts[_worst(status, legs, entry)] += 1
            if net > threshold:
                at = life_of[c]
                if at == NONE:
                    if n_lives == lives.shape[0]:
                        lives = _grown(lives)
                    at = n_lives
                    life_of[c] = at
                    n_lives += 1
                    n_open += 1
                    _begin(lives, at, c, now)
                lives[at].ts_last = now
                lives[at].updates += 1
                if net > lives[at].peak_net:
                    lives[at].peak_gross = gross
                    lives[at].peak_net = net
                    lives[at].ts_peak = now
                    lives[at].top_size = _top_size(rate, size, leg_input, leg_output, legs, entry)
            elif life_of[c] != NONE:
                _end(lives, life_of, c, now, BY_EDGE if gross > 0.0 else BY_BOOK)
                n_open -= 1
    while n_open and is_stale(seen, newer, ts_end - max_age_ns):
        gone = expire(rate, status, older, newer)
        n_open -= _end_all(lives, life_of, ptr, cycle, gone, seen[gone] + max_age_ns)
    return counts, max_product, best, lives[:n_lives].copy()


@njit(cache=True)
def _worst(status: npt.NDArray[np.uint8], legs: UInt32, entry: int) -> int:
    worst = 0
    for k in range(legs.shape[1]):
        s = legs[entry, k] >> 1
        if s < status.shape[0]:
            worst = max(worst, status[s])
    return worst


@njit(cache=True)
def _grown(lives: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    more = np.empty(2 * lives.shape[0], LIFE)
    more[: lives.shape[0]] = lives
    return more


@njit(cache=True)
def _begin(lives: npt.NDArray[np.void], at: int, cycle: int, now: int) -> None:
    lives[at].cycle = cycle
    lives[at].ended_by = GOES_ON
    lives[at].ts_first = now
    lives[at].ts_end = NONE
    lives[at].updates = 0
    lives[at].peak_net = 0.0


@njit(cache=True)
def _end(
    lives: npt.NDArray[np.void], life_of: Int64, cycle: int, ts_end: int, ended_by: int
) -> None:
    lives[life_of[cycle]].ts_end = ts_end
    lives[life_of[cycle]].ended_by = ended_by
    life_of[cycle] = NONE


@njit(cache=True)
def _end_all(
    lives: npt.NDArray[np.void],
    life_of: Int64,
    ptr: npt.NDArray[np.int32],
    cycle: UInt32,
    s: int,
    ts_stale: int,
) -> int:
    """End the lives of all cycles through ``s``, whose book went stale; give how many."""
    ended = 0
    for entry in range(ptr[s], ptr[s + 1]):
        if life_of[cycle[entry]] != NONE:
            _end(lives, life_of, cycle[entry], ts_stale, BY_STALENESS)
            ended += 1
    return ended


@njit(cache=True)
def _top_size(
    rate: Floats, size: Floats, leg_input: Floats, leg_output: Floats, legs: UInt32, entry: int
) -> float:
    """Input in start currency that the tops of all legs carry."""
    carried, along = np.inf, 1.0
    for k in range(legs.shape[1]):
        leg = legs[entry, k]
        if leg == size.shape[0]:
            break
        # An odd leg sells: what it gives is base, which sizes are in.
        takes = size[leg] if leg & 1 else size[leg] / rate[leg]
        carried = min(carried, takes / leg_input[leg] / along)
        along *= rate[leg] * leg_input[leg] * leg_output[leg]
    return carried
