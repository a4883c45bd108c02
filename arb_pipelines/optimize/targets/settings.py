"""What a study file may say about its target, one model a kind."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.market import SimulatedMarket
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.optimize.parameters import Choice

_SYMBOL = Annotated[str, Field(pattern=r"^[A-Z0-9]+-[A-Z0-9]+$")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TriangleSettings(_Settings):
    """A strategy's triangles on recorded books; parameters are fields of the strategy's file."""

    kind: Literal["triangle"]
    strategy: str = Field(
        min_length=1,
        description="Name of a strategy in the strategies folder, or, with a slash or ending in "
        ".yaml, the path of a strategy file.",
    )


class BarsSettings(_Settings):
    """A strategy on OHLC bars; parameters are fields of the strategy, or execution.… of the model.

    Each symbol is traded for itself, with a balance of its own.
    """

    kind: Literal["bars"]
    strategy: Literal["sma_cross"] = Field(description="Which strategy.")
    venue: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Venue of the bars.")
    symbols: tuple[_SYMBOL, ...] = Field(
        min_length=1, description="Symbols, BASE-QUOTE, all of one quote currency."
    )
    interval_s: int = Field(3600, gt=0, le=86_400, description="Length of a bar, in seconds.")
    balance: float = Field(
        10_000.0, gt=0, allow_inf_nan=False, description="Cash of each symbol at the start, quote."
    )
    fixed: dict[str, Choice] = Field(
        {}, description="Fields of the strategy that no parameter chooses."
    )
    execution: BarExecution = Field(
        BarExecution(), description="How orders fill, and what slippage and commission cost."
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        quotes = {symbol.partition("-")[2] for symbol in self.symbols}
        if len(quotes) > 1:
            raise ValueError(f"symbols of several quote currencies: {', '.join(sorted(quotes))}")
        if len(set(self.symbols)) < len(self.symbols):
            raise ValueError("a symbol is given twice")
        if 86_400 % self.interval_s:
            raise ValueError(f"interval_s {self.interval_s} does not divide a day")
        return self


class AllocationTargetSettings(_Settings):
    """Work stealing among limit orders on hourly bars; parameters are its settings' fields."""

    kind: Literal["allocation"]
    market: SimulatedMarket = Field(
        SimulatedMarket(), description="Bars, the orders proposed on them, and the account's terms."
    )
    settings: AllocationSettings = Field(
        AllocationSettings(), description="What no parameter chooses."
    )


#: Every kind of target; a further one joins with ``|`` and a ``kind`` of its own.
TargetSettings = Annotated[
    TriangleSettings | BarsSettings | AllocationTargetSettings, Field(discriminator="kind")
]
