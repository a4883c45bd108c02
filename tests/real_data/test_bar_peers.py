"""The bar engine against backtrader and vectorbt, on years of recorded hours of seven symbols."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from arb_pipelines.backtest.bars.arrays import BarArrays, bar_arrays
from arb_pipelines.backtest.bars.sma_cross import round_trips
from arb_pipelines.trading.sma_cross import SmaCross
from tests.bar_peers import assert_same, pandas_frame, run_backtrader, run_ours, run_vectorbt

#: Symbols and their bars. None is refused: the odd first bar of ETHBTC (open = low, a high of
#: more than twice that) is a bar that can be, and missing hours are gaps, not bad bars.
BARS = {
    "ETHBTC": 33_969,
    "LTCBTC": 16_162,
    "XMRBTC": 13_310,
    "BTCUSD": 15_258,
    "ETHUSD": 13_258,
    "LTCUSD": 15_258,
    "XRPUSD": 15_258,
}
pytestmark = pytest.mark.xdist_group("bar_peers")  # vectorbt compiles once
COSTS = {"cash": 10_000.0, "slippage_bps": 0.0}


@pytest.fixture(scope="module")
def frame(real_data: Path) -> pl.DataFrame:
    """All recorded bars, with the columns of ours."""
    file = real_data / "ohlcv_hourly" / "ohlcv_1h.parquet"
    if not file.exists():
        pytest.skip(f"no recorded bars at {file}")
    return pl.read_parquet(file).with_columns(
        pl.col("time").dt.epoch("ns").alias("ts_open"), pl.col("volume_base").alias("volume")
    )


def _setting(frame: pl.DataFrame, symbol: str) -> tuple[BarArrays, SmaCross]:
    """Give a symbol's bars, all of them, and a size that the cash pays for at any time."""
    bars = bar_arrays(frame, symbol)
    assert len(bars) == BARS[symbol]
    return bars, SmaCross(fast=12, slow=48, size=float(f"{2_000 / bars.high.max():.3g}"))


@pytest.mark.parametrize("fee_bps", [0.0, 10.0])
@pytest.mark.parametrize("symbol", BARS)
def test_peers_trade_the_same(frame: pl.DataFrame, symbol: str, fee_bps: float) -> None:
    """Backtrader and vectorbt find our trades, bar, side, size and price, and our equity."""
    bars, params = _setting(frame, symbol)
    pandas = pandas_frame(bars)
    ours = run_ours(bars, params, fee_bps=fee_bps, **COSTS)
    assert len(round_trips(ours)) > 150
    assert_same(bars, ours, run_backtrader(pandas, params, fee_bps=fee_bps, **COSTS))
    assert_same(bars, ours, run_vectorbt(pandas, params, fee_bps=fee_bps, **COSTS))
