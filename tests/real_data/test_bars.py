"""Ingest of the recorded hourly bars: what is known about them holds."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from arb_pipelines.lake.bar_ingest import ingest_bars
from arb_pipelines.lake.bars import read_bars
from arb_pipelines.lake.store import Lake


def test_every_hourly_bar_is_taken_once(lake: Lake, real_data: Path) -> None:
    """122,473 rows of two exchanges: each venue takes its own, and none is refused."""
    file = real_data / "ohlcv_hourly" / "ohlcv_1h.parquet"
    binance = ingest_bars(lake, [file], venue="binance")
    bitstamp = ingest_bars(lake, [file], venue="bitstamp")
    assert (binance.rows_read, binance.rows_rejected) == (63_441, 0)
    assert (bitstamp.rows_read, bitstamp.rows_rejected) == (59_032, 0)
    assert binance.rows_read + bitstamp.rows_read == 122_473
    assert binance.other_venues == bitstamp.rows_read
    assert binance.symbols == ("ETH-BTC", "LTC-BTC", "XMR-BTC")
    assert bitstamp.symbols == ("BTC-USD", "ETH-USD", "LTC-USD", "XRP-USD")
    assert ingest_bars(lake, [file], venue="binance").changed == 0
    assert lake.query("SELECT count(*) FROM bars").item() == 122_473
    assert lake.query("SELECT count(*) FROM rejected_rows").item() == 0


def test_the_holes_of_the_recording_stay_holes(lake: Lake, real_data: Path) -> None:
    """Eight steps of ETH-BTC are longer than an hour; no bar is invented for them."""
    file = real_data / "ohlcv_hourly" / "ohlcv_1h.parquet"
    ingest_bars(lake, [file], venue="binance")
    bars = read_bars(lake, "binance", ["ETH-BTC"], date(2017, 1, 1), date(2021, 12, 31))
    steps = bars.select(pl.col("ts_open").diff().drop_nulls() // 3_600_000_000_000)["ts_open"]
    assert len(bars) == 33_969
    assert steps.filter(steps != 1).sort().to_list() == [2, 2, 2, 3, 4, 4, 5, 16 * 24 + 22]
