"""What a strategy file may say of live and paper sessions; a backtest has no use for it."""

from __future__ import annotations

from datetime import time
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from arb_pipelines.trading.zones import ZoneName

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Milliseconds = Annotated[float, Field(gt=0, le=600_000, allow_inf_nan=False)]


class TradingMode(StrEnum):
    """Whether orders are meant. The default is paper; live needs a second switch elsewhere."""

    PAPER = "paper"
    LIVE = "live"


def _clock_time(value: Any) -> Any:
    """Undo what YAML makes of a bare 17:30: the number 1050, minutes to the base of 60."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 24 * 60:
        return time(value // 60, value % 60)
    if isinstance(value, int | float):
        raise ValueError("write the time of day as HH:MM")
    return value


TimeOfDay = Annotated[time, BeforeValidator(_clock_time)]


class TradingWindow(BaseModel):
    """Hours of each day in which a session is to run by itself.

    A ``close`` that is not later than ``open`` is on the next day.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    open: TimeOfDay = Field(description="HH:MM at which it opens.")
    close: TimeOfDay = Field(description="HH:MM at which it closes.")
    zone: ZoneName = Field("UTC", description="Time zone of both, such as Europe/Berlin.")

    @field_validator("open", "close", mode="after")
    @classmethod
    def _without_zone(cls, at: time) -> time:
        if at.tzinfo is not None:
            raise ValueError("name the time zone as zone")
        return at


#: How a leg is ordered: at market; immediate-or-cancel at the plan's limit; resting.
LegOrders = Literal["market", "ioc", "limit"]


class LimitOrders(BaseModel):
    """How a leg of kind ``limit`` rests, is priced again, and ends.

    Its bound is the plan's limit: ``max_slippage_bps`` from the best price at the decision.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    price: Literal["join", "cross"] = Field(
        "join",
        description="Where it stands, by the book of now: join, at the best price of its own "
        "side; cross, at the other side's best. Never beyond the plan's limit.",
    )
    reprice_ms: Milliseconds = Field(
        2_000.0,
        description="ms. Rest after which what is left is taken back, and priced by the book of "
        "then; an order that would stand at the same price keeps its place.",
    )
    max_reprices: int = Field(
        5, ge=0, le=100, description="Times that it is priced again; then what is left ends."
    )
    then: Literal["market", "give_up"] = Field(
        "market",
        description="What happens to what is left: market, an immediate-or-cancel order at the "
        "plan's limit; give_up, nothing more, as if the order had found no counterpart.",
    )
    capital: dict[str, Positive] = Field(
        {},
        description="Most of a start currency that the resting first legs of all strategies of "
        "the account may bind at once, by currency; the least that a strategy says counts. "
        "Unset: all that the account has.",
    )
    post_only: bool = Field(
        False,
        description="Whether the venue is to refuse it where it would trade at once; join only.",
    )

    @model_validator(mode="after")
    def _rests(self) -> Self:
        if self.post_only and self.price == "cross":
            raise ValueError("post_only refuses what crosses; say price: join, or leave one out")
        return self


class SessionRules(BaseModel):
    """How a session trades: its orders, what it waits for, and where it stops."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    orders: LegOrders | Annotated[tuple[LegOrders, ...], Field(min_length=1, max_length=5)] = Field(
        "market",
        description="A leg's order: market; ioc, immediate-or-cancel at the plan's limit; limit, "
        "resting as limit_orders says. One for all legs or a list by leg, whose last is that of "
        "the legs beyond it.",
    )
    limit_orders: LimitOrders = Field(LimitOrders(), description="How legs of kind limit rest.")
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
    scan: bool = Field(
        True,
        description="Look for cycles in every book; false leaves that to signals from outside.",
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
    window: TradingWindow | None = Field(
        None, description="When a session starts by itself, once the day's universe is there."
    )
    restart: bool = Field(
        False, description="Whether a session that was lost is asked for again, within its limits."
    )

    @model_validator(mode="after")
    def _one_after_the_other(self) -> Self:
        if self.legs == "parallel" and self.rests:
            raise ValueError(
                "legs that leave at once cannot rest: say legs: sequence, or orders without limit"
            )
        return self

    def order_of(self, leg: int) -> LegOrders:
        """Give the kind of a leg's order, counted from 0."""
        if isinstance(self.orders, str):
            return self.orders
        return self.orders[min(leg, len(self.orders) - 1)]

    @property
    def rests(self) -> bool:
        """Whether any leg's order rests."""
        return "limit" in (self.orders if isinstance(self.orders, tuple) else (self.orders,))
