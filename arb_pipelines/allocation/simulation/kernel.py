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
    FREE,
    HELD_N,
    LOGGED,
    PAID_IN,
    RESERVED,
    RESERVED_SUM,
    RESOLVED,
    SPENT,
    SPENT_SUM,
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
from arb_pipelines.allocation.simulation.world import (
    FIRST_STEAL_BARRIER,
    Count,
    Ending,
    Floats,
    Int32,
    Int64,
    Kind,
    Outcome,
    Policy,
    Rules,
    UInt8,
    World,
)

_TICK_S = TICK_NS // 1_000_000_000
_YEAR_S = 365 * 86_400
_HELD = 3  # a status beside those of ``kernel_state``
_NEVER, _EXPIRED, _WITHDRAWN = int(Ending.NEVER), int(Ending.EXPIRED), int(Ending.WITHDRAWN)
_TARGET, _STOP, _TIME = int(Ending.TARGET), int(Ending.STOP), int(Ending.TIME)
_DATA_END, _MARGIN = int(Ending.DATA_END), int(Ending.MARGIN)
_BLOCKS, _FIRST_STEAL_BARRIER = int(Count.BLOCKS), int(FIRST_STEAL_BARRIER)
_RESOLVED, _FILL = int(Kind.RESOLVED), int(Kind.FILL)
_CLOSE, _DELEVER = int(Kind.CLOSE), int(Kind.DELEVER)


def run_kernel(
    world: World, rules: Rules, policy: Policy = Policy.STEALING, *, room: int = 0
) -> Outcome:
    """Run a world through a policy; ``rules`` matter to stealing only.

    The first ``room`` decisions are kept, the others only counted.
    """
    state = new_state(world, policy, room)
    _run(world, rules, int(policy), state)
    return Outcome(
        state.fates,
        state.profits,
        state.so_far,
        state.decisions[: state.counts[LOGGED]],
        state.blocks,
        paid_in=int(state.counts[PAID_IN]),
        free=int(state.cash[FREE]),
    )


@njit(cache=True, nogil=True)
def _run(world: World, rules: Rules, policy: int, state: State) -> None:
    counts = state.counts
    hours, worth = world.path.shape[0], world.capital
    for hour in range(hours):
        for part in range(TICKS):
            tick = hour * TICKS + part
            _show(world.path, state.px, state.last_px, hour, part)
            if part == 0:
                _expire(world, state, tick)
            if _exit_is_due(
                state.held[: counts[HELD_N]],
                state.px,
                world.symbol,
                world.stop,
                world.target,
                state.due,
                tick,
            ):
                _exits(world, state, tick, part == 0)
            if part == 0:
                _arrivals(world, state, tick)
            if _any_below(state.px, state.highest_stop):
                _withdraw(world, state, tick)
            if _is_reached(state.entered[: counts[ENTERED_N]], state.px, world.symbol, world.limit):
                _fills(world, state, tick, part == 0)
            decide(world, rules, policy, state, tick)
            _see_above(
                state.entered[: counts[ENTERED_N]],
                state.px,
                world.symbol,
                world.limit,
                state.above,
            )
            if part == TICKS - 1 and world.last[hour]:
                _delever_all(world, state, tick)
            counts[RESERVED_SUM] += state.cash[RESERVED]
            counts[SPENT_SUM] += state.cash[SPENT]
        state.so_far[hour, :_BLOCKS] = counts[:_BLOCKS]
        state.so_far[hour, _BLOCKS] = state.blocks[_FIRST_STEAL_BARRIER:].sum()
        marked = _marked(world, state)
        state.profits[hour] = marked - worth
        worth = marked
        if world.day_end[hour]:
            worth += _settle_day(world, state)
    _finish(world, state, hours * TICKS)
    if hours:
        state.profits[hours - 1] += state.cash[FREE] - worth


@njit(cache=True, nogil=True)
def _show(path: Floats, shown: Floats, last: Floats, hour: int, part: int) -> None:
    """Set the prices of the tick, NaN where a symbol has no bar."""
    leg, step = part // STRIDE, part % STRIDE
    for s in range(shown.shape[0]):
        px = path[hour, s, leg]
        if step:
            px = px + (path[hour, s, leg + 1] - px) * (step / STRIDE)
        shown[s] = px
        if not np.isnan(px):
            last[s] = px


@njit(cache=True, nogil=True)
def _any_below(px: Floats, bounds: Floats) -> bool:
    """Whether any symbol's price is at or below its bound."""
    below = 0
    for s in range(px.shape[0]):
        below += px[s] <= bounds[s]
    return below > 0


