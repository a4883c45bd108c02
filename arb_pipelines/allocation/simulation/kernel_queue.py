"""Who has to be looked at in a tick: plain arrays in, a short list out.

Most ticks change nothing for most orders, and these functions find that out cheaply.
What is done about the others is the part of ``kernel_decide``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb_pipelines.allocation.simulation.world import Barrier, Floats, Int32, Int64, Records, UInt8

_NO_PRICE, _MARKET_CLOSED = int(Barrier.NO_PRICE), int(Barrier.MARKET_CLOSED)
_TOLERANCE, _ENTRY_TOLERANCE = int(Barrier.TOLERANCE), int(Barrier.ENTRY_TOLERANCE)
_COOL_DOWN, _CAPACITY = int(Barrier.COOL_DOWN), int(Barrier.CAPACITY)


@njit(cache=True, nogil=True)
def distance(px: float, limit: float) -> float:
    """Percent of the limit that the price must fall; infinite without a price."""
    if not px > 0.0:
        return np.inf
    return max(0.0, (px - limit) / limit * 100.0)


@njit(cache=True, nogil=True)
def highest_within(limit: Floats, pct: float) -> Floats:
    """Give for each limit the highest price that is not further away than ``pct``, to the bit.

    The distance never falls as the price rises, so comparing prices compares
    distances, without a division.
    """
    found = np.empty(limit.shape[0])
    for i in range(limit.shape[0]):
        px = limit[i] * (1.0 + pct / 100.0)
        while distance(px, limit[i]) > pct:
            px = np.nextafter(px, 0.0)
        above = np.nextafter(px, np.inf)
        while distance(above, limit[i]) <= pct:
            px, above = above, np.nextafter(above, np.inf)
        found[i] = px
    return found


@njit(cache=True, nogil=True)
def queue_up(
    waiting: Int64,
    queue: Int64,
    away: Floats,
    barriers: Int64,
    wishes: Records,
    px: Floats,
    symbol_until: Int64,
    now: int,
    market_open: bool,
    free: int,
    outlook: tuple[float, float, int],
    everybody: bool,
) -> tuple[int, bool]:
    """Queue those for whom something may change, nearest first.

    Gives their number, and whether anybody can enter or steal. While nobody can,
    what blocks an order does not depend on the others: it is noted in
    ``barriers``, and who stays blocked for the same reason is left out. Otherwise
    all within reach are queued. Few arrays, since this runs at every tick.
    """
    stealable, furthest, reason = outlook
    n, busy = 0, everybody
    for i in range(waiting.shape[0]):
        order = waiting[i]
        wish = wishes[order]
        price = px[wish["symbol"]]
        rests = now < symbol_until[wish["symbol"]]
        far_px = wish["day_px"] if market_open else wish["night_px"]
        # choices without branches, which no processor would guess
        within = _COOL_DOWN if rests else _CAPACITY
        within = _ENTRY_TOLERANCE if price > wish["near_px"] else within
        barrier = _TOLERANCE if price > far_px else within
        if not price > 0.0:
            barrier = _NO_PRICE
        elif not market_open and wish["stock"]:
            barrier = _MARKET_CLOSED
        elif wish["needs"] <= free and price <= far_px:
            busy = True
            break
        elif furthest >= 0.0 and barrier == _CAPACITY:
            far = distance(price, wish["limit"])
            if far < stealable:
                busy = True
                break
            barrier = reason if far < furthest else _CAPACITY
        if barrier != wish["blocked"]:
            barriers[order], away[order] = barrier, distance(price, wish["limit"])
            n = _insert(queue, away, n, order)
    if not busy:
        return n, False
    n = 0
    for i in range(waiting.shape[0]):
        order = waiting[i]
        wish = wishes[order]
        price = px[wish["symbol"]]
        tradable = price > 0.0 and (market_open or not wish["stock"])
        if tradable and not everybody:
            if price > (wish["day_px"] if market_open else wish["night_px"]):
                if wish["blocked"] == _TOLERANCE:
                    continue
            elif (
                price > wish["near_px"]
                and wish["needs"] > free
                and wish["blocked"] == _ENTRY_TOLERANCE
            ):
                continue
        away[order] = distance(price, wish["limit"])
        n = _insert(queue, away, n, order)
    return n, True


@njit(cache=True, nogil=True)
def _insert(queue: Int64, away: Floats, n: int, order: int) -> int:
    """Put an order in its place by distance and number; give the length of the queue."""
    far, at = away[order], n
    while at and (
        away[queue[at - 1]] > far or (away[queue[at - 1]] == far and queue[at - 1] > order)
    ):
        queue[at] = queue[at - 1]
        at -= 1
    queue[at] = order
    return n + 1


@njit(cache=True, nogil=True)
def enough_within(
    tolerance: float,
    most: int,
    waiting: Int64,
    entered: Int64,
    symbol: Int32,
    is_stock: UInt8,
    limit: Floats,
    px: Floats,
) -> bool:
    """Whether those who are to be forced, at ``most`` so many, are within the tolerance anyway."""
    near = 0
    for orders in (waiting, entered):
        for order in orders:
            if near >= most:
                return True
            s = symbol[order]
            near += not is_stock[s] and distance(px[s], limit[order]) <= tolerance
    return near >= most


@njit(cache=True, nogil=True)
def is_worth_more(order: int, entered: Int64, forecast: Int64) -> bool:
    """Whether anybody at the venue has a lower forecast."""
    lower = 0
    for other in entered:
        lower += forecast[other] < forecast[order]
    return lower > 0
