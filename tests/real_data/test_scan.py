"""Recorded books scanned: what is there before fees, and that nothing is after them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from arb_pipelines.lake.ingest import ingest_files
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.scan import scan_day


def test_the_binance_triangle(lake: Lake, real_data: Path) -> None:
    """1,085 states, 795 of them above one before fees by up to 3.33 bps, none after 10 bps."""
    path = real_data / "binance_triangle_depth5_20250831" / "depth5.parquet"
    ingest_files(lake, [path], venue="binance", format="depth5")
    report = scan_day(lake, "binance", date(2025, 8, 31), fee_bps=10)
    assert (report.states, report.cycles) == (1085, 2)
    assert (report.raw_above_one, report.net_above_one, report.opportunities) == (795, 0, 0)
    assert report.max_product == pytest.approx(1.000332876, abs=5e-10)
    assert report.best_cycle == "ETH-USDT:buy>ETH-BTC:sell>BTC-USDT:sell"
    assert report.by_reason["stale"] == 0


def test_the_oldest_leg_of_the_binance_triangle(lake: Lake, real_data: Path) -> None:
    """Its oldest book is 1,131.8 ms old: a limit above that changes nothing, one below does."""
    path = real_data / "binance_triangle_depth5_20250831" / "depth5.parquet"
    ingest_files(lake, [path], venue="binance", format="depth5")
    stale = {
        limit: scan_day(
            lake, "binance", date(2025, 8, 31), fee_bps=10, max_age_ms=limit, store=False
        ).by_reason["stale"]
        for limit in (1131, 1132)
    }
    assert stale[1132] == 0
    assert stale[1131] > 0


def test_the_kucoin_snapshot(lake: Lake, real_data: Path) -> None:
    """590 directed triangles, 13 above one before fees, none after 10 bps.

    USDC-USDT and USDT-USDC both trade there, which makes 610 routes.
    """
    path = real_data / "kucoin_l1_20220228" / "tickers.parquet"
    ingest_files(lake, [path], venue="kucoin", format="l1")
    report = scan_day(lake, "kucoin", date(2022, 2, 28), fee_bps=10)
    assert (report.states, report.cycles, report.routes) == (608, 590, 610)
    assert (report.raw_above_one, report.net_above_one, report.opportunities) == (13, 0, 0)
    assert report.max_product == pytest.approx(1.0013082, abs=5e-8)


def test_the_stale_mixture_is_not_tradable(lake: Lake, real_data: Path) -> None:
    """On none of its days does any cycle clear 10 bps; with no limit on age some would."""
    path = real_data / "kucoin_l1_20220228" / "stale_mixture.parquet"
    ingested = ingest_files(lake, [path], venue="kucoin", format="l1")
    days = [partition.day for partition in ingested.partitions]
    assert len(days) == 6
    for day in days:
        report = scan_day(lake, "kucoin", day, fee_bps=10)
        assert (report.net_above_one, report.opportunities) == (0, 0)
    naive = scan_day(lake, "kucoin", days[0], fee_bps=10, max_age_ms=None, store=False)
    assert naive.net_above_one > 0
