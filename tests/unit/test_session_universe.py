"""What a session trades, against what a backtest of the same strategy does."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from arb_pipelines.execution.universe import session_universe
from tests.fakes.backtest_worlds import DAY, random_world


@pytest.mark.parametrize("max_hops", [1, 2, 3])
def test_a_session_unwinds_over_the_ways_of_the_backtest(max_hops: int) -> None:
    """The strategy's ``unwind.max_hops`` bounds both alike, and each value gives other ways."""
    world = random_world(3)
    unwind = world.strategy.unwind.model_copy(update={"max_hops": max_hops})
    strategy = world.strategy.model_copy(update={"unwind": unwind, "fee_bps": None})
    world = replace(world, strategy=strategy)
    fees = {market.symbol: Decimal("0.001") for market in world.markets}
    universe = session_universe(strategy, world.markets, fees, DAY, max_cycles=1_000)
    live, tested = universe.traded.routes, world.scenario.setting.routes
    for name in ("ptr", "symbol", "side"):
        assert getattr(live, name).tolist() == getattr(tested, name).tolist(), name
    assert int((live.symbol >= 0).sum(axis=1).max()) == max_hops
