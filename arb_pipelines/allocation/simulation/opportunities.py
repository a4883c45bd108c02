"""What there is to compete for: limit orders that a plain rule proposes from past bars.

Each symbol proposes a buy every few of its bars: a limit below its last close, a
target above and a stop below that limit. How far below is drawn from a seeded generator. The
rule knows the bars that have ended when it proposes, and nothing else; it is the
same for every way of allocating, and it was not chosen by its profit.

Who gets capacity for which of them does not belong here.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from arb_pipelines.allocation.simulation.panel import TICKS, Floats, Int64, Panel

Int32 = npt.NDArray[np.int32]

#: A symbol whose last bar is longer ago proposes nothing: a long weekend passes, a lost month not.
_MOST_HOURS_SILENT = 100


class Rule(BaseModel):
    """How limit orders are proposed; a range is the mean of log high over low of past bars."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every_bars: int = Field(4, ge=1, description="Bars of a symbol from proposal to proposal.")
    valid_h: int = Field(
        24, ge=1, description="Hours that an order waits or rests; a stock's also end with its day."
    )
    hold_h: int = Field(48, ge=1, description="Hours that a position is held at most.")
    lookback: int = Field(24, ge=1, description="Bars that a range is the mean of.")
    near: float = Field(0.5, ge=0, description="Least distance below the last close, ranges.")
    far: float = Field(3.0, ge=0, description="Greatest such distance; drawn evenly between.")
    target: float = Field(3.0, gt=0, description="Target above the limit, ranges.")
    stop: float = Field(3.0, gt=0, description="Stop below the limit, ranges.")
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of the distances.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.near > self.far:
            raise ValueError("near is greater than far")
        return self


class Opportunities(NamedTuple):
    """Proposed buys by ``first``, then symbol; shapes ``(n,)``.

    An order may be placed from tick ``first`` up to and without tick ``until``;
    its position is closed ``hold`` ticks after its fill at the latest. ``limit``,
    ``target`` and ``stop`` are prices.
    """

    symbol: Int32
    first: Int64
    until: Int64
    hold: Int64
    limit: Floats
    target: Floats
    stop: Floats


def propose(panel: Panel, rule: Rule) -> Opportunities:
    """Let every symbol propose its limit orders over the panel."""
    rng = np.random.default_rng(rule.seed)
    rows: list[tuple[Int64, Int64, Floats, Floats, int]] = []
    ends = _session_ends(panel)
    for symbol in range(len(panel.symbols)):
        there = np.flatnonzero(np.isfinite(panel.open[:, symbol]))
        draws = rng.uniform(rule.near, rule.far, len(panel.ts_open))
        ranges = np.log(panel.high[there, symbol] / panel.low[there, symbol])
        sums = np.concatenate([[0.0], np.cumsum(ranges)])
        chosen = np.arange(rule.lookback + symbol % rule.every_bars, len(there), rule.every_bars)
        chosen = chosen[there[chosen] - there[chosen - 1] <= _MOST_HOURS_SILENT]
        typical = (sums[chosen] - sums[chosen - rule.lookback]) / rule.lookback
        hour = there[chosen]
        until = hour + rule.valid_h
        if panel.is_stock[symbol]:
            until = np.minimum(until, ends[hour])
        limit = panel.close[there[chosen - 1], symbol] * np.exp(-draws[hour] * typical)
        moves = typical > 0  # a symbol that stands still has no distances
        rows.append((hour[moves], until[moves], limit[moves], typical[moves], symbol))
    hour, until, limit, typical = (
        np.concatenate([row[column] for row in rows]) for column in range(4)
    )
    symbols = np.concatenate([np.full(len(row[0]), row[4], np.int32) for row in rows])
    order = np.lexsort((symbols, hour))
    limit, typical = limit[order], typical[order]
    return Opportunities(
        symbol=symbols[order],
        first=hour[order] * TICKS,
        until=until[order] * TICKS,
        hold=np.full(len(order), rule.hold_h * TICKS),
        limit=limit,
        target=limit * np.exp(rule.target * typical),
        stop=limit * np.exp(-rule.stop * typical),
    )


def _session_ends(panel: Panel) -> Int64:
    """Give for each hour the hour at which the session running then, or next, has ended."""
    lasts = np.flatnonzero(panel.last)
    after = np.searchsorted(lasts, np.arange(len(panel.ts_open)))
    ends: Int64 = np.append(lasts + 1, len(panel.ts_open))[after]
    return ends
