"""The bar kernel and the readable bar engine mean the same, and neither knows the future."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.backtest.bars.arrays import BarArrays, bar_arrays
from arb_pipelines.backtest.bars.execution import BarExecution, MarketFill
from arb_pipelines.backtest.bars.readable import run_readable
from arb_pipelines.backtest.bars.sma_cross import BarOutcome, round_trips, run_sma_cross
from arb_pipelines.backtest.commission import (
    BpsCommission,
    Commission,
    MinimumCommission,
    PerUnitCommission,
    Tier,
    TieredCommission,
)
from arb_pipelines.backtest.slippage import (
    BarSlippage,
    FixedBps,
    SpreadFraction,
    SquareRootImpact,
)
from arb_pipelines.trading.sma_cross import SmaCross
from tests.fakes.bar_worlds import SYMBOL, random_frame

TIERS = (
    Tier(from_quote=0, maker_bps=5, taker_bps=20),
    Tier(from_quote=30_000, maker_bps=1, taker_bps=8),
    Tier(from_quote=90_000, maker_bps=0, taker_bps=3),
)
CHARGES: tuple[Commission, ...] = (
    BpsCommission(),
    BpsCommission(bps=10),
    PerUnitCommission(model="per_unit", per_unit=0.05),
    TieredCommission(model="tiered", tiers=TIERS),
    MinimumCommission(model="minimum", minimum=4.0, of=BpsCommission(bps=10)),
    MinimumCommission(
        model="minimum", minimum=9.0, of=TieredCommission(model="tiered", tiers=TIERS)
    ),
)
SLIPPAGES: tuple[BarSlippage, ...] = (
    FixedBps(),
    FixedBps(bps=3),
    SpreadFraction(model="spread", spread_bps=8),
    SquareRootImpact(model="square_root", coefficient=0.8),
)


@dataclass(frozen=True, slots=True)
class World:
    """Everything a run depends on."""

    bars: BarArrays
    params: SmaCross
    execution: BarExecution
    cash: float


def random_world(seed: int) -> World:
    """Draw bars, windows, sizes and a model of execution."""
    rng = np.random.default_rng(seed)
    bars = bar_arrays(random_frame(rng, int(rng.integers(1, 400))), SYMBOL)
    fast = int(rng.integers(1, 6))
    sizes = {"fraction": float(rng.choice([0.3, 0.95, 1.0]))}
    if rng.random() < 0.5:
        sizes = {"size": float(rng.choice([1.0, 20.0, 99.0]))}
    return World(
        bars,
        SmaCross(
            fast=fast,
            slow=fast + int(rng.integers(1, 12)),
            fee_reserve_bps=float(rng.choice([0.0, 30.0])),
            **sizes,
        ),
        BarExecution(
            market_fill=MarketFill(rng.choice(list(MarketFill))),
            volume_share=None if rng.random() < 0.4 else float(rng.choice([0.02, 0.2, 1.0])),
            slippage=SLIPPAGES[rng.integers(len(SLIPPAGES))],
            commission=CHARGES[rng.integers(len(CHARGES))],
        ),
        cash=10_000.0,
    )


def _run_both(world: World) -> tuple[BarOutcome, BarOutcome]:
    arguments = world.bars, world.params, world.execution
    return run_sma_cross(*arguments, cash=world.cash), run_readable(*arguments, cash=world.cash)


@settings(max_examples=150, deadline=None)
@given(world=st.integers(0, 2**32 - 1).map(random_world))
def test_engines_agree_bit_for_bit(world: World) -> None:
    """Kernel and readable engine give the same bytes for every fill, the equity and the totals."""
    fast, slow = _run_both(world)
    assert fast.fills.tolist() == slow.fills.tolist()
    assert fast.fills.tobytes() == slow.fills.tobytes()
    assert fast.equity.tobytes() == slow.equity.tobytes()
    assert fast.final_value.hex() == float(slow.final_value).hex()
    assert (fast.fees, fast.rejected) == (slow.fees, slow.rejected)


def test_much_happens_in_the_random_worlds() -> None:
    """The worlds of the equality test do bring trips, carried orders, rejections and closings."""
    trips = carried = rejected = closed = tiers = 0
    for seed in range(200):
        world = random_world(seed)
        outcome = run_sma_cross(world.bars, world.params, world.execution, cash=world.cash)
        found = len(round_trips(outcome))
        trips += found
        carried += len(outcome.fills) > 2 * found
        rejected += outcome.rejected > 0
        closed += found > 0 and outcome.fills["ts"][-1] == world.bars.ts_open[-1] + 3600 * 10**9
        tiers += outcome.fills["funds"].sum() > TIERS[1].from_quote
    assert trips > 1_000
    assert min(carried, rejected, closed, tiers) > 15, (carried, rejected, closed, tiers)


@settings(max_examples=60, deadline=None)
@given(world=st.integers(0, 2**32 - 1).map(random_world), share=st.floats(0.05, 1.0))
def test_what_comes_later_changes_nothing_before(world: World, share: float) -> None:
    """Bars that are cut off at the end leave earlier fills and equity as they were."""
    bars = world.bars
    kept = max(1, int(share * len(bars)))
    columns = ("ts_open", "open", "high", "low", "close", "volume")
    part = BarArrays(SYMBOL, bars.interval_ns, *(getattr(bars, name)[:kept] for name in columns))
    whole = run_sma_cross(bars, world.params, world.execution, cash=world.cash)
    early = run_sma_cross(part, world.params, world.execution, cash=world.cash)
    assert early.equity.tobytes() == whole.equity[:kept].tobytes()
    # all but the fill that closes the position at the part's end
    common = early.fills[: max(0, len(early.fills) - 1)]
    assert common.tobytes() == whole.fills[: len(common)].tobytes()


@settings(max_examples=60, deadline=None)
@given(world=st.integers(0, 2**32 - 1).map(random_world))
def test_money_adds_up(world: World) -> None:
    """Cash at the end is cash at the beginning, less what buys paid, plus what sells brought."""
    outcome = run_sma_cross(world.bars, world.params, world.execution, cash=world.cash)
    signs = np.where(outcome.fills["side"] == 0, -1.0, 1.0)
    flow = (signs * outcome.fills["funds"]).sum() - outcome.fills["fee"].sum()
    assert np.isclose(outcome.final_value, world.cash + flow, rtol=1e-12, atol=1e-8)
    assert np.isclose((signs * outcome.fills["size"]).sum(), 0.0, atol=1e-9)
    assert np.isclose(
        round_trips(outcome)["profit"].sum(), outcome.final_value - world.cash, rtol=1e-9, atol=1e-6
    )
    assert outcome.fees == outcome.fills["fee"].cumsum()[-1] if len(outcome.fills) else True
