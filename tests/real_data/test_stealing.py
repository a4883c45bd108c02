"""Work stealing on recorded hourly bars: promises hold; nothing is said of profit."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.build import rules_of
from arb_pipelines.allocation.simulation.comparison import run_all
from arb_pipelines.allocation.simulation.kernel import run_kernel
from arb_pipelines.allocation.simulation.market import SimulatedMarket
from arb_pipelines.allocation.simulation.metrics import measure
from arb_pipelines.allocation.simulation.readable import simulate
from arb_pipelines.allocation.simulation.world import World
from arb_pipelines.lake.bar_ingest import ingest_bars
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.allocation_worlds import open_world

SYMBOLS = ("bitstamp:BTC-USD", "bitstamp:ETH-USD", "bitstamp:LTC-USD", "bitstamp:XRP-USD")
FIRST, LAST = date(2018, 6, 1), date(2018, 7, 31)


@pytest.fixture
def world(lake: Lake, real_data: Path) -> World:
    """Two months of four coins, beside three generated stocks."""
    ingest_bars(lake, [real_data / "ohlcv_hourly" / "ohlcv_1h.parquet"], venue="bitstamp")
    market = SimulatedMarket(recorded=SYMBOLS, stocks=3, coins=0)
    return open_world(lake, market, FIRST, LAST, "XNYS")


def test_every_policy_keeps_its_cash_on_recorded_bars(world: World) -> None:
    """Capital is short, much happens, and each cent is a trade's."""
    for outcome in run_all(world, AllocationSettings()).values():
        found = measure(world, outcome)
        assert found.trades > 100
        assert 0.5 < found.used <= 1.0
        assert outcome.free == world.capital + outcome.fates["profit"].sum() + outcome.paid_in
        assert outcome.profits.sum() == found.net_profit == outcome.fates["profit"].sum()


def test_the_simulators_agree_on_a_recorded_week(world: World) -> None:
    """The same decisions on what a market did as on what a generator drew."""
    hours = 7 * 24
    early = world.first < hours * 25
    week = world._replace(
        path=world.path[:hours],
        last=world.last[:hours],
        market_open=world.market_open[: hours * 25],
        day_end=world.day_end[:hours],
        **{
            name: getattr(world, name)[early]
            for name in ("symbol", "first", "until", "hold", "limit", "target", "stop")
        },
        **{name: getattr(world, name)[early] for name in ("needs", "notional", "forecast")},
    )
    settings = AllocationSettings()
    one = simulate(week, settings)
    other = run_kernel(week, rules_of(settings), room=len(one.decisions) + 1)
    assert len(one.decisions) > 500
    assert one.decisions.tobytes() == other.decisions.tobytes()
    assert np.array_equal(one.profits, other.profits)
