"""The feed: level-2 messages of 1,300 symbols at a fixed rate, decoded, applied and scanned.

A second process is the venue: it answers for tokens, subscriptions and snapshots, and
then sends changes near the top of uniformly drawn books as prepared WebSocket frames,
every millisecond what is due. What is measured is the client as sessions use it
(``BookFeed`` over five connections) and the scanner, in one thread. A message's lag is
the time from when it was due until the scanner has seen its book; nothing is dropped
from the count, though states that were overtaken are scanned once.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from pydantic import SecretStr

from arb_pipelines.generator.symbols import make_listing
from arb_pipelines.market.cycles import find_cycles
from arb_pipelines.market.fees import fee_factors
from arb_pipelines.market.scanner import Scanner
from arb_pipelines.market.symbols import Market
from arb_pipelines.venues.kucoin.books import BookFeed
from arb_pipelines.venues.kucoin.limits import Pool
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from bench.live_feed_venue import CHANGES, RATE, SECONDS, SYMBOLS

SEED = 7
MAX_AGE_NS = 10**12
#: The rate budget is the venue's business, not the feed's.
UNLIMITED = dict.fromkeys(Pool, 10**9)


def run() -> list[dict[str, object]]:
    """Take in all messages; give the lags of the last three quarters of the time."""
    import uvloop

    with _venue() as (process, port):
        lags, cpu_s, scans = uvloop.run(_measure(process, port))
    n = len(lags)
    lags_ms = lags / 1e6
    half = n // 2
    early, late = (float(np.median(part)) for part in (lags_ms[n // 4 : half], lags_ms[half:]))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = f"feed, {RATE:,} level-2 messages/s over {SYMBOLS:,} symbols for {SECONDS} s"
    sys.stderr.write(
        f"bench: {n:,} messages, {scans:,} books scanned, {cpu_s:.1f} s of the thread's time; "
        f"median lag {early:.2f} ms in the second quarter, {late:.2f} ms in the second half\n"
    )
    settled = lags_ms[n // 4 :]
    figures = [
        ("lag p50", float(np.percentile(settled, 50)), "ms", None, None),
        ("lag p99", float(np.percentile(settled, 99)), "ms", None, None),
        ("growth of lag", late - early, "ms", "none (<= 1 ms)", late - early <= 1.0),
        ("share of one core", cpu_s / SECONDS, "cores", "<= 1", cpu_s <= SECONDS),
    ]
    return [
        {
            "name": f"{told}: {name}",
            "ours": value,
            "peer": None,
            "ratio": None,
            "unit": unit,
            "bar": bar,
            "holds": holds,
            "peak_mib": peak_mib,
        }
        for name, value, unit, bar, holds in figures
    ]


@contextmanager
def _venue() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the sending process; its port is on its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.live_feed_venue"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)


async def _measure(
    process: subprocess.Popen[str], port: int
) -> tuple[npt.NDArray[np.int64], float, int]:
    """Give each message's lag in ns, the thread's time in s, and how many books were scanned."""
    pairs = make_listing(SYMBOLS, SEED).pairs.values()
    markets = [Market("bench", f"{b}-{q}", b, q, f"{b}{q}") for b, q in pairs]
    cycles = find_cycles(markets, start=None)
    update = Scanner(
        cycles, fee_factors(markets, cycles.symbols, 10.0), max_age_ns=MAX_AGE_NS
    ).update
    number = {symbol: index for index, symbol in enumerate(cycles.symbols)}
    symbols = sorted(market.symbol for market in markets)
    update(0, 0, np.nan, np.nan, np.nan, np.nan)  # compiles
    keys = Credentials(*map(SecretStr, ("key", "secret", "phrase")))
    total, seen, scans = RATE * SECONDS, 0, 0
    lags = np.zeros(total, np.int64)
    async with (
        Rest(f"http://127.0.0.1:{port}", Signer(keys), quotas=UNLIMITED) as client,
        asyncio.TaskGroup() as tasks,
    ):
        feed = BookFeed(client, symbols, depth=5)
        running = tasks.create_task(feed.run())
        while any(feed.level2.sequence(symbol) is None for symbol in symbols):
            await feed.changed()
        applied = dict.fromkeys(symbols, 0)
        began_ns, cpu = await asyncio.to_thread(_begin, process), time.thread_time()
        while seen < total:
            changed = await feed.changed()
            for book in changed:
                index = number.get(book.symbol)
                if index is not None:  # a few symbols are in no cycle
                    update(
                        index,
                        book.ts_recv,
                        book.bid_px[0],
                        book.bid_sz[0],
                        book.ask_px[0],
                        book.ask_sz[0],
                    )
            scans += len(changed)
            now_ns, done = time.monotonic_ns(), seen
            for book in changed:
                sequence = feed.level2.sequence(book.symbol)
                assert sequence is not None, "a book broke, though no message was lost"
                done += (sequence - applied[book.symbol]) // CHANGES
                applied[book.symbol] = sequence
            due_ns = began_ns + np.arange(seen, done) * (10**9 // RATE)
            lags[seen:done] = now_ns - due_ns
            seen = done
        cpu = time.thread_time() - cpu
        running.cancel()
    return lags, cpu, scans


def _begin(process: subprocess.Popen[str]) -> int:
    """Tell the venue to send; give the monotonic time (ns) at which it began."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return int(json.loads(process.stdout.readline()))
