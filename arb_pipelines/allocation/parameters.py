"""What an allocation may be told: every rule of work stealing as a setting, with unit and reason.

How the rules act on orders is the part of ``allocator``; ``docs/allocation.md``
tells both in prose.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.yaml_files import read_model

Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, le=30 * 86_400, allow_inf_nan=False)]


class AllocationSettings(BaseModel):
    """Who may hold capacity, and who may take it from whom.

    A distance is how far the price must move to reach an order's limit, in percent
    of the limit; 0 when it is there or past it. Three tolerances bound it: to be
    *entered while capacity is free* an order must be within ``normal_tolerance_pct``
    (crypto out of stock-market hours: ``out_of_hours_tolerance_pct``); to *steal*,
    when too little is free, within the narrower ``entry_tolerance_pct``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protection: Literal["distance", "time"] = Field(
        "distance",
        description="What protects an entered order from being stolen from: being within "
        "protection_pct of its limit, or having been entered less than protection_s ago.",
    )
    protection_pct: Percent = Field(
        0.15,
        description="Percent of the limit. An order this near, or nearer, is about to fill: to "
        "cancel it now would waste the whole wait. Used when protection is 'distance'.",
    )
    protection_s: Seconds = Field(
        166.0,
        description="Seconds after its entry in which an order is left alone, so that each gets "
        "a fair chance whatever the price does. Used when protection is 'time'.",
    )
    entry_tolerance_pct: Percent = Field(
        0.57,
        description="Percent of the limit. Farthest that a thief may be: a steal costs the victim "
        "its place in the venue's queue, so the thief must be likely to fill.",
    )
    normal_tolerance_pct: Percent = Field(
        1.3,
        description="Percent of the limit. Farthest that an order may be to be given free "
        "capacity in market hours: beyond it a resting order only binds cash.",
    )
    out_of_hours_tolerance_pct: Percent = Field(
        4.7,
        description="Percent of the limit. The same for crypto while the stock market is closed: "
        "stocks do not compete then, so idle capacity may wait farther out.",
    )
    force_immediate_count: int = Field(
        3,
        ge=0,
        le=1_000,
        description="Orders. While the stock market is closed, this many crypto orders, the "
        "nearest of all open ones, are given free capacity whatever their distance.",
    )
    cool_down_s: Seconds = Field(
        166.0,
        description="Seconds after a steal in which neither of its two symbols steals or is "
        "stolen from: each cancel and entry costs requests and a place in the queue.",
    )
    fight_threshold: int = Field(
        8,
        ge=2,
        le=1_000,
        description="Steals. Two symbols that steal from each other in turn this many times in a "
        "row are fighting: neither gets time to fill.",
    )
    fight_cool_down_s: Seconds = Field(
        645.0,
        description="Seconds after a fight was noticed in which its two symbols do not steal "
        "from each other; others may still steal from either once cool_down_s is over.",
    )
    calendar: str = Field(
        "XNYS",
        pattern=r"^[A-Za-z0-9_/]{2,24}$",
        description="Stock market whose hours count: a calendar of exchange_calendars (ISO 10383).",
    )
    alert_window_steals: int = Field(
        50,
        ge=1,
        le=100_000,
        description="Steals. The success rate is watched over this many of the last steals whose "
        "outcome is known; fewer say too little to wake anybody.",
    )
    alert_success_rate: float = Field(
        0.25,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of those steals whose thief then filled. Below it stealing mostly "
        "shuffles orders about, and an alert is raised; 0 never alerts.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.entry_tolerance_pct > self.normal_tolerance_pct:
            raise ValueError(
                "entry_tolerance_pct is wider than normal_tolerance_pct: "
                "an order may not steal what it would not be given"
            )
        if self.normal_tolerance_pct > self.out_of_hours_tolerance_pct:
            raise ValueError("out_of_hours_tolerance_pct is narrower than normal_tolerance_pct")
        if self.cool_down_s > self.fight_cool_down_s:
            raise ValueError("fight_cool_down_s is shorter than cool_down_s")
        return self

    @cached_property
    def protection_ns(self) -> int:
        """``protection_s`` in ns."""
        return round(self.protection_s * NS_PER_S)

    @cached_property
    def cool_down_ns(self) -> int:
        """``cool_down_s`` in ns."""
        return round(self.cool_down_s * NS_PER_S)

    @cached_property
    def fight_cool_down_ns(self) -> int:
        """``fight_cool_down_s`` in ns."""
        return round(self.fight_cool_down_s * NS_PER_S)


def load_allocation(path: Path) -> AllocationSettings:
    """Read settings from a YAML file; what it leaves out keeps its default.

    Raises:
        ConfigError: it cannot be read, or a setting is unknown or out of range;
            names file, line and setting.
    """
    return read_model(path, AllocationSettings)
