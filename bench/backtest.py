"""Backtest of a day from the lake to its result, against hftbacktest's feed loop.

200 symbols, shaped like a venue: two hubs against USDT, most coins against
USDT, many against BTC, some against ETH. Uniform updates, each with a new price;
about one in a million is a dislocation that is traded. Ours is the whole of
``run_backtest``: reading the lake, the execution model, writing the tables. One
update of ours has both sides of a book and counts one event, as does one side
for the peer. The peer's figure is the faster of its two depth structures when
its strategy is called for every event; it does not have to read anything.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from arb_pipelines.clock import day_start_ns
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.schemas import BOOK_TOPS
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.symbols import Market
from arb_pipelines.settings import load_settings

DAY = date(2025, 1, 1)
UPDATES, RUNS = 20_000_000, 5
LONG_DAY = 50_000_000
PEER_ASSETS, PEER_EVENTS = 200, 2_000_000
PEER = Path(".venv-bench/bin/python"), Path("bench/peers/hft_feed.py")

COINS = [f"A{number:02d}" for number in range(97)]
PAIRS = [
    *("BTC-USDT", "ETH-USDT", "ETH-BTC"),
    *(f"{coin}-USDT" for coin in COINS),
    *(f"{coin}-BTC" for coin in COINS[:70]),
    *(f"{coin}-ETH" for coin in COINS[67:]),
]
VALUES = {"USDT": 1.0, "BTC": 50_000.0, "ETH": 2_500.0} | {
    coin: 1.0 + number for number, coin in enumerate(COINS)
}
STRATEGY = {
    "name": "bench",
    "exchange": "bench",
    "universe": {"start": ["USDT"]},
    "min_profit_bps": 1.0,
    "capital_allocation": {"mode": "fixed_fraction", "fraction": 0.1},
    "balances": {"USDT": 100_000.0},
    "fee_bps": 10.0,
    "latency": {
        "decision_ms": 0.2,
        "leg_ms": {"distribution": "lognormal", "median_ms": 8.0, "p99_ms": 40.0},
    },
}


def run() -> list[dict[str, object]]:
    """Measure speed and memory; needs the peers' environment for the ratio."""
    with tempfile.TemporaryDirectory() as home:
        _in_process("write", home, UPDATES)
        day = _in_process("replay", home, RUNS)
    with tempfile.TemporaryDirectory() as home:
        _in_process("write", home, LONG_DAY)
        long_day = _in_process("replay", home, 1)
    rate, peak = day["rate"], day["peak_mib"]
    peer = _peer()
    ratio = rate / peer if peer else None
    return [
        {
            "name": f"backtest {UPDATES // 10**6} M updates, 200 symbols, lake to result",
            "ours": rate / 1e6,
            "peer": peer / 1e6 if peer else None,
            "ratio": ratio,
            "unit": "M events/s",
            "bar": ">= 5 and >= 10x hftbacktest",
            "holds": rate >= 5e6 and (ratio is None or ratio >= 10),
            "peak_mib": peak,
        },
        {
            "name": f"backtest of a day of {LONG_DAY // 10**6} M rows, peak memory",
            "ours": long_day["peak_mib"] / 1024,
            "peer": None,
            "ratio": None,
            "unit": "GiB",
            "bar": "<= 4",
            "holds": long_day["peak_mib"] <= 4096,
            "peak_mib": long_day["peak_mib"],
        },
    ]


def _in_process(part: str, home: str, count: int) -> dict[str, float]:
    """Run one part in a process of its own, so that its peak memory is its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"from bench.backtest import {part}; {part}({home!r}, {count})"],
        stdout=subprocess.PIPE,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _peer() -> float | None:
    if not PEER[0].exists():
        sys.stderr.write("bench: no .venv-bench; run `make bench` for the comparison\n")
        return None
    command = [*map(str, PEER), str(PEER_ASSETS), str(PEER_EVENTS)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    rates: dict[str, float] = json.loads(done.stdout)
    for name, rate in rates.items():
        sys.stderr.write(f"bench: hftbacktest {name}: {rate / 1e6:.2f} M events/s\n")
    return max(rate for name, rate in rates.items() if name.endswith("wait_next_feed"))


def write(home: str, updates: int) -> None:
    """Store a list of markets and ``updates`` rows of books in the lake of ``home``."""
    lake = Lake(load_settings(home=Path(home)))
    markets = [Market("bench", pair, *pair.split("-"), pair.replace("-", "")) for pair in PAIRS]
    store_markets(lake, "bench", DAY, markets, list_day=DAY)
    schema = BOOK_TOPS.frame().to_arrow().schema
    rows = pa.RecordBatchReader.from_batches(schema, _batches(schema, updates))
    lake.replace({"venue": "bench", "day": DAY}, {BOOK_TOPS: rows})
    print("{}")


def _batches(schema: pa.Schema, updates: int, size: int = 1_000_000) -> Iterator[pa.RecordBatch]:
    rng = np.random.default_rng(1)
    fair = np.array([VALUES[p.split("-")[0]] / VALUES[p.split("-")[1]] for p in PAIRS])
    names = pa.array(PAIRS)
    for first in range(0, updates, size):
        n = min(size, updates - first)
        symbol = rng.integers(0, len(PAIRS), n)
        middle = fair[symbol] * np.exp(rng.normal(0, 1e-4, n))
        middle[rng.random(n) < 1e-6] *= 1.01
        row_no = np.arange(first, first + n)
        columns = {
            "venue": pa.repeat("bench", n),
            "day": pa.repeat(DAY, n),
            "row_no": row_no,
            "symbol": names.take(pa.array(symbol)),
            "ts_event": pa.nulls(n, pa.int64()),
            "ts_recv": day_start_ns(DAY) + row_no * (86_000_000_000_000 // updates),
            "update_id": row_no,
            "bid_px": middle * (1 - 3e-4),
            "bid_sz": rng.uniform(1, 100, n),
            "ask_px": middle * (1 + 3e-4),
            "ask_sz": rng.uniform(1, 100, n),
            "source": pa.repeat("bench", n),
            "source_row": row_no,
        }
        yield pa.RecordBatch.from_arrays(
            [pa.array(columns[f.name]).cast(f.type) for f in schema], schema=schema
        )


def replay(home: str, runs: int) -> None:
    """Print the median rate of ``runs`` backtests after one that warms up, and the peak memory."""
    import resource
    import time

    from arb_pipelines.research.backtests import run_backtest
    from arb_pipelines.trading.parameters import Strategy

    lake = Lake(load_settings(home=Path(home)))
    strategy = Strategy.model_validate(STRATEGY)
    rates = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        report = run_backtest(lake, strategy, DAY)
        rates.append(report.updates / (time.perf_counter() - began))
    sys.stderr.write(f"bench: {len(report.trades)} trades in {report.updates:,} updates\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = statistics.median(rates[1:] or rates)
    print(json.dumps({"rate": rate, "peak_mib": peak, "trades": len(report.trades)}))
