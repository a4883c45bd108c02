"""On what terms a simulated account trades: its money, leverage and costs.

Costs are deliberately those of a small customer; none was chosen by a result.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Bps = Annotated[float, Field(ge=0, lt=10_000, allow_inf_nan=False)]
Leverage = Annotated[float, Field(ge=1, le=20, allow_inf_nan=False)]


class Terms(BaseModel):
    """The account; money is in integer cents."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    capital_cents: int = Field(10_000_000, gt=0, le=10**14, description="Cash at the start.")
    stake_cents: int = Field(
        1_000_000, gt=0, le=10**12, description="Own money an order commits, before its fee."
    )
    crypto_leverage: Leverage = Field(1.0, description="Notional over stake of a crypto order.")
    stock_leverage: Leverage = Field(4.0, description="Notional over stake of a stock order.")
    overnight_leverage: Leverage = Field(
        2.0, description="Most a stock position may be of its equity when its session ends."
    )
    leverage_rate: float = Field(
        0.065, ge=0, le=1, description="Interest a year on what is borrowed, by time."
    )
    crypto_fee_bps: Bps = Field(10.0, description="Fee of a fill; the base tier of large venues.")
    stock_fee_bps: Bps = Field(1.0, description="The same for stocks.")
    crypto_slippage_bps: Bps = Field(
        5.0, description="Lost by a fill that takes: late entry, stop, time, deleveraging, end."
    )
    stock_slippage_bps: Bps = Field(2.0, description="The same for stocks.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.stake_cents > self.capital_cents:
            raise ValueError("stake_cents is more than capital_cents")
        if self.overnight_leverage > self.stock_leverage:
            raise ValueError("overnight_leverage is above stock_leverage")
        if self.overnight_leverage * (self.stock_fee_bps + self.stock_slippage_bps) >= 10_000:
            raise ValueError("stock costs leave nothing of a sale that brings leverage down")
        return self
