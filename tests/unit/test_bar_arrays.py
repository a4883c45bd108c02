"""Which bars are taken, and what is said of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from arb_pipelines.backtest.bars.arrays import NS_PER_HOUR, bar_arrays
from arb_pipelines.errors import DataError
from tests.fakes.bar_worlds import SYMBOL, random_frame

GOOD = {
    "symbol": [SYMBOL] * 3,
    "ts_open": [0, NS_PER_HOUR, 5 * NS_PER_HOUR],
    "open": [10.0, 11.0, 12.0],
    "high": [11.0, 12.0, 12.0],
    "low": [9.0, 10.0, 12.0],
    "close": [11.0, 11.5, 12.0],
    "volume": [5.0, 0.0, 1.0],
}


def test_bars_of_one_symbol_are_taken() -> None:
    """Gaps, hours without volume and still bars are bars; other symbols are left out."""
    other = pl.DataFrame(GOOD).with_columns(symbol=pl.lit("BTC-USDT"))
    bars = bar_arrays(pl.concat([pl.DataFrame(GOOD), other]).sort("ts_open", "symbol"), SYMBOL)
    assert len(bars) == 3
    first = next(iter(bars))
    assert (first.open, first.high, first.low, first.close) == (10.0, 11.0, 9.0, 11.0)
    assert (first.ts_open, first.ts_close, first.volume) == (0, NS_PER_HOUR, 5.0)
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0] = 1.0


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("high", 9.5, "has its high below its low"),
        ("open", 9.9, "has its open or close outside of low to high"),
        ("close", 12.1, "has its open or close outside of low to high"),
        ("low", 0.0, "has a price that is not above zero"),
        ("low", -1.0, "has a price that is not above zero"),
        ("volume", -0.1, "has a negative volume"),
        ("close", float("nan"), "is missing or no finite number"),
        ("high", float("inf"), "is missing or no finite number"),
        ("open", None, "is missing or no finite number"),
        ("ts_open", None, "is missing or no finite number"),
        ("ts_open", 0, "has the time of the bar before it"),
        ("ts_open", -NS_PER_HOUR, "opens before the bar before it; sort by ts_open"),
        ("ts_open", NS_PER_HOUR - 1, "opens before the bar before it has closed"),
    ],
)
def test_bad_bars_are_refused(column: str, value: Any, reason: str) -> None:
    """A bar that cannot be is refused with symbol, row, rule and values."""
    values = list(GOOD[column])
    values[1] = value
    frame = pl.DataFrame(GOOD | {column: values}, strict=False)
    with pytest.raises(DataError, match=reason) as caught:
        bar_arrays(frame, SYMBOL, source="bars.parquet")
    assert caught.value.row == 1
    assert str(caught.value).startswith(f"bars.parquet: row 1: the bar of {SYMBOL} at ")


def test_missing_columns_and_symbols_are_told() -> None:
    """A frame without a column, or without the symbol, is refused by name."""
    frame = random_frame(np.random.default_rng(1), 5)
    with pytest.raises(DataError, match="bars lack the columns high, volume"):
        bar_arrays(frame.drop("high", "volume"), SYMBOL)
    with pytest.raises(DataError, match="there are no bars of XRP-USDT"):
        bar_arrays(frame, "XRP-USDT")
