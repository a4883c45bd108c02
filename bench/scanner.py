"""The scanner over a 1,300-symbol list: updates a second, and one call from Python.

Updates are uniform over the symbols, every book stays fresh, and each update is
a two-sided book, so that every cycle through its symbol is evaluated. Rates are of
the thread's own time, calls of the clock's. The peer of the kernel is the same
arithmetic vectorised in numpy, update by update.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.generator.symbols import make_listing
from arb_pipelines.lake.books import Tops
from arb_pipelines.market.cycles import CycleSet, find_cycles
from arb_pipelines.market.fees import FeeFactors, fee_factors
from arb_pipelines.market.opportunities import find_opportunities
from arb_pipelines.market.scanner import Scanner
from arb_pipelines.market.symbols import Market

SYMBOLS = 1300
SEED = 7
UPDATES = 2_000_000
PEER_UPDATES = 20_000
CALLS = 200_000
RUNS = 7
MAX_AGE_NS = 2 * NS_PER_S


def run() -> list[dict[str, object]]:
    """Measure each warm; give the medians over several runs."""
    pairs = make_listing(SYMBOLS, SEED).pairs.values()
    markets = [Market("bench", f"{b}-{q}", b, q, f"{b}{q}") for b, q in pairs]
    cycles = find_cycles(markets, start=None)
    fees = fee_factors(markets, cycles.symbols, 10.0)
    tops = _tops(cycles)
    shape = f"{len(markets):,} symbols, {len(cycles):,} directed triangles"

    kernel = _rate(lambda: Scanner(cycles, fees, max_age_ns=MAX_AGE_NS).update_all(tops), UPDATES)
    lives = _rate(
        lambda: find_opportunities(
            cycles, fees, tops, max_age_ns=MAX_AGE_NS, ts_end=int(tops.ts_recv[-1])
        ),
        UPDATES,
    )
    peer = _rate(lambda: _numpy_scan(cycles, fees, tops), PEER_UPDATES)
    median_us, p99_us = _call_times(cycles, fees, tops)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rates = [
        ("scanner kernel", kernel, kernel >= 30e6, ">= 30 M updates/s"),
        ("lives of opportunities", lives, None, None),
    ]
    rows: list[dict[str, object]] = [
        {
            "name": f"{name}, {shape}, against numpy",
            "ours": ours / 1e6,
            "peer": peer / 1e6,
            "ratio": ours / peer,
            "unit": "M updates/s",
            "bar": bar,
            "holds": holds,
            "peak_mib": peak_mib,
        }
        for name, ours, holds, bar in rates
    ]
    calls = [("p50", median_us, None, None), ("p99", p99_us, p99_us <= 2.0, "<= 2 us")]
    rows += [
        {
            "name": f"update to best cycle from Python, {name}",
            "ours": ours,
            "peer": None,
            "ratio": None,
            "unit": "us",
            "bar": bar,
            "holds": holds,
            "peak_mib": peak_mib,
        }
        for name, ours, holds, bar in calls
    ]
    return rows


def _tops(cycles: CycleSet) -> Tops:
    random = np.random.default_rng(SEED)
    n = len(cycles.symbols)
    mid = np.ones(UPDATES)
    half_spread = random.uniform(1e-5, 5e-4, UPDATES)
    ts = NS_PER_S + np.cumsum(random.integers(100, 1_900, UPDATES))
    return Tops(
        cycles.symbols,
        random.integers(0, n, UPDATES).astype(np.int32),
        ts,
        mid - half_spread,
        random.uniform(1, 10, UPDATES),
        mid + half_spread,
        random.uniform(1, 10, UPDATES),
    )


def _rate(work: Callable[[], object], updates: int) -> float:
    """Updates a second of one thread, median of several runs after one that compiles."""
    work()
    times = []
    for _ in range(RUNS):
        begun = time.thread_time()
        work()
        times.append(time.thread_time() - begun)
    return updates / statistics.median(times)


def _call_times(cycles: CycleSet, fees: FeeFactors, tops: Tops) -> tuple[float, float]:
    """Median and 99th percentile of one call in us, the clock's own time taken off."""
    update = Scanner(cycles, fees, max_age_ns=MAX_AGE_NS).update
    columns = (tops.symbol, tops.ts_recv, tops.bid_px, tops.bid_sz, tops.ask_px, tops.ask_sz)
    rows = list(zip(*(column[:CALLS].tolist() for column in columns), strict=True))
    clock = time.perf_counter_ns
    for row in rows[:1000]:
        update(*row)
    idle = statistics.median(-(clock() - clock()) for _ in range(10_000))
    percentiles = []
    for _ in range(RUNS):
        taken = np.empty(CALLS)
        for i, (symbol, ts, bid, bid_sz, ask, ask_sz) in enumerate(rows):
            begun = clock()
            update(symbol, ts, bid, bid_sz, ask, ask_sz)
            taken[i] = clock() - begun
        percentiles.append(np.percentile(taken - idle, [50, 99]) / 1e3)
    median, p99 = np.median(percentiles, axis=0)
    return float(median), float(p99)


def _numpy_scan(cycles: CycleSet, fees: FeeFactors, tops: Tops) -> float:
    """What one writes without numba: for each update, gather and multiply its cycles at once."""
    legs = 2 * cycles.leg_symbol + cycles.leg_side
    keep = fees.keep.ravel()[legs].prod(axis=1)
    through = np.split(cycles.through, cycles.through_ptr[1:-1])
    legs_through = [legs[c] for c in through]
    keep_through = [keep[c] for c in through]
    rate = np.zeros(2 * len(cycles.symbols))
    seen = np.full(len(cycles.symbols), -MAX_AGE_NS)
    found = 0.0
    for i in range(PEER_UPDATES):
        s = tops.symbol[i]
        rate[2 * s], rate[2 * s + 1] = 1.0 / tops.ask_px[i], tops.bid_px[i]
        seen[s] = tops.ts_recv[i]
        product = rate[legs_through[s]].prod(axis=1) * keep_through[s]
        fresh = (seen[legs_through[s] >> 1] >= seen[s] - MAX_AGE_NS).all(axis=1)
        found = max(found, (product * fresh).max())
    return float(found)