@njit(cache=True, nogil=True)
def _is_reached(orders: Int64, px: Floats, symbol: Int32, bounds: Floats) -> bool:
    """Whether the price of any order is at or below its bound."""
    reached = 0
    for order in orders:
        reached += px[symbol[order]] <= bounds[order]
    return reached > 0


@njit(cache=True, nogil=True)
def _see_above(orders: Int64, px: Floats, symbol: Int32, limit: Floats, above: UInt8) -> None:
    """Note the orders at the venue whose limit is still to be reached from above."""
    for order in orders:
        if px[symbol[order]] > limit[order]:
            above[order] = 1


@njit(cache=True, nogil=True)
def _exit_is_due(
    held: Int64, px: Floats, symbol: Int32, stop: Floats, target: Floats, due: Int64, tick: int
) -> bool:
    """Whether any position may be closed in this tick."""
    for i in range(held.shape[0]):
        order = held[i]
        price = px[symbol[order]]
        if price <= stop[order] or price >= target[order] or tick >= due[order]:
            return True
    return False


# --- orders


@njit(cache=True, nogil=True)
def _expire(world: World, state: State, tick: int) -> None:
    """End the orders whose time is up."""
    for i in range(state.counts[WAITING_N]):
        if world.until[state.waiting[i]] <= tick:
            _end(state, state.waiting[i], tick, _EXPIRED)
    _drop_waiting(world, state)
    for i in range(state.counts[ENTERED_N]):
        order = state.entered[i]
        if world.until[order] <= tick:
            _leave(world, state, order, tick, False)
            _end(state, order, tick, _EXPIRED)
    _drop_entered(state)


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
    """Submit what is new."""
    while state.counts[ARRIVED] < world.first.shape[0]:
        order = state.counts[ARRIVED]
        if world.first[order] > tick:
            break
        wait(world, state, order)
        state.counts[ARRIVED] += 1


@njit(cache=True, nogil=True)
def _withdraw(world: World, state: State, tick: int) -> None:
    for i in range(state.counts[WAITING_N]):
        order = state.waiting[i]
        if state.px[world.symbol[order]] <= world.stop[order]:
            _end(state, order, tick, _WITHDRAWN)
    _drop_waiting(world, state)


@njit(cache=True, nogil=True)
def _drop_waiting(world: World, state: State) -> None:
    n = keep_only(state.waiting, state.counts[WAITING_N], state.status, WAITING)
    state.counts[WAITING_N] = n
    state.highest_stop[:] = 0.0
    for order in state.waiting[:n]:
        s = world.symbol[order]
        state.highest_stop[s] = max(state.highest_stop[s], world.stop[order])


@njit(cache=True, nogil=True)
def _fills(world: World, state: State, tick: int, opening: bool) -> None:
    """Fill orders at the venue whose limit is reached, in order of submission."""
    for i in range(state.counts[ENTERED_N]):
        order = state.entered[i]
        s = world.symbol[order]
        px, limit = state.px[s], world.limit[order]
        if not px <= limit or not (opening or state.above[order]):
            continue
        paid, taker = px if opening else limit, state.above[order] == 0
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
        state.due[order] = tick + world.hold[order]
        fate = state.fates[order]
        fate["filled"], fate["entry_px"] = tick, paid
        fate["fees"] = world.needs[order] - world.stake
        if taker:
            fate["slippage"] = _cents(state.units[order] * (paid - px))
    _drop_entered(state)


@njit(cache=True, nogil=True)
def _drop_entered(state: State) -> None:
    n = keep_only(state.entered, state.counts[ENTERED_N], state.status, ENTERED)
    state.counts[ENTERED_N] = n


# --- positions


@njit(cache=True, nogil=True)
def _exits(world: World, state: State, tick: int, opening: bool) -> None:
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
def _settle_day(world: World, state: State) -> int:
    """Bring the account back to its capital as far as free cash goes; give what was paid in."""
    payment: int = world.capital - state.cash[FREE] - state.cash[RESERVED] - state.cash[SPENT]
    payment = max(payment, -state.cash[FREE])
    state.cash[FREE] += payment
    state.counts[PAID_IN] += payment
    return payment


@njit(cache=True, nogil=True)
def _marked(world: World, state: State) -> int:
    """Cash, and positions at their last price less what they owe, in cents."""
    worth = state.cash[FREE] + state.cash[RESERVED]
    for i in range(state.counts[HELD_N]):
        order = state.held[i]
        px = state.last_px[world.symbol[order]]
        worth += _cents(state.units[order] * px) - state.loan[order]
    cents: int = worth
    return cents


@njit(cache=True, nogil=True)
def _cents(amount: float) -> int:
    return math.floor(amount + 0.5)
