"""The kernel's allocations: the rules of ``Allocator`` and of the baselines, compiled.

Property tests hold each equal, decision for decision, to the object it stands for.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb_pipelines.allocation.simulation.kernel_state import (
    ABSENT,
    ENTERED,
    ENTERED_N,
    FIGHTS,
    FREE,
    RESERVED,
    RESOLVED,
    STEALS,
    WAITING,
    WAITING_N,
    State,
    enter,
    keep_only,
    log,
    wait,
)
from arb_pipelines.allocation.simulation.panel import TICK_NS
from arb_pipelines.allocation.simulation.world import (
    Barrier,
    Floats,
    Int32,
    Int64,
    Kind,
    Policy,
    Rules,
    UInt8,
    World,
)

_NO_PRICE, _MARKET_CLOSED = int(Barrier.NO_PRICE), int(Barrier.MARKET_CLOSED)
_TOLERANCE, _ENTRY_TOLERANCE = int(Barrier.TOLERANCE), int(Barrier.ENTRY_TOLERANCE)
_COOL_DOWN, _FIGHT = int(Barrier.COOL_DOWN), int(Barrier.FIGHT)
_PROTECTED, _CAPACITY = int(Barrier.PROTECTED), int(Barrier.CAPACITY)
_ENTER, _STEAL, _LOSS = int(Kind.ENTER), int(Kind.STEAL), int(Kind.LOSS)
_BLOCK, _FOUGHT, _RESOLVED = int(Kind.BLOCK), int(Kind.FIGHT), int(Kind.RESOLVED)
_STEALING, _RANKED = int(Policy.STEALING), int(Policy.RANKED)


@njit(cache=True, nogil=True, inline="always")
def decide(world: World, rules: Rules, policy: int, state: State, tick: int) -> None:
    """Give capacity to whom the policy gives it in this tick."""
    if policy != _STEALING:
        if state.counts[WAITING_N]:
            _in_turn(world, policy, state, tick)
        return
    market_open = world.market_open[tick] != 0
    tolerance = rules.normal_tolerance_pct if market_open else rules.out_of_hours_tolerance_pct
    forces = not market_open and not _enough_within(world, rules, state, tolerance)
    outlook = _outlook(world, rules, state, tick)
    n, busy = _queue(
        state.waiting[: state.counts[WAITING_N]],
        state.queue,
        state.away,
        state.blocked,
        state.barrier,
        world.symbol,
        world.is_stock,
        world.limit,
        world.needs,
        state.px,
        state.symbol_until,
        tick * TICK_NS,
        market_open,
        tolerance,
        rules.entry_tolerance_pct,
        state.cash[FREE],
        outlook,
        forces,
    )
    if busy:
        state.forced[:n] = 0
        if forces:
            _mark_forced(world, rules, state, n)
        _by_distance(world, rules, state, tick, n, tolerance)
    else:
        for order in state.queue[:n]:
            _block(state, tick, order, state.barrier[order])


@njit(cache=True, nogil=True)
def _block(state: State, tick: int, order: int, barrier: int) -> None:
    """Tell what blocks an order, unless that has been told."""
    if barrier != state.blocked[order]:
        state.blocked[order] = barrier
        state.blocks[barrier] += 1
        log(state, tick, _BLOCK, order, barrier, 0.0)


@njit(cache=True, nogil=True, inline="always")
def _outlook(world: World, rules: Rules, state: State, tick: int) -> tuple[float, float, int]:
    """Give the furthest distance that may be stolen from, the furthest of all, and what spares it.

    A fight spares from some thieves only, so its pair counts as one that may.
    """
    stealable = furthest = -1.0
    reason = _CAPACITY
    for i in range(state.counts[ENTERED_N]):
        order = state.entered[i]
        far = distance(state.px[world.symbol[order]], world.limit[order])
        if far == np.inf:
            continue
        why = _sparing(world, rules, state, tick, -1, order, far)
        if far >= furthest:
            furthest, reason = far, why
        if why < 0:
            stealable = max(stealable, far)
    return stealable, furthest, reason


@njit(cache=True, nogil=True)
def distance(px: float, limit: float) -> float:
    """Percent of the limit that the price must fall; infinite without a price."""
    if not px > 0.0:
        return np.inf
    return max(0.0, (px - limit) / limit * 100.0)


@njit(cache=True, nogil=True)
def _queue(
    waiting: Int64,
    queue: Int64,
    away: Floats,
    blocked: Int64,
    barriers: Int64,
    symbol: Int32,
    is_stock: UInt8,
    limit: Floats,
    needs: Int64,
    px: Floats,
    symbol_until: Int64,
    now: int,
    market_open: bool,
    tolerance: float,
    entry_tolerance: float,
    free: int,
    outlook: tuple[float, float, int],
    everybody: bool,
) -> tuple[int, bool]:
    """Queue those for whom something may change, nearest first.

    Gives their number, and whether anybody can enter or steal. While nobody can,
    what blocks an order does not depend on the others: it is noted in
    ``barriers``, and who stays blocked for the same reason is left out. Otherwise
    all within reach are queued. Plain arrays, since this runs at every tick.
    """
    stealable, furthest, reason = outlook
    n, busy = 0, everybody
    for i in range(waiting.shape[0]):
        order = waiting[i]
        s = symbol[order]
        far = away[order] = distance(px[s], limit[order])
        if far == np.inf:
            barrier = _NO_PRICE
        elif not market_open and is_stock[s]:
            barrier = _MARKET_CLOSED
        elif far > tolerance:
            barrier = _TOLERANCE
        elif needs[order] <= free:
            busy = True
            break
        elif far > entry_tolerance:
            barrier = _ENTRY_TOLERANCE
        elif now < symbol_until[s]:
            barrier = _COOL_DOWN
        elif far < stealable:
            busy = True
            break
        else:
            barrier = reason if far < furthest else _CAPACITY
        if barrier != blocked[order]:
            barriers[order] = barrier
            n = _insert(queue, away, n, order)
    if not busy:
        return n, False
    n = 0
    for i in range(waiting.shape[0]):
        order = waiting[i]
        s = symbol[order]
        far = away[order] = distance(px[s], limit[order])
        too_far = tolerance < far < np.inf and (market_open or not is_stock[s])
        if everybody or not too_far or blocked[order] != _TOLERANCE:
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
def _enough_within(world: World, rules: Rules, state: State, tolerance: float) -> bool:
    """Whether those who are to be forced are all within the tolerance in any case."""
    near, most = 0, rules.force_immediate_count
    for i in range(state.counts[WAITING_N] + state.counts[ENTERED_N]):
        if near >= most:
            break
        late = i - state.counts[WAITING_N]
        order = state.entered[late] if late >= 0 else state.waiting[i]
        s = world.symbol[order]
        near += not world.is_stock[s] and distance(state.px[s], world.limit[order]) <= tolerance
    return near >= most


@njit(cache=True, nogil=True)
def _by_distance(
    world: World, rules: Rules, state: State, tick: int, n: int, tolerance: float
) -> None:
    """Let the queue enter, steal, or be told why not."""
    market_open = world.market_open[tick] != 0
    thieves = losses = 0
    for i in range(n):
        order = state.queue[i]
        away = state.away[order]
        if away == np.inf:
            barrier = _NO_PRICE
        elif not market_open and world.is_stock[world.symbol[order]]:
            barrier = _MARKET_CLOSED
        elif away > tolerance and not state.forced[i]:
            barrier = _TOLERANCE
        elif world.needs[order] <= state.cash[FREE]:
            enter(world, state, order, tick)
            log(state, tick, _ENTER, order, 0, world.needs[order])
            continue
        elif away > rules.entry_tolerance_pct:
            barrier = _ENTRY_TOLERANCE
        else:
            barrier, taken = _steal(world, rules, state, tick, order, away, losses)
            if barrier < 0:
                state.thieves[thieves] = order
                thieves, losses = thieves + 1, losses + taken
                continue
        _block(state, tick, order, barrier)
    state.counts[WAITING_N] = keep_only(
        state.waiting, state.counts[WAITING_N], state.status, WAITING
    )
    if thieves:
        _take_effect(world, state, tick, thieves)


@njit(cache=True, nogil=True)
def _mark_forced(world: World, rules: Rules, state: State, n: int) -> None:
    """Mark the crypto orders in the queue that are among the nearest of all, entered included."""
    nearer = 0
    for i in range(n):
        order = state.queue[i]
        away = state.away[order]
        if nearer >= rules.force_immediate_count or away == np.inf:
            return
        if world.is_stock[world.symbol[order]]:
            continue
        rank = nearer
        for j in range(state.counts[ENTERED_N]):
            other = state.entered[j]
            if not world.is_stock[world.symbol[other]]:
                far = distance(state.px[world.symbol[other]], world.limit[other])
                rank += far < away or (far == away and other < order)
        state.forced[i] = rank < rules.force_immediate_count
        nearer += 1


@njit(cache=True, nogil=True)
def _steal(
    world: World, rules: Rules, state: State, tick: int, thief: int, away: float, first: int
) -> tuple[int, int]:
    """Take from the furthest until it is enough: -1 and the number of victims, or the barrier."""
    now = tick * TICK_NS
    symbol = world.symbol[thief]
    if now < state.symbol_until[symbol]:
        return _COOL_DOWN, 0
    missing = world.needs[thief] - state.cash[FREE]
    spared, taken = -1, 0
    last_far, last = np.inf, 0
    while missing > 0:
        victim, far = -1, -1.0
        for j in range(state.counts[ENTERED_N]):
            other = state.entered[j]
            d = distance(state.px[world.symbol[other]], world.limit[other])
            if not away < d < np.inf or d > last_far or (d == last_far and other >= last):
                continue
            if d >= far:  # by rising number: of equals the last submitted
                victim, far = other, d
        if victim < 0:
            return (spared if spared >= 0 else _CAPACITY), 0
        last_far, last = far, victim
        why = _sparing(world, rules, state, tick, symbol, victim, far)
        if why < 0:
            state.victims[first + taken] = victim
            taken += 1
            missing -= world.needs[victim]
        elif spared < 0:
            spared = why
    _book(world, rules, state, tick, thief, away, first, taken)
    return -1, taken


@njit(cache=True, nogil=True)
def _sparing(
    world: World, rules: Rules, state: State, tick: int, thief: int, victim: int, far: float
) -> int:
    """Number of the rule that spares a victim from a symbol's thief; -1 if none does."""
    now = tick * TICK_NS
    if rules.by_time:
        if (tick - state.entered_at[victim]) * TICK_NS < rules.protection_ns:
            return _PROTECTED
    elif far <= rules.protection_pct:
        return _PROTECTED
    symbol = world.symbol[victim]
    if state.moved_at[victim] == tick or now < state.symbol_until[symbol]:
        return _COOL_DOWN
    if thief >= 0 and now < state.pair_until[min(thief, symbol), max(thief, symbol)]:
        return _FIGHT
    return -1


