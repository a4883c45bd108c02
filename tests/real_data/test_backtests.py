"""Backtests of recorded books: what their raw edges come to."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from arb_pipelines.errors import DataError
from arb_pipelines.lake.ingest import ingest_files
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.backtests import run_backtest
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.strategy import load_strategy

DAY = date(2025, 8, 31)
STRATEGIES = Path(__file__).resolve().parents[2] / "strategies"


@pytest.fixture
def triangle(lake: Lake, real_data: Path) -> Lake:
    """A lake with the 43 seconds of the Binance triangle."""
    books = real_data / "binance_triangle_depth5_20250831" / "depth5.parquet"
    ingest_files(lake, [books], venue="binance", format="depth5")
    return lake


def _study(**changes: object) -> Strategy:
    read = load_strategy(STRATEGIES / "binance_triangle.yaml").model_dump()
    return Strategy.model_validate(read | changes)


def test_nothing_of_the_triangle_survives_the_fee(triangle: Lake) -> None:
    """At 10 bps a leg there is not one signal in 1,085 states."""
    report = run_backtest(triangle, _study(fee_bps=10.0, min_profit_bps=0.0), DAY)
    assert report.updates == 1085
    assert report.trades.is_empty()
    assert report.summaries["signals"].to_list() == [0]
    assert report.summaries["net_profit"].to_list() == [0.0]


def test_the_signals_without_fee_are_the_states_above_one(triangle: Lake) -> None:
    """Every state with a raw product above one is a signal for one who takes no level whole."""
    crumbs = {"mode": "fixed_amount", "amount": 0.01}
    strategy = _study(min_profit_bps=0.0, max_age_ms=600_000, capital_allocation=crumbs)
    report = run_backtest(triangle, strategy, DAY)
    assert report.summaries["signals"].to_list() == [795]


def test_what_we_took_does_not_signal_again(triangle: Lake) -> None:
    """Trading 1,000 USDT takes five of those states' best levels away before they come."""
    strategy = _study(min_profit_bps=0.0, max_age_ms=600_000)
    report = run_backtest(triangle, strategy, DAY)
    assert report.summaries["signals"].to_list() == [790]


def test_both_engines_agree_on_the_triangle(triangle: Lake) -> None:
    """With depth five, drawn latencies and an unwinding: the same rows."""
    kernel = run_backtest(triangle, _study(), DAY)
    reference = run_backtest(triangle, _study(), DAY, engine="reference")
    assert kernel.digest == reference.digest
    assert len(kernel.trades) > 100
    assert kernel.trades["gross_bps"].max() < 3.4
    parts = kernel.trades.select(
        pl.sum_horizontal("fee", "slippage", "latency", "residual", "unwind_cost").alias("parts"),
        (pl.col("expected_profit") - pl.col("profit")).alias("whole"),
    )
    assert (parts["parts"] - parts["whole"]).abs().max() < 1e-11


def test_quotes_of_other_days_are_never_traded(lake: Lake, real_data: Path) -> None:
    """The stale mixture shows profits of half the stake; with the default limit none is taken."""
    books = real_data / "kucoin_l1_20220228" / "stale_mixture.parquet"
    ingest_files(lake, [books], venue="kucoin", format="l1")
    days = lake.query("SELECT DISTINCT day FROM book_tops ORDER BY day")["day"].to_list()
    signals = trades = 0
    for day in days:
        strategy = Strategy.model_validate(
            {
                "name": "stale",
                "exchange": "kucoin",
                "universe": {"start": ["USDT", "BTC"]},
                "min_profit_bps": 1.0,
                "capital_allocation": {"mode": "fixed_fraction", "fraction": 0.1},
                "balances": {"USDT": 1_000.0, "BTC": 0.1},
                "fee_bps": 10.0,
            }
        )
        try:
            report = run_backtest(lake, strategy, day)
        except DataError:
            continue  # a day whose few symbols make no cycle
        signals += int(report.summaries["signals"].sum())
        trades += len(report.trades)
    assert trades == 0
