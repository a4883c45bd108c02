"""Dislocations planted on purpose: where, when, how large, and the truth about them.

While one lives, the prices of its legs stand still (their sizes do not), so its
edge is what the truth file says from its first to its last update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.errors import ConfigError
from arb_pipelines.generator.kernel import HEAL, PLANT
from arb_pipelines.market.cycles import CycleSet, find_cycles
from arb_pipelines.market.symbols import Market

Ints = npt.NDArray[np.int64]

#: Currency in which planted cycles start and end.
START_CURRENCY = "USDT"


@dataclass(frozen=True, slots=True)
class Planting:
    """How many dislocations a day, their gross edge in bps, and how long each lives."""

    count: int
    gross_bps: float
    life_ms: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """Dislocations of one day, in order of time. ``k`` of them.

    ``cycle`` indexes ``cycles``. ``leg_symbol`` and ``leg_side`` have shape
    ``(k, 3)``; ``moved`` is the leg whose book is moved to make the edge.
    ``start_ns`` is when the moved book is received, ``end_ns`` when its
    ordinary quote is back. ``gross`` is the edge asked for, ``seen_gross`` the
    edges after rounding to ticks, NaN until the market has run past them.
    """

    cycles: CycleSet
    cycle: Ints
    leg_symbol: Ints
    leg_side: Ints
    moved: Ints
    start_ns: Ints
    end_ns: Ints
    gross: float
    seen_gross: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.cycle)

    def updates(self, begin_ns: int, end_ns: int) -> tuple[Ints, Ints, Ints, Ints]:
        """Time, symbol, kind and dislocation of the updates that fall in ``[begin_ns, end_ns)``."""
        every = np.arange(len(self))
        ts_ns = np.concatenate([self.start_ns, self.end_ns])
        kind = np.repeat([PLANT, HEAL], len(self))
        plant = np.concatenate([every, every])
        now = (begin_ns <= ts_ns) & (ts_ns < end_ns)
        symbol = self.leg_symbol[plant, self.moved[plant]]
        return ts_ns[now], symbol[now], kind[now], plant[now]

    def truth(self) -> list[dict[str, object]]:
        """Records of the truth file."""
        return [self._record(k) for k in range(len(self))]

    def _record(self, k: int) -> dict[str, object]:
        cycle = int(self.cycle[k])
        legs = self.cycles.key(cycle).split(">")
        return {
            "cycle_key": self.cycles.key(cycle),
            "path": self.cycles.path(cycle),
            "moved_symbol": legs[self.moved[k]].partition(":")[0],
            "ts_start": int(self.start_ns[k]),
            "ts_end": int(self.end_ns[k]),
            "life_ms": int(self.end_ns[k] - self.start_ns[k]) // NS_PER_MS,
            "asked_gross_bps": round(self.gross * 1e4, 6),
            "gross_bps": round(float(self.seen_gross[k]) * 1e4, 6),
        }


def schedule(
    planting: Planting,
    markets: Sequence[Market],
    half_spread: npt.NDArray[np.float64],
    span_ns: tuple[int, int],
    rng: np.random.Generator,
) -> Schedule:
    """Spread the dislocations over ``span_ns``, one at a time, on cheap triangles.

    ``markets`` and ``half_spread`` (relative) are in the order of the symbols.
    Triangles are drawn from the cheaper half by spread, as real dislocations
    show where books are tight. The moved leg is the one on the fewest
    triangles, so that little else is dislocated with it.

    Raises:
        ConfigError: they do not fit, or no triangle starts in USDT.
    """
    cycles = find_cycles(markets, start=(START_CURRENCY,))
    if not len(cycles):
        raise ConfigError(f"no triangle through {START_CURRENCY} to plant a dislocation in")
    first, last = span_ns
    window = (last - first) // planting.count
    life = planting.life_ms * NS_PER_MS
    if 2 * life > window:
        raise ConfigError(
            f"{planting.count} dislocations of {planting.life_ms} ms do not fit into "
            f"{(last - first) // NS_PER_MS} ms; plant fewer, shorter, or over more minutes"
        )
    number = {market.symbol: i for i, market in enumerate(markets)}
    symbol = np.array([number[name] for name in cycles.symbols])[cycles.leg_symbol]
    half = half_spread[symbol]
    cost = half[:, 0] + half[:, 1] + half[:, 2]
    cheap = np.argsort(cost, kind="stable")[: (len(cycles) + 1) // 2]
    cycle = cheap[rng.integers(0, len(cheap), planting.count)]
    start = (
        first + window * np.arange(planting.count) + rng.integers(0, window - life, planting.count)
    )
    return Schedule(
        cycles=cycles,
        cycle=cycle,
        leg_symbol=symbol[cycle],
        leg_side=cycles.leg_side[cycle].astype(np.int64),
        moved=np.diff(cycles.through_ptr)[cycles.leg_symbol[cycle]].argmin(axis=1),
        start_ns=start,
        end_ns=start + life,
        gross=planting.gross_bps * 1e-4,
        seen_gross=np.full(planting.count, np.nan),
    )
