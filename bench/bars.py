"""The SMA cross over hourly bars: ours, compiled and readable, against backtrader's.

The same drawn bars, windows, size and fee for all three, and their trades and equity
are compared before a rate counts. Ours is the whole of ``run_sma_cross``, with fills
and equity; backtrader's is ``Cerebro.run`` with its fast settings (preloaded feed,
vectorised indicators, no observers), which includes reading its pandas feed.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import polars as pl

from arb_pipelines.backtest.bars.arrays import NS_PER_HOUR, BarArrays, bar_arrays
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.bars.readable import run_readable
from arb_pipelines.backtest.bars.sma_cross import run_sma_cross
from arb_pipelines.backtest.commission import BpsCommission
from arb_pipelines.trading.sma_cross import SmaCross

COUNT, RUNS = 50_000, 20
PARAMS = SmaCross(fast=20, slow=50, size=10.0)
CASH, FEE_BPS = 100_000.0, 10.0
EXECUTION = BarExecution(commission=BpsCommission(bps=FEE_BPS))


def run() -> list[dict[str, object]]:
    """Measure the three; needs backtrader, of the development packages, for the ratio."""
    bars = drawn_bars()
    outcome = run_sma_cross(bars, PARAMS, EXECUTION, cash=CASH)
    readable = run_readable(bars, PARAMS, EXECUTION, cash=CASH)
    assert outcome.fills.tobytes() == readable.fills.tobytes()
    assert outcome.equity.tobytes() == readable.equity.tobytes()
    ours = _rate(lambda: run_sma_cross(bars, PARAMS, EXECUTION, cash=CASH), RUNS)
    slow = _rate(lambda: run_readable(bars, PARAMS, EXECUTION, cash=CASH), 3)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peer = _backtrader(bars)
    ratio = ours / peer if peer else None
    sys.stderr.write(f"bench: {len(outcome.fills)} fills in {COUNT:,} bars\n")
    return [
        {
            "name": f"SMA cross over {COUNT:,} bars, against backtrader",
            "ours": ours / 1e6,
            "peer": peer / 1e6 if peer else None,
            "ratio": ratio,
            "unit": "M bars/s",
            "bar": ">= 20x backtrader",
            "holds": ratio is None or ratio >= 20,
            "peak_mib": peak,
        },
        {
            "name": "the same on the desk, readable",
            "ours": slow / 1e6,
            "peer": peer / 1e6 if peer else None,
            "ratio": slow / peer if peer else None,
            "unit": "M bars/s",
            "bar": "none",
            "holds": True,
            "peak_mib": peak,
        },
    ]


def drawn_bars() -> BarArrays:
    """Draw a random walk of hours, with the same seed each time."""
    rng = np.random.default_rng(7)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.002, COUNT)))
    open_ = np.append(100.0, close[:-1]) * np.exp(rng.normal(0.0, 0.0002, COUNT))
    columns = {
        "symbol": ["BTC-USDT"] * COUNT,
        "ts_open": np.arange(COUNT) * NS_PER_HOUR,
        "open": open_,
        "high": np.maximum(open_, close) * 1.001,
        "low": np.minimum(open_, close) * 0.999,
        "close": close,
        "volume": rng.uniform(1_000.0, 2_000.0, COUNT),
    }
    return bar_arrays(pl.DataFrame(columns), "BTC-USDT")


def _rate(call: Callable[[], object], runs: int) -> float:
    """Give the median rate of some runs, bars/s."""
    took = []
    for _ in range(runs):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return COUNT / statistics.median(took)


def _backtrader(bars: BarArrays) -> float | None:
    """Give backtrader's rate, once its result is known to be ours."""
    if find_spec("backtrader") is None:
        sys.stderr.write("bench: no backtrader; run `make test` once for the comparison\n")
        return None
    from tests.bar_peers import assert_same, pandas_frame, run_backtrader, run_ours

    frame = pandas_frame(bars)
    costs = {"cash": CASH, "fee_bps": FEE_BPS, "slippage_bps": 0.0}
    peer = run_backtrader(frame, PARAMS, **costs)
    assert_same(bars, run_ours(bars, PARAMS, **costs), peer)
    return _rate(lambda: run_backtrader(frame, PARAMS, **costs), 3)