@njit(cache=True, nogil=True)
def _book(
    world: World,
    rules: Rules,
    state: State,
    tick: int,
    thief: int,
    away: float,
    first: int,
    taken: int,
) -> None:
    """Bind what is free to the thief, take its victims from the venue, and note who rests."""
    now = tick * TICK_NS
    state.cash[RESERVED] += state.cash[FREE]
    state.holds[thief], state.awaits[thief] = state.cash[FREE], taken
    state.cash[FREE] = 0
    state.counts[STEALS] += 1
    state.status[thief], state.moved_at[thief], state.stole[thief] = ABSENT, tick, 1
    state.blocked[thief] = -1
    log(state, tick, _STEAL, thief, taken, away)
    for j in range(first, first + taken):
        victim = state.victims[j]
        log(
            state,
            tick,
            _LOSS,
            thief,
            victim,
            distance(state.px[world.symbol[victim]], world.limit[victim]),
        )
        state.status[victim], state.moved_at[victim] = ABSENT, tick
    for j in range(first, first + taken):
        one, other = world.symbol[thief], world.symbol[state.victims[j]]
        low, high = min(one, other), max(one, other)
        state.symbol_until[one] = state.symbol_until[other] = now + rules.cool_down_ns
        in_turn = state.run_last[low, high] == other and other != one
        run = state.run_length[low, high] + 1 if in_turn else 1
        state.run_last[low, high], state.run_length[low, high] = one, run
        if run >= rules.fight_threshold:
            state.run_last[low, high] = -1
            state.pair_until[low, high] = now + rules.fight_cool_down_ns
            state.counts[FIGHTS] += 1
            log(state, tick, _FOUGHT, one, other, 0.0)
    state.counts[ENTERED_N] = keep_only(
        state.entered, state.counts[ENTERED_N], state.status, ENTERED
    )


