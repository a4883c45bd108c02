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
from arb_pipelines.allocation.simulation.world import Barrier, Kind, Policy, Rules, World

_NO_PRICE, _MARKET_CLOSED = int(Barrier.NO_PRICE), int(Barrier.MARKET_CLOSED)
_TOLERANCE, _ENTRY_TOLERANCE = int(Barrier.TOLERANCE), int(Barrier.ENTRY_TOLERANCE)
_COOL_DOWN, _FIGHT = int(Barrier.COOL_DOWN), int(Barrier.FIGHT)
_PROTECTED, _CAPACITY = int(Barrier.PROTECTED), int(Barrier.CAPACITY)
_ENTER, _STEAL, _LOSS = int(Kind.ENTER), int(Kind.STEAL), int(Kind.LOSS)
_BLOCK, _FOUGHT, _RESOLVED = int(Kind.BLOCK), int(Kind.FIGHT), int(Kind.RESOLVED)
_STEALING, _RANKED = int(Policy.STEALING), int(Policy.RANKED)


@njit(cache=True, nogil=True)
def decide(world: World, rules: Rules, policy: int, state: State, tick: int) -> None:
    """Give capacity to whom the policy gives it in this tick."""
    n = state.counts[WAITING_N]
    if n == 0:
        return
    _rank(world, policy, state, n)
    queue = state.queue
    queue[:n] = state.waiting[:n]
    if policy == _STEALING:
        _by_distance(world, rules, state, tick, n)
    else:
        _in_turn(world, policy, state, tick, n)


@njit(cache=True, nogil=True)
def distance(world: World, state: State, order: int) -> float:
    """Percent of the limit that the price must fall; infinite without a price."""
    px, limit = state.px[world.symbol[order]], world.limit[order]
    if not px > 0.0:
        return np.inf
    away: float = (px - limit) / limit * 100.0
    return max(0.0, away)


@njit(cache=True, nogil=True)
def _rank(world: World, policy: int, state: State, n: int) -> None:
    """Sort who waits; little changes between ticks, so insertion is quick."""
    waiting, key = state.waiting, state.key
    for i in range(n):
        order = waiting[i]
        if policy == _STEALING:
            key[order] = distance(world, state, order)
        elif policy == _RANKED:
            key[order] = -float(world.forecast[order])
        rank, at = key[order], i
        while at and (
            key[waiting[at - 1]] > rank
            or (key[waiting[at - 1]] == rank and waiting[at - 1] > order)
        ):
            waiting[at] = waiting[at - 1]
            at -= 1
        waiting[at] = order


@njit(cache=True, nogil=True)
def _by_distance(world: World, rules: Rules, state: State, tick: int, n: int) -> None:
    market_open = world.market_open[tick] != 0
    state.forced[:n] = 0
    if not market_open:
        _mark_forced(world, rules, state, n)
    tolerance = rules.normal_tolerance_pct if market_open else rules.out_of_hours_tolerance_pct
    thieves = losses = 0
    for i in range(n):
        order = state.queue[i]
        away = state.key[order]
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
        if barrier != state.blocked[order]:
            state.blocked[order] = barrier
            state.blocks[barrier] += 1
            log(state, tick, _BLOCK, order, barrier, 0.0)
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
        away = state.key[order]
        if nearer >= rules.force_immediate_count or away == np.inf:
            return
        if world.is_stock[world.symbol[order]]:
            continue
        rank = nearer
        for j in range(state.counts[ENTERED_N]):
            other = state.entered[j]
            if not world.is_stock[world.symbol[other]]:
                far = distance(world, state, other)
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
            d = distance(world, state, other)
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
    if now < state.pair_until[min(thief, symbol), max(thief, symbol)]:
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
        log(state, tick, _LOSS, thief, victim, distance(world, state, victim))
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
            wait(state, victim)
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
def _in_turn(world: World, policy: int, state: State, tick: int, n: int) -> None:
    """First come, or highest forecast first; the first that finds no room stops the rest."""
    for i in range(n):
        order = state.queue[i]
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
        wait(state, victim)
    state.counts[ENTERED_N] = keep_only(
        state.entered, state.counts[ENTERED_N], state.status, ENTERED
    )
    return True
