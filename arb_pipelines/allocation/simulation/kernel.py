"""The fast simulator: the ticks of ``readable``, compiled.

Equal to it for every decision and cent, which property tests hold them to; the
order of what a tick does is told there.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from arb_pipelines.allocation.simulation.kernel_decide import decide
from arb_pipelines.allocation.simulation.kernel_state import (
    ABSENT,
    ARRIVED,
    ENTERED,
    ENTERED_N,
    ENTERS,
    FIGHTS,
    FREE,
    HELD_N,
    LOGGED,
    RESERVED,
    RESERVED_SUM,
    RESOLVED,
    SPENT,
    SPENT_SUM,
    STEALS,
    SUCCESSES,
    WAITING,
    WAITING_N,
    State,
    keep_only,
    log,
    new_state,
    wait,
)
from arb_pipelines.allocation.simulation.panel import STRIDE, TICK_NS, TICKS
from arb_pipelines.allocation.simulation.world import Ending, Kind, Outcome, Policy, Rules, World

_TICK_S = TICK_NS // 1_000_000_000
_YEAR_S = 365 * 86_400
_HELD = 3  # a status beside those of ``kernel_state``
_NEVER, _EXPIRED, _WITHDRAWN = int(Ending.NEVER), int(Ending.EXPIRED), int(Ending.WITHDRAWN)
_TARGET, _STOP, _TIME = int(Ending.TARGET), int(Ending.STOP), int(Ending.TIME)
_DATA_END, _MARGIN = int(Ending.DATA_END), int(Ending.MARGIN)
_RESOLVED, _FILL = int(Kind.RESOLVED), int(Kind.FILL)
_CLOSE, _DELEVER = int(Kind.CLOSE), int(Kind.DELEVER)


def run_kernel(
    world: World, rules: Rules, policy: Policy = Policy.STEALING, *, room: int = 0
) -> Outcome:
    """Run a world through a policy; ``rules`` matter to stealing only.

    The first ``room`` decisions are kept, the others only counted.
    """
    state = new_state(world, room)
    _run(world, rules, int(policy), state)
    counts = state.counts
    return Outcome(
        state.fates,
        state.equity,
        state.decisions[: counts[LOGGED]],
        state.blocks,
        enters=int(counts[ENTERS]),
        steals=int(counts[STEALS]),
        fights=int(counts[FIGHTS]),
        successes=int(counts[SUCCESSES]),
        resolved=int(counts[RESOLVED]),
        reserved=int(counts[RESERVED_SUM]),
        spent=int(counts[SPENT_SUM]),
        free=int(state.cash[FREE]),
    )


@njit(cache=True, nogil=True)
def _run(world: World, rules: Rules, policy: int, state: State) -> None:
    hours, days = world.path.shape[0], 0
    for hour in range(hours):
        for part in range(TICKS):
            tick = hour * TICKS + part
            _show(world, state, hour, part)
            _expire(world, state, tick)
            _exits(world, state, tick, part == 0)
            _arrivals(world, state, tick)
            _fills(world, state, tick, part == 0, False)
            decide(world, rules, policy, state, tick)
            _fills(world, state, tick, False, True)
            if part == TICKS - 1 and world.last[hour]:
                _delever_all(world, state, tick)
            state.counts[RESERVED_SUM] += state.cash[RESERVED]
            state.counts[SPENT_SUM] += state.cash[SPENT]
        if world.day_end[hour]:
            state.equity[days] = _marked(world, state)
            days += 1
    _finish(world, state, hours * TICKS)
    if days:
        state.equity[days - 1] = state.cash[FREE]


@njit(cache=True, nogil=True)
def _show(world: World, state: State, hour: int, part: int) -> None:
    """Set the prices of the tick, NaN where a symbol has no bar."""
    leg, step = part // STRIDE, part % STRIDE
    for s in range(state.px.shape[0]):
        px = world.path[hour, s, leg]
        if step:
            px = px + (world.path[hour, s, leg + 1] - px) * (step / STRIDE)
        state.px[s] = px
        if not np.isnan(px):
            state.last_px[s] = px


# --- orders


@njit(cache=True, nogil=True)
def _expire(world: World, state: State, tick: int) -> None:
    status, over = state.status, 0
    for i in range(state.counts[WAITING_N]):
        order = state.waiting[i]
        if world.until[order] <= tick:
            _end(state, order, tick, _EXPIRED)
            over += 1
    if over:
        state.counts[WAITING_N] = keep_only(state.waiting, state.counts[WAITING_N], status, WAITING)
    for i in range(state.counts[ENTERED_N]):
        order = state.entered[i]
        if world.until[order] <= tick:
            _leave(world, state, order, tick, False)
            _end(state, order, tick, _EXPIRED)
            over += 1
    if over:
        state.counts[ENTERED_N] = keep_only(state.entered, state.counts[ENTERED_N], status, ENTERED)


@njit(cache=True, nogil=True)
def _end(state: State, order: int, tick: int, ending: int) -> None:
    state.status[order] = ABSENT
    fate = state.fates[order]
    fate["ending"], fate["closed"] = ending, tick


@njit(cache=True, nogil=True)
def _leave(world: World, state: State, order: int, tick: int, filled: bool) -> None:
    """Free what an order at the venue reserved, and tell what became of its steal, if any."""
    state.cash[RESERVED] -= world.needs[order]
    state.cash[FREE] += world.needs[order]
    if state.stole[order]:
        state.stole[order] = 0
        state.counts[RESOLVED] += 1
        state.counts[SUCCESSES] += filled
        log(state, tick, _RESOLVED, order, int(filled), 0.0)


@njit(cache=True, nogil=True)
def _arrivals(world: World, state: State, tick: int) -> None:
    """Submit what is new, and withdraw what waits although the price has passed its stop."""
    while state.counts[ARRIVED] < world.first.shape[0]:
        order = state.counts[ARRIVED]
        if world.first[order] > tick:
            break
        wait(state, order)
        state.counts[ARRIVED] += 1
    over = 0
    for i in range(state.counts[WAITING_N]):
        order = state.waiting[i]
        if state.px[world.symbol[order]] <= world.stop[order]:
            _end(state, order, tick, _WITHDRAWN)
            over += 1
    if over:
        state.counts[WAITING_N] = keep_only(
            state.waiting, state.counts[WAITING_N], state.status, WAITING
        )


@njit(cache=True, nogil=True)
def _fills(world: World, state: State, tick: int, opening: bool, taker: bool) -> None:
    """Fill orders at the venue whose limit is reached, in order of submission."""
    found = 0
    for i in range(state.counts[ENTERED_N]):
        order = state.entered[i]
        s = world.symbol[order]
        px, limit = state.px[s], world.limit[order]
        if not px <= limit:
            continue
        found += 1
        paid = px if opening else limit
        if taker:
            paid = min(limit, px * (1.0 + world.slippage[world.is_stock[s]]))
        log(state, tick, _FILL, order, int(taker), paid)
        _leave(world, state, order, tick, True)
        state.cash[FREE] -= world.needs[order]
        state.cash[SPENT] += world.needs[order]
        state.held[state.counts[HELD_N]] = order
        state.counts[HELD_N] += 1
        state.status[order] = _HELD
        state.units[order] = world.notional[order] / paid
        state.loan[order], state.since[order] = world.notional[order] - world.stake, tick
        fate = state.fates[order]
        fate["filled"], fate["entry_px"] = tick, paid
        fate["fees"] = world.needs[order] - world.stake
        if taker:
            fate["slippage"] = _cents(state.units[order] * (paid - px))
    if found:
        state.counts[ENTERED_N] = keep_only(
            state.entered, state.counts[ENTERED_N], state.status, ENTERED
        )


# --- positions


@njit(cache=True, nogil=True)
def _exits(world: World, state: State, tick: int, opening: bool) -> None:
    over = 0
    for i in range(state.counts[HELD_N]):
        order = state.held[i]
        px = state.px[world.symbol[order]]
        stop, target = world.stop[order], world.target[order]
        if px <= stop:
            _close(world, state, order, tick, px if opening else stop, _STOP)
        elif px >= target:
            _close(world, state, order, tick, px if opening else target, _TARGET)
        elif tick >= state.fates[order]["filled"] + world.hold[order] and px > 0.0:
            _close(world, state, order, tick, px, _TIME)
        else:
            continue
        over += 1
    if over:
        state.counts[HELD_N] = keep_only(state.held, state.counts[HELD_N], state.status, _HELD)


@njit(cache=True, nogil=True)
def _close(world: World, state: State, order: int, tick: int, px: float, ending: int) -> None:
    stock = world.is_stock[world.symbol[order]]
    got_px = px if ending == _TARGET else px * (1.0 - world.slippage[stock])
    units, cost = state.units[order], world.needs[order]
    gross = _cents(units * got_px)
    fee, interest = _cents(gross * world.fee[stock]), _interest(world, state, order, tick)
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
    fate["slippage"] += _cents(units * (px - got_px))


@njit(cache=True, nogil=True)
def _delever_all(world: World, state: State, tick: int) -> None:
    """Bring every stock position to overnight leverage."""
    for i in range(state.counts[HELD_N]):
        order = state.held[i]
        s = world.symbol[order]
        px = state.px[s]
        if not world.is_stock[s] or not px > 0.0:
            continue
        value = _cents(state.units[order] * px)
        owed = state.loan[order] + _interest(world, state, order, tick)
        if value <= owed:
            _close(world, state, order, tick, px, _MARGIN)
            continue
        excess = value - world.overnight * (value - owed)
        if excess <= 0.0:
            continue
        got_px = px * (1.0 - world.slippage[1])
        sold = excess / px
        gross = _cents(sold * got_px)
        fee = _cents(gross * world.fee[1])
        log(state, tick, _DELEVER, order, 0, excess)
        fate = state.fates[order]
        fate["interest"] += owed - state.loan[order]
        fate["fees"] += fee
        fate["slippage"] += _cents(sold * (px - got_px))
        state.units[order] -= sold
        state.loan[order], state.since[order] = owed - (gross - fee), tick
    state.counts[HELD_N] = keep_only(state.held, state.counts[HELD_N], state.status, _HELD)


@njit(cache=True, nogil=True)
def _finish(world: World, state: State, tick: int) -> None:
    """Close every position at its last price, and end every order."""
    for i in range(state.counts[HELD_N]):
        order = state.held[i]
        _close(world, state, order, tick, state.last_px[world.symbol[order]], _DATA_END)
    state.counts[HELD_N] = 0
    for i in range(state.counts[ENTERED_N]):
        _leave(world, state, state.entered[i], tick, False)
        _end(state, state.entered[i], tick, _NEVER)
    for i in range(state.counts[WAITING_N]):
        _end(state, state.waiting[i], tick, _NEVER)


@njit(cache=True, nogil=True)
def _interest(world: World, state: State, order: int, tick: int) -> int:
    seconds = (tick - state.since[order]) * _TICK_S
    cents: int = _cents(state.loan[order] * world.rate * seconds / _YEAR_S)
    return cents


@njit(cache=True, nogil=True)
def _marked(world: World, state: State) -> int:
    """Cash, and positions at their last price less what they owe, in cents."""
    worth = state.cash[FREE] + state.cash[RESERVED]
    for i in range(state.counts[HELD_N]):
        order = state.held[i]
        px = state.last_px[world.symbol[order]]
        worth += _cents(state.units[order] * px) - state.loan[order]
    return worth


@njit(cache=True, nogil=True)
def _cents(amount: float) -> int:
    return math.floor(amount + 0.5)
