"""Hourly bars of several symbols side by side, and the price within a bar.

A panel has a row for every UTC hour from its first to its last, whether or not
anything traded. Where the bars come from belongs to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arb_pipelines.clock import NS_PER_S

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HOUR_NS = 3_600 * NS_PER_S
#: Looks at the price an hour: the open, then eight on the way to each corner.
TICKS = 25
#: Ticks between two corners of a bar's path.
STRIDE = 8
TICK_NS = HOUR_NS // TICKS
#: Log odds that the low came first, by the bar's rise over its range: a logistic fit to 60,000
#: simulated Brownian hours of 1,000 steps, right to 1.5 points of percent in every tenth.
_LOW_FIRST = 6.14


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars by hour and symbol; shapes ``(hours,)``, ``(symbols,)`` or ``(hours, symbols)``.

    ``open`` to ``close`` are NaN where a symbol has no bar. ``session`` marks the
    hours that lie wholly in a session of the stock market, ``last`` the last such
    hour of each; ``market_open`` tells for each tick whether that market is open.
    """

    symbols: tuple[str, ...]
    is_stock: Bools
    ts_open: Int64
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    session: Bools
    last: Bools
    market_open: Bools

    @property
    def bars(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Open, high, low, close."""
        return self.open, self.high, self.low, self.close


def tick_times(ts_open: Int64) -> Int64:
    """Time of every tick of the hours, ns, rising."""
    return (ts_open[:, None] + TICK_NS * np.arange(TICKS)).ravel()


def corners(open_: Floats, high: Floats, low: Floats, close: Floats, draws: Floats) -> Floats:
    """Give the four corners of each bar's path, as a last axis: open, extremes, close.

    Which extreme comes first is drawn: ``draws`` are uniform from 0 to 1. The low
    does with the probability that a Brownian motion with these four prices has. A
    fixed order, such as the nearer first, would make the way an hour begins a
    forecast of how it ends, and whoever decides within bars would earn by it.
    """
    with np.errstate(invalid="ignore"):  # a flat bar: no matter what comes first
        rise = (close - open_) / (high - low)
        low_first = draws < 1.0 / (1.0 + np.exp(-_LOW_FIRST * rise))
    second = np.where(low_first, low, high)
    third = np.where(low_first, high, low)
    return np.stack([open_, second, third, close], axis=-1)


def price_at(path: Floats, tick: int) -> Floats:
    """Prices at a tick of an hour (0 to 24): straight lines between the corners."""
    leg, part = divmod(tick, STRIDE)
    if part == 0:
        here: Floats = path[..., leg]
        return here
    between: Floats = path[..., leg] + (path[..., leg + 1] - path[..., leg]) * (part / STRIDE)
    return between
