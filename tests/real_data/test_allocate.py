"""Shared capital on recorded hourly bars: the account holds, whatever the market did."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from arb_pipelines.lake.bar_ingest import ingest_bars
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.allocated import load_allocated, run_allocated_backtest

EXAMPLE = Path(__file__).resolve().parents[2] / "allocations" / "resting_dips.yaml"
DAYS = [date(2018, 6, 1), date(2018, 7, 31)]


def test_the_example_shares_its_capital_on_two_recorded_months(lake: Lake, real_data: Path) -> None:
    """Steals happen, each within the rules; nothing is said of whether it pays."""
    ingest_bars(lake, [real_data / "ohlcv_hourly" / "ohlcv_1h.parquet"], venue="bitstamp")
    report = run_allocated_backtest(lake, load_allocated(EXAMPLE), DAYS)
    assert report.bars == 4 * 61 * 24
    assert report.steals > 0
    steals = lake.query("SELECT * FROM allocation_events WHERE event = 'steal'")
    assert len(steals) == report.victims
    assert (steals["distance_pct"] <= 0.57).all()
    assert (steals["victim_distance_pct"] > steals["distance_pct"]).all()
    assert (steals["victim_distance_pct"] > 0.15).all()
    # every steal has an outcome: the data's end cancels what still rests
    assert sum(report.outcomes.values()) == report.steals
