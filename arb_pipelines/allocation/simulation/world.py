"""What a simulation is given and what it gives, in arrays that both engines read.

Only shapes and codes belong here, since the kernel compiles anew for whatever it
imports: worlds are built in ``build``, the engines are ``readable`` and ``kernel``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
UInt8 = npt.NDArray[np.uint8]
Records = npt.NDArray[Any]


class Policy(IntEnum):
    """Who gets capacity."""

    STEALING = 0  # the allocator: by distance, with stealing
    FIRST_COME = 1  # whoever came first, for as long as its order lives
    RANKED = 2  # the highest forecast profit, displacing the lowest


class Ending(IntEnum):
    """How an opportunity ended; those from ``TARGET`` on were trades."""

    NEVER = 0  # the data ended first
    EXPIRED = 1  # its time was up, or its session
    WITHDRAWN = 2  # the price had passed its stop while it waited
    TARGET = 3
    STOP = 4
    TIME = 5
    DATA_END = 6
    MARGIN = 7  # nothing of its own was left at its session's end


class Kind(IntEnum):
    """What a line of the decision log tells; ``other`` and ``value`` differ by kind."""

    ENTER = 0  # value: cents reserved
    STEAL = 1  # other: number of victims; value: the thief's distance, or its forecast
    LOSS = 2  # other: the victim; value: the victim's distance, or its forecast
    BLOCK = 3  # other: number of the barrier
    FIGHT = 4
    RESOLVED = 5  # other: 1 if the thief filled
    FILL = 6  # other: 1 if it took; value: price
    CLOSE = 7  # other: the ending; value: cents that came back
    DELEVER = 8  # value: cents of the position sold


class Barrier(IntEnum):
    """Reasons of blocks by number: ``allocation.decisions.Reason``, in its order."""

    NO_PRICE = 0
    MARKET_CLOSED = 1
    TOLERANCE = 2
    ENTRY_TOLERANCE = 3
    COOL_DOWN = 4
    FIGHT = 5
    PROTECTED = 6
    CAPACITY = 7


#: From this barrier on an order was near enough to steal.
FIRST_STEAL_BARRIER = Barrier.COOL_DOWN

FATE = np.dtype(
    [
        ("ending", np.int8),
        ("filled", np.int64),  # ticks; -1 for never
        ("closed", np.int64),
        ("entry_px", np.float64),
        ("exit_px", np.float64),
        ("profit", np.int64),  # cents, after all costs
        ("fees", np.int64),
        ("interest", np.int64),
        ("slippage", np.int64),
    ]
)
DECISION = np.dtype(
    [
        ("tick", np.int64),
        ("kind", np.int8),
        ("order", np.int64),
        ("other", np.int64),
        ("value", np.float64),
    ]
)


class World(NamedTuple):
    """Prices, orders and terms.

    Orders come and expire on the hour: ``first`` and ``until`` are first ticks of one.
    ``path`` has shape ``(hours, symbols, 4)``, NaN without a bar; ``day_end`` marks
    the last hour of each UTC day. ``needs`` and ``notional`` are cents an order;
    ``forecast`` is its expected profit in cents as known when it is proposed.
    ``costs`` holds fee and slippage as fractions, by kind (0 crypto, 1 stock).
    """

    path: Floats
    is_stock: UInt8
    last: UInt8
    market_open: UInt8
    day_end: UInt8
    symbol: Int32
    first: Int64
    until: Int64
    hold: Int64
    limit: Floats
    target: Floats
    stop: Floats
    needs: Int64
    notional: Int64
    forecast: Int64
    fee: Floats
    slippage: Floats
    capital: int
    stake: int
    overnight: float
    rate: float


class Count(IntEnum):
    """Columns of ``Outcome.so_far``."""

    ENTERS = 0
    STEALS = 1
    FIGHTS = 2
    SUCCESSES = 3  # steals whose thief filled
    RESOLVED = 4  # steals whose outcome is known
    RESERVED = 5  # cents reserved, summed over ticks
    SPENT = 6  # cents in positions, summed over ticks
    BLOCKS = 7  # near enough to steal, and could not: barriers from ``FIRST_STEAL_BARRIER`` on


class Rules(NamedTuple):
    """The allocator's settings as numbers; times are ns."""

    by_time: bool
    protection_pct: float
    protection_ns: int
    entry_tolerance_pct: float
    normal_tolerance_pct: float
    out_of_hours_tolerance_pct: float
    force_immediate_count: int
    cool_down_ns: int
    fight_threshold: int
    fight_cool_down_ns: int


class Outcome(NamedTuple):
    """What a simulation came to.

    ``fates`` by opportunity; ``profits`` (cents) by hour, with positions at their
    last price; ``so_far`` counts from the start to the end of each hour, a column a
    ``Count``; ``blocks`` by barrier; ``paid_in`` is what the account was given in
    all, less what it paid out, and ``free`` its cash at the end.
    """

    fates: Records
    profits: Int64
    so_far: Int64
    decisions: Records
    blocks: Int64
    paid_in: int
    free: int

    def total(self, count: Count) -> int:
        """Give a count over the whole simulation."""
        return int(self.so_far[-1, count]) if len(self.so_far) else 0
