"""hftbacktest's feed loop over many assets; run by `bench.backtest` in the peers' environment.

Prints one JSON object: events a second of each loop. An event is one change of
one side of one book, seen by both of its processors (exchange and local), as its
own data preparation marks them. No orders are sent, latency is constant, and the
strategy does nothing. Both depth structures are tried, and both ways to move time:

- ``wait_next_feed``: the strategy is called for every event, as ours is;
- ``elapse``: time moves on by 100 ms a step, and the strategy sees 1 in 25,000 events.

Usage: python bench/peers/hft_feed.py ASSETS EVENTS
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
    event_dtype,
)
from numba import njit

START_NS = 1_735_689_600_000_000_000
STEP_NS = 4_000  # between two events of the feed
TICK = 0.01


def feeds(assets: int, events: int) -> list[np.ndarray]:
    """Uniform updates of the levels near a price of 100, in time order over all assets."""
    rng = np.random.default_rng(1)
    asset = rng.integers(0, assets, events)
    level = rng.integers(1, 6, events)
    buys = rng.random(events) < 0.5
    rows = np.zeros(events, event_dtype)
    rows["ev"] = DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT
    rows["ev"] |= np.where(buys, BUY_EVENT, SELL_EVENT).astype(np.uint64)
    rows["exch_ts"] = START_NS + np.arange(events) * STEP_NS
    rows["local_ts"] = rows["exch_ts"] + 1_000
    rows["px"] = np.round(100 + np.where(buys, -level, level) * TICK, 2)
    rows["qty"] = rng.integers(1, 100, events)
    return [rows[asset == number] for number in range(assets)]


def asset_of(rows: np.ndarray) -> BacktestAsset:
    return (
        BacktestAsset()
        .data(rows)
        .linear_asset(1.0)
        .constant_order_latency(1_000_000, 1_000_000)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.001)
        .tick_size(TICK)
        .lot_size(1.0)
        .roi_lb(90.0)
        .roi_ub(110.0)
        .last_trades_capacity(0)
    )


@njit
def elapse(backtest):
    while backtest.elapse(100_000_000) == 0:
        pass


@njit
def wait_next_feed(backtest):
    while backtest.wait_next_feed(False, 1_000_000_000) != 1:
        pass


def main(assets: int, events: int) -> None:
    rates = {}
    for depth in (HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest):
        for loop in (elapse, wait_next_feed):
            for count in (assets * 10, events):  # the first compiles
                rows = feeds(assets, count)  # kept: the library borrows the arrays
                backtest = depth([asset_of(own) for own in rows])
                began = time.perf_counter()
                loop(backtest)
                took = time.perf_counter() - began
                backtest.close()
            rates[f"{depth.__name__}.{loop.__name__}"] = events / took
    print(json.dumps(rates))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
