"""What a strategy's file may say under ``risk:``; a check that is not set is off.

Amounts are in the start currency they are named by. Nothing is converted: each start
currency has limits of its own, and one that is not named has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from arb_pipelines.trading.zones import ZoneName

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
#: By start currency.
Amounts = Annotated[dict[str, Positive], Field(min_length=1)]


class _Section(BaseModel):
    """A part of the file: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Minutes(_Section):
    """A length of time."""

    minutes: float = Field(gt=0, le=7 * 24 * 60, description="Minutes, at most a week's.")


class After(_Section):
    """A pause ends by itself after some time."""

    after: Minutes = Field(description="Time from the breach on.")


Clears = Literal["person", "next_day"] | After
_CLEARS = "What ends the pause: a person, the next day in `zone`, or `after: {minutes: N}`."


class Losses(_Section):
    """Pause after losses in a row."""

    in_a_row: int = Field(ge=1, description="Cycles that ended with a loss, one after the other.")
    clears: Clears = Field("person", description=_CLEARS)


class DailyLoss(_Section):
    """Pause when a day has lost so much."""

    most: Amounts = Field(description="Realised loss of a day in `zone`, by start currency.")
    clears: Clears = Field("person", description=_CLEARS)


class Drawdown(_Section):
    """Pause when realised profit has fallen so far below its highest."""

    most: dict[str, Positive] = Field({}, description="Fall from the peak, by start currency.")
    percent: float | None = Field(
        None, gt=0, le=100, description="Fall from the peak in % of balance plus peak profit."
    )
    clears: Clears = Field("person", description=_CLEARS)

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.most and self.percent is None:
            raise ValueError("give most, percent or both")
        return self


class MinLiquidity(_Section):
    """Refuse where a leg's book is thin."""

    within_bps: float = Field(gt=0, lt=10_000, description="How far from the best price.")
    value: Amounts = Field(
        description="Least value on the side that a leg takes, by start currency."
    )


class PriceBand(_Section):
    """Refuse where a leg's best price is far from what the symbol has been worth."""

    bps: float = Field(gt=0, lt=10_000, description="Furthest from the reference, either way.")
    minutes: float = Field(
        5.0, gt=0, le=24 * 60, description="Time constant of the reference, an average of mids."
    )
    warm_up_s: float = Field(
        30.0, ge=0, le=3_600, description="Nothing is traded by a reference younger than this."
    )


class Exposure(_Section):
    """Most in flight at the venue, of all its strategies, in one start currency."""

    venue: Positive | None = Field(None, description="In all cycles in flight.")
    each_symbol: Positive | None = Field(None, description="In cycles over any one symbol.")
    symbols: dict[str, Positive] = Field(
        {}, description="In cycles over a symbol, instead of each_symbol."
    )


class RiskRules(_Section):
    """Limits of a strategy; each that is not given is off."""

    zone: ZoneName = Field(
        "UTC", description="Time zone of the calendar day, such as Europe/Berlin."
    )
    max_open_cycles: int | None = Field(None, ge=1, description="Most cycles in flight.")
    max_cycle: dict[str, Positive] = Field(
        {}, description="Most that one cycle commits, by start currency."
    )
    max_in_flight: dict[str, Positive] = Field(
        {}, description="Most that the strategy's cycles in flight commit, by start currency."
    )
    exposure: dict[str, Exposure] = Field({}, description="By start currency.")
    keep_free: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        {}, description="Least that stays free when a cycle has begun, by start currency."
    )
    max_slippage_bps: float | None = Field(
        None, ge=0, lt=10_000, description="Most that a plan gives up against the best prices."
    )
    min_liquidity: MinLiquidity | None = Field(None, description="Least that a book shows.")
    max_book_age_ms: Positive | None = Field(
        None, description="Oldest book of a leg, from its receipt to this decision, ms."
    )
    price_band: PriceBand | None = Field(None, description="Against the symbol's own past.")
    max_orders_per_minute: int | None = Field(
        None, ge=1, description="Most orders of the strategy in any 60 s, a cycle's legs included."
    )
    losses: Losses | None = Field(None, description="Stop after losses in a row.")
    daily_loss: DailyLoss | None = Field(None, description="Stop at a day's loss.")
    drawdown: Drawdown | None = Field(None, description="Stop at a fall from the peak.")

    def check_currencies(self, start: tuple[str, ...]) -> None:
        """Refuse a limit in a currency that no cycle begins with: it would never bind.

        Raises:
            ValueError: names the limit.
        """
        for limit, named in self._by_currency():
            others = sorted(set(named) - set(start))
            if others:
                raise ValueError(
                    f"risk.{limit}: {', '.join(others)} is no start currency; "
                    f"name {' or '.join(start)}"
                )

    def _by_currency(self) -> Iterator[tuple[str, dict[str, float] | dict[str, Exposure]]]:
        yield "max_cycle", self.max_cycle
        yield "max_in_flight", self.max_in_flight
        yield "exposure", self.exposure
        yield "keep_free", self.keep_free
        if self.min_liquidity is not None:
            yield "min_liquidity.value", self.min_liquidity.value
        if self.daily_loss is not None:
            yield "daily_loss.most", self.daily_loss.most
        if self.drawdown is not None:
            yield "drawdown.most", self.drawdown.most
