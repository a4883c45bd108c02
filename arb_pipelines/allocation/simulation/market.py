"""Which market a simulation is run on: recorded symbols, generated ones, or both mixed."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from arb_pipelines.allocation.simulation.opportunities import Rule
from arb_pipelines.allocation.simulation.terms import Terms

_RECORDED = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*:[A-Z0-9]+-[A-Z0-9]+$")]


class SimulatedMarket(BaseModel):
    """Bars, the orders proposed on them, and the terms of the account.

    A recorded symbol is crypto. Whatever its quote currency, an order commits cents
    of the account's and earns the symbol's return on them: what the quote currency
    itself does meanwhile is left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    recorded: tuple[_RECORDED, ...] = Field(
        (), description="Symbols with hourly bars in the lake, as venue:BASE-QUOTE."
    )
    stocks: int = Field(10, ge=0, le=200, description="Generated stocks.")
    coins: int = Field(10, ge=0, le=200, description="Generated coins.")
    seed: int = Field(
        1, ge=0, lt=2**63, description="Seed of the generated bars, and of the paths within bars."
    )
    reversion: float = Field(
        0.0,
        ge=0,
        le=0.5,
        allow_inf_nan=False,
        description="Standard deviation of the generated bars' mean-reverting error, in logs: 0 "
        "for prices that nobody can forecast, above it for an edge that is there by construction.",
    )
    rule: Rule = Field(Rule(), description="How limit orders are proposed.")
    terms: Terms = Field(Terms(), description="The account: capital, leverage, costs.")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.recorded and not self.stocks + self.coins:
            raise ValueError("there is no symbol: give recorded ones, stocks or coins")
        if len(set(self.recorded)) < len(self.recorded):
            raise ValueError("recorded: a symbol is given twice")
        return self
