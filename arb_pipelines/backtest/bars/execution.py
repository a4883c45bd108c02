"""What can be chosen about how orders fill on bars: a section of a YAML file.

What each choice means is told in the package's docstring.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from arb_pipelines.backtest.commission import BpsCommission, Commission
from arb_pipelines.backtest.slippage import BarSlippage, FixedBps


class Path(StrEnum):
    """Which extreme of a bar is taken to come first."""

    PESSIMISTIC = "pessimistic"  # the one that hurts the position
    OPTIMISTIC = "optimistic"  # the one that helps it


class MarketFill(StrEnum):
    """Where in its bar a market order fills."""

    NEXT_OPEN = "next_open"
    VWAP = "vwap"  # the typical price, (high + low + close) / 3, at the close


class BarExecution(BaseModel):
    """How orders fill on bars, and what that costs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path = Field(Path.PESSIMISTIC, description="Order of high and low.")
    market_fill: MarketFill = Field(MarketFill.NEXT_OPEN, description="Price of market orders.")
    volume_share: float | None = Field(
        None, gt=0, le=1, description="Most of a bar's volume that is ours; unset for no limit."
    )
    slippage: BarSlippage = Field(FixedBps(), description="Cost of taking liquidity.")
    commission: Commission = Field(BpsCommission(), description="What the venue charges.")
