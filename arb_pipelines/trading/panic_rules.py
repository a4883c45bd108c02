"""What a strategy file may say of panic sells: how what a cycle left is sold when it went wrong."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _currencies(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not name.isalnum() or name != name.upper():
            raise ValueError(f"{name!r} is no currency; write it as the venue does, such as USDT")
    if len(set(names)) != len(names):
        raise ValueError("names a currency twice")
    return names


Currencies = Annotated[tuple[str, ...], AfterValidator(_currencies)]


class PanicRules(BaseModel):
    """How holdings that a cycle left are brought to a stable base currency.

    There is no giving up: what no route takes within the bound is held, alerted, and tried
    again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(
        True, description="False leaves what a cycle left where it is, and reports it."
    )
    base_currencies: Currencies = Field(
        ("USDC", "USD", "USDT"),
        min_length=1,
        description="Where to, the most wanted first; a cycle that began with one of them goes "
        "home before it goes to another.",
    )
    major_currencies: Currencies = Field(
        ("BTC", "ETH"),
        description="What a route of two hops may pass, beside the quote currencies of the venue.",
    )
    max_hops: int = Field(4, ge=1, le=6, description="Most orders on a route.")
    max_slippage_bps: float = Field(
        100.0,
        ge=0,
        lt=10_000,
        allow_inf_nan=False,
        description="Worst that an order, and a route as a whole, may get against the best prices "
        "when decided; fees come on top.",
    )
    depth: int = Field(100, ge=1, le=1_000, description="Levels a side that are asked for.")
    slice_share: float = Field(
        0.5, gt=0, le=1, description="Most that one order takes of the depth within the bound."
    )
    slice_pause_ms: float = Field(
        500.0,
        ge=0,
        le=600_000,
        allow_inf_nan=False,
        description="Pause between slices, for the book to fill up again.",
    )
    retry_every_s: float = Field(
        30.0,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="Pause before what no route takes within the bound is tried again.",
    )
