"""Walk-forward windows: the days that are searched on, and the days held back after them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Windows(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    gap_days: int = Field(
        0,
        ge=0,
        description="Days between train and test that neither uses: as many as a position or an "
        "indicator reaches over midnight.",
    )


class Single(_Windows):
    """One window that ends with the study."""

    kind: Literal["single"]
    train_days: int | None = Field(
        None, ge=1, description="Days searched on; all that gap and test leave if unset."
    )
    test_days: int = Field(0, ge=0, description="Last days of the study, held back.")


class Rolling(_Windows):
    """Windows of equal length, each ``step_days`` after the one before."""

    kind: Literal["rolling"]
    train_days: int = Field(ge=1, description="Days searched on, of each window.")
    test_days: int = Field(ge=1, description="Days held back, of each window.")
    step_days: int | None = Field(
        None, ge=1, description="Days from one window to the next; test_days if unset."
    )


class Anchored(_Windows):
    """Windows that all begin on the first day; each trains on ``step_days`` more."""

    kind: Literal["anchored"]
    train_days: int = Field(ge=1, description="Days searched on, of the first window.")
    test_days: int = Field(ge=1, description="Days held back, of each window.")
    step_days: int | None = Field(
        None, ge=1, description="Days from one window to the next; test_days if unset."
    )


Windows = Annotated[Single | Rolling | Anchored, Field(discriminator="kind")]
