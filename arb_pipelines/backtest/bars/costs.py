"""The models' settings as the plain numbers that the kernel takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from arb_pipelines.backtest.bars.execution import BarExecution, MarketFill
from arb_pipelines.backtest.bars.kernel import Costs, Rules
from arb_pipelines.backtest.commission import (
    TIER_WINDOW_NS,
    BpsCommission,
    Commission,
    MinimumCommission,
    PerUnitCommission,
    TieredCommission,
)
from arb_pipelines.backtest.slippage import PARKINSON, SquareRootImpact
from arb_pipelines.trading.lifecycle import NOISE
from arb_pipelines.trading.sma_cross import SmaCross

_BPS = 10_000.0


def rules_of(params: SmaCross, execution: BarExecution) -> Rules:
    """Put a strategy and the choices of the model into numbers."""
    return Rules(
        fast=params.fast,
        slow=params.slow,
        size=params.size or 0.0,
        funds_share=params.funds_share,
        vwap=execution.market_fill is MarketFill.VWAP,
        volume_share=execution.volume_share or 0.0,
        noise=NOISE,
    )


def costs_of(execution: BarExecution) -> Costs:
    """Put slippage and commission into numbers; the strategy's orders always take."""
    slippage = execution.slippage
    fee = _fee_of(execution.commission)
    return Costs(
        slip_rate=0.0 if isinstance(slippage, SquareRootImpact) else slippage.rate,
        impact=slippage.coefficient if isinstance(slippage, SquareRootImpact) else 0.0,
        sigma_of_range=PARKINSON,
        per_unit=fee.per_unit,
        minimum=execution.commission.minimum,
        tier_from=np.array([start for start, _ in fee.tiers]),
        tier_rate=np.array([rate for _, rate in fee.tiers]),
        tier_window_ns=TIER_WINDOW_NS,
    )


@dataclass(frozen=True, slots=True)
class _Fee:
    tiers: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    per_unit: float = 0.0


def _fee_of(commission: Commission) -> _Fee:
    match commission:
        case BpsCommission():
            return _Fee(tiers=((0.0, commission.bps / _BPS),))
        case PerUnitCommission():
            return _Fee(per_unit=commission.per_unit)
        case TieredCommission():
            tiers = tuple((tier.from_quote, tier.taker_bps / _BPS) for tier in commission.tiers)
            return _Fee(tiers=tiers)
        case MinimumCommission():
            return _fee_of(commission.of)
        case _:
            assert_never(commission)
