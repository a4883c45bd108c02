"""What a strategy file may say of live and paper sessions; a backtest has no use for it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(gt=0, le=600_000, allow_inf_nan=False)]


class TradingMode(StrEnum):
    """Whether orders are meant. The default is paper; live needs a second switch elsewhere."""

    PAPER = "paper"
    LIVE = "live"


class SessionRules(BaseModel):
    """How a session trades: its orders, what it waits for, and where it stops."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    orders: Literal["market", "ioc"] = Field(
        "market",
        description="A leg's order: at market, or immediate-or-cancel at the plan's limit.",
    )
    legs: Literal["sequence", "parallel"] = Field(
        "sequence",
        description="One leg after the other, or all at once where the balances allow it.",
    )
    entry: Literal["rest", "socket"] = Field("rest", description="How orders reach the venue.")
    books: Literal["level2", "depth50", "depth5", "level1"] = Field(
        "level2", description="Stream of books."
    )
    depth: int = Field(20, ge=1, le=50, description="Levels a side that decisions look at.")
    fill_wait_ms: Milliseconds = Field(
        1_000.0, description="Wait for the private stream before the order is looked up."
    )
    leg_timeout_ms: Milliseconds = Field(
        10_000.0, description="An order still open after this is taken back."
    )
    unknown_wait_ms: Milliseconds = Field(
        10_000.0,
        description="An order sent without an answer, which the venue does not know for as long, "
        "never arrived.",
    )
    balance_wait_ms: Milliseconds = Field(
        1_000.0, description="Wait for a leg's proceeds to be free where the venue settles late."
    )
    signal_age_ms: Milliseconds = Field(
        1_000.0, description="A signal from outside older than this is stale."
    )
    max_loss: dict[str, Positive] = Field(
        {}, description="Loss by start currency at which the session takes no more signals."
    )
    max_executions: int | None = Field(
        None, ge=1, description="Executions after which the session takes no more signals."
    )
    settle_s: float = Field(
        8.0, gt=0, le=60, description="Most time that what is in flight has when a session stops."
    )
    flush_s: float = Field(5.0, gt=0, le=300, description="Time between writes to the lake.")