@njit(cache=True, nogil=True)
def _take_effect(world: World, state: State, tick: int, thieves: int) -> None:
    """Let the victims' cancels take effect, one by one, and enter each thief after its last."""
    at = 0
    for i in range(thieves):
        thief = state.thieves[i]
        held = state.holds[thief]
        for victim in state.victims[at : at + state.awaits[thief]]:
            if state.stole[victim]:
                state.stole[victim] = 0
                state.counts[RESOLVED] += 1
                log(state, tick, _RESOLVED, victim, 0, 0.0)
            _release(world, state, victim)
            wait(world, state, victim)
            more = min(state.cash[FREE], world.needs[thief] - held)
            held += more
            state.cash[FREE] -= more
            state.cash[RESERVED] += more
        at += state.awaits[thief]
        state.cash[FREE] += held
        state.cash[RESERVED] -= held
        enter(world, state, thief, tick)
        log(state, tick, _ENTER, thief, 0, world.needs[thief])


@njit(cache=True, nogil=True)
def _release(world: World, state: State, order: int) -> None:
    state.cash[RESERVED] -= world.needs[order]
    state.cash[FREE] += world.needs[order]


@njit(cache=True, nogil=True)
def _in_turn(world: World, policy: int, state: State, tick: int) -> None:
    """First come, or highest forecast first; the first that finds no room stops the rest."""
    n, queue = state.counts[WAITING_N], state.queue
    queue[:n] = state.waiting[:n]
    for i in range(n):
        order = queue[i]
        if not state.px[world.symbol[order]] > 0.0:
            continue
        if world.needs[order] > state.cash[FREE] and not (
            policy == _RANKED and _displace(world, state, tick, order)
        ):
            break
        enter(world, state, order, tick)
        log(state, tick, _ENTER, order, 0, world.needs[order])
    state.counts[WAITING_N] = keep_only(
        state.waiting, state.counts[WAITING_N], state.status, WAITING
    )


@njit(cache=True, nogil=True)
def _displace(world: World, state: State, tick: int, order: int) -> bool:
    """Take the lowest forecasts from the venue until the order fits: enough of them, or none."""
    forecast = world.forecast
    missing, taken = world.needs[order] - state.cash[FREE], 0
    last_worth, last = np.iinfo(np.int64).min, 0
    while missing > 0:
        victim, worth = -1, forecast[order]
        for j in range(state.counts[ENTERED_N]):
            other = state.entered[j]
            w = forecast[other]
            if w < last_worth or (w == last_worth and other >= last):
                continue
            if w < worth or (w == worth and victim >= 0):
                victim, worth = other, w
        if victim < 0:
            return False
        last_worth, last = worth, victim
        state.victims[taken] = victim
        taken += 1
        missing -= world.needs[victim]
    state.counts[STEALS] += 1
    log(state, tick, _STEAL, order, taken, forecast[order])
    for j in range(taken):
        victim = state.victims[j]
        log(state, tick, _LOSS, order, victim, forecast[victim])
        _release(world, state, victim)
        wait(world, state, victim)
    state.counts[ENTERED_N] = keep_only(
        state.entered, state.counts[ENTERED_N], state.status, ENTERED
    )
    return True
