"""Random bars on which much happens: gaps, trends, still prices, hours without volume."""

from __future__ import annotations

import numpy as np
import polars as pl

from arb_pipelines.backtest.bars.arrays import NS_PER_HOUR, BarArrays, bar_arrays
from arb_pipelines.trading.events import Bar

SYMBOL = "ETH-USDT"
FIRST = 1_700_000_000 // 3_600 * NS_PER_HOUR


def random_frame(rng: np.random.Generator, count: int) -> pl.DataFrame:
    """Draw hourly bars of ``SYMBOL`` that could be: some hours are missing, some are still."""
    moves = rng.normal(0.0, 0.01, count) * (rng.random(count) < 0.85)
    jumps = rng.normal(0.0, 0.03, count) * (rng.random(count) < 0.1)
    close = 100.0 * np.exp(np.cumsum(moves + jumps))
    if rng.random() < 0.5:
        close = np.round(close)  # few prices: averages are often equal
    open_ = np.concatenate(([100.0], close[:-1])) * np.exp(jumps)
    room = np.abs(rng.normal(0.0, 0.006, (2, count))) * (moves != 0.0)
    return pl.DataFrame(
        {
            "symbol": [SYMBOL] * count,
            "ts_open": FIRST + np.cumsum(rng.choice([1, 1, 1, 5], count)) * NS_PER_HOUR,
            "open": open_,
            "high": np.maximum(open_, close) * (1.0 + room[0]),
            "low": np.minimum(open_, close) * (1.0 - room[1]),
            "close": close,
            "volume": rng.exponential(50.0, count) * (rng.random(count) < 0.9),
        }
    )


def random_bars(seed: int, count: int) -> BarArrays:
    """Draw checked bars of ``SYMBOL``."""
    return bar_arrays(random_frame(np.random.default_rng(seed), count), SYMBOL)


def bar(number: int, prices: tuple[float, float, float, float], volume: float = 1_000.0) -> Bar:
    """Make the hourly bar ``number`` (from 0) with open, high, low and close."""
    ts = FIRST + number * NS_PER_HOUR
    return Bar(SYMBOL, ts, ts + NS_PER_HOUR, *prices, volume)
