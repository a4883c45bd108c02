"""A session and a backtest agree on books that a real venue sent."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest

from arb_pipelines.backtest.universe import scenario_of
from arb_pipelines.lake.ingest import ingest_files
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.agreement import compare
from arb_pipelines.research.differing import What
from arb_pipelines.research.exchange_books import lake_books
from arb_pipelines.research.lock_step import play
from arb_pipelines.research.replaying import replay
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.strategy import load_strategy
from tests.e2e.exchange_process import running_exchange, settings_of

DAY = date(2025, 8, 31)
STUDY = Path(__file__).resolve().parents[2] / "strategies" / "binance_triangle.yaml"


@pytest.mark.parametrize("amount", [pytest.param(1_000.0, marks=pytest.mark.long), 9_000.0])
def test_the_binance_triangle_without_fees(lake: Lake, real_data: Path, amount: float) -> None:
    """All 43 seconds: the same signals, decisions, orders and fills, to the step."""
    books = real_data / "binance_triangle_depth5_20250831" / "depth5.parquet"
    ingest_files(lake, [books], venue="binance", format="depth5")
    study = load_strategy(STUDY).model_dump()
    strategy = Strategy.model_validate(
        study
        | {
            "exchange": "kucoin",  # by whose protocol the local exchange shows them
            "min_profit_bps": 0.0,
            "cool_down_ms": 0.0,
            "max_age_ms": 60_000.0,
            "capital_allocation": {"mode": "fixed_amount", "amount": amount},
            "session": {"books": "depth5", "depth": 5},
        }
    )
    played_books = ("--books", f"binance/{DAY}", "--speed", "0", "--fee-bps", "0")
    states = lake_books(lake, "binance", DAY, None).states
    with running_exchange(lake.settings.home, *played_books, "--balance", "USDT=20000") as exchange:
        settings = settings_of(exchange, lake.settings)
        played = asyncio.run(play(settings, strategy, states, count=2_000))
    scenario = scenario_of(strategy, played.markets, DAY, max_cycles=100)
    backtest, _ = replay(scenario, played.books, played.told)
    agreement = compare(played.told, backtest, scenario, played.books)
    assert agreement.first is None, str(agreement.first)
    assert agreement.counts[What.SIGNAL].equal > 600
    assert agreement.counts[What.FILL].equal > 800
