"""The kernel's positions and cash: closing, deleveraging, interest, the day's settlement."""

from __future__ import annotations

import math

from numba import njit

from arb_pipelines.allocation.simulation.kernel_state import (
    ABSENT,
    FREE,
    HELD,
    HELD_N,
    PAID_IN,
    RESERVED,
    SPENT,
    State,
    keep_only,
    log,
)
from arb_pipelines.allocation.simulation.panel import TICK_NS
from arb_pipelines.allocation.simulation.world import Ending, Kind, World

_TICK_S = TICK_NS // 1_000_000_000
_YEAR_S = 365 * 86_400
_TARGET, _STOP, _TIME = int(Ending.TARGET), int(Ending.STOP), int(Ending.TIME)
_DATA_END, _MARGIN = int(Ending.DATA_END), int(Ending.MARGIN)
_CLOSE, _DELEVER = int(Kind.CLOSE), int(Kind.DELEVER)


@njit(cache=True, nogil=True)
def close_due(world: World, state: State, tick: int, opening: bool) -> None:
    """Close the positions that reach target or stop, or have been held long enough."""
    for i in range(state.counts[HELD_N]):
        order = state.held[i]
        px = state.px[world.symbol[order]]
        stop, target = world.stop[order], world.target[order]
        if px <= stop:
            crossed = not opening and state.fates[order]["entry_px"] > stop
            _close(world, state, order, tick, stop if crossed else px, _STOP)
        elif px >= target:
            _close(world, state, order, tick, px if opening else target, _TARGET)
        elif tick >= state.due[order] and px > 0.0:
            _close(world, state, order, tick, px, _TIME)
    state.counts[HELD_N] = keep_only(state.held, state.counts[HELD_N], state.status, HELD)


@njit(cache=True, nogil=True)
def _close(world: World, state: State, order: int, tick: int, px: float, ending: int) -> None:
    stock = world.is_stock[world.symbol[order]]
    got_px = px if ending == _TARGET else px * (1.0 - world.slippage[stock])
    units, cost = state.units[order], world.needs[order]
    gross = cents(units * got_px)
    fee, interest = cents(gross * world.fee[stock]), _interest(world, state, order, tick)
    back = gross - fee - interest - state.loan[order]
    if back < 0:  # more than the stake is lost: paid from free cash as far as it goes
        back = -min(state.cash[FREE], -back)
    state.cash[SPENT] -= cost
    state.cash[FREE] += back
    state.status[order] = ABSENT
    log(state, tick, _CLOSE, order, ending, back)
    fate = state.fates[order]
    fate["ending"], fate["closed"], fate["exit_px"] = ending, tick, got_px
    fate["profit"] += back - cost
    fate["fees"] += fee
    fate["interest"] += interest
    fate["slippage"] += cents(units * (px - got_px))


@njit(cache=True, nogil=True)
def close_all(world: World, state: State, tick: int) -> None:
    """Close every position at its last price, since the data ends."""
    for i in range(state.counts[HELD_N]):
        order = state.held[i]
        _close(world, state, order, tick, state.last_px[world.symbol[order]], _DATA_END)
    state.counts[HELD_N] = 0


@njit(cache=True, nogil=True)
def delever_all(world: World, state: State, tick: int) -> None:
    """Bring every stock position to overnight leverage."""
    for i in range(state.counts[HELD_N]):
        order = state.held[i]
        s = world.symbol[order]
        px = state.px[s]
        if not world.is_stock[s] or not px > 0.0:
            continue
        value = cents(state.units[order] * px)
        owed = state.loan[order] + _interest(world, state, order, tick)
        cost = world.slippage[1] + world.fee[1] * (1.0 - world.slippage[1])
        if value - owed <= cost * value:
            _close(world, state, order, tick, px, _MARGIN)
            continue
        excess = (value - world.overnight * (value - owed)) / (1.0 - world.overnight * cost)
        if excess <= 0.0:
            continue
        got_px = px * (1.0 - world.slippage[1])
        sold = excess / px
        gross = cents(sold * got_px)
        fee = cents(gross * world.fee[1])
        log(state, tick, _DELEVER, order, 0, excess)
        fate = state.fates[order]
        fate["interest"] += owed - state.loan[order]
        fate["fees"] += fee
        fate["slippage"] += cents(sold * (px - got_px))
        state.units[order] -= sold
        state.loan[order], state.since[order] = owed - (gross - fee), tick
    state.counts[HELD_N] = keep_only(state.held, state.counts[HELD_N], state.status, HELD)


@njit(cache=True, nogil=True)
def _interest(world: World, state: State, order: int, tick: int) -> int:
    seconds = (tick - state.since[order]) * _TICK_S
    owed: int = cents(state.loan[order] * world.rate * seconds / _YEAR_S)
    return owed


@njit(cache=True, nogil=True)
def settle_day(world: World, state: State) -> int:
    """Bring the account back to its capital as far as free cash goes; give what was paid in."""
    payment: int = world.capital - state.cash[FREE] - state.cash[RESERVED] - state.cash[SPENT]
    payment = max(payment, -state.cash[FREE])
    state.cash[FREE] += payment
    state.counts[PAID_IN] += payment
    return payment


@njit(cache=True, nogil=True)
def marked_worth(world: World, state: State) -> int:
    """Cash, and positions at their last price less what they owe, in cents."""
    worth = state.cash[FREE] + state.cash[RESERVED]
    for i in range(state.counts[HELD_N]):
        order = state.held[i]
        px = state.last_px[world.symbol[order]]
        worth += cents(state.units[order] * px) - state.loan[order]
    found: int = worth
    return found


@njit(cache=True, nogil=True)
def cents(amount: float) -> int:
    """Round to whole cents, halves up."""
    return math.floor(amount + 0.5)
