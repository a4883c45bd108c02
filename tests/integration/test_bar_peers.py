"""The bar engine against backtrader and vectorbt, on drawn bars: same trades, same equity."""

from __future__ import annotations

import pytest

from arb_pipelines.backtest.bars.sma_cross import round_trips
from arb_pipelines.trading.sma_cross import SmaCross
from tests.bar_peers import assert_same, pandas_frame, run_backtrader, run_ours, run_vectorbt
from tests.fakes.bar_worlds import random_bars

pytestmark = pytest.mark.xdist_group("bar_peers")  # vectorbt compiles once
PARAMS = SmaCross(fast=3, slow=11, size=2.5)
COSTS = pytest.mark.parametrize(("fee_bps", "slippage_bps"), [(0.0, 0.0), (10.0, 0.0), (10.0, 3.0)])


@COSTS
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_backtrader_trades_the_same(seed: int, fee_bps: float, slippage_bps: float) -> None:
    """Backtrader's trades and equity are ours, with and without costs."""
    bars = random_bars(seed, 1_200)
    costs = {"cash": 10_000.0, "fee_bps": fee_bps, "slippage_bps": slippage_bps}
    ours = run_ours(bars, PARAMS, **costs)
    assert len(round_trips(ours)) > 30
    assert_same(bars, ours, run_backtrader(pandas_frame(bars), PARAMS, **costs))


@COSTS
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_vectorbt_trades_the_same(seed: int, fee_bps: float, slippage_bps: float) -> None:
    """vectorbt's trades and equity are ours, with and without costs."""
    bars = random_bars(seed, 1_200)
    costs = {"cash": 10_000.0, "fee_bps": fee_bps, "slippage_bps": slippage_bps}
    ours = run_ours(bars, PARAMS, **costs)
    assert_same(bars, ours, run_vectorbt(pandas_frame(bars), PARAMS, **costs))


def test_a_peer_that_differs_is_noticed() -> None:
    """The comparison fails where a peer charges another fee or trades another window."""
    bars = random_bars(1, 400)
    costs = {"cash": 10_000.0, "fee_bps": 10.0, "slippage_bps": 0.0}
    peer = run_backtrader(pandas_frame(bars), PARAMS, **costs)
    dearer = run_ours(bars, PARAMS, **costs | {"fee_bps": 10.1})
    slower = run_ours(bars, SmaCross(fast=3, slow=12, size=2.5), **costs)
    for wrong in (dearer, slower):
        with pytest.raises(AssertionError):
            assert_same(bars, wrong, peer)
