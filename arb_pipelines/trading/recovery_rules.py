"""What a strategy file may say of recovery: what becomes of cycles that a crash cut short."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RecoveryRules(BaseModel):
    """How an engine that starts goes about the cycles that were open when it died.

    What an order came to is asked first, whatever is said here.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_age_s: float = Field(
        300.0,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="A cycle that began longer ago is not finished, but sold; 0 finishes none.",
    )
    unknown_wait_ms: float = Field(
        5_000.0,
        gt=0,
        le=600_000,
        allow_inf_nan=False,
        description="An order that the venue does not know so long after it was written down "
        "never arrived.",
    )
