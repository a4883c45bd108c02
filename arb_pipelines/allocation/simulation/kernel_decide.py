"""The kernel's allocations: the rules of ``Allocator`` and of the baselines, compiled.

Property tests hold each equal, decision for decision, to the object it stands for.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from arb_pipelines.allocation.simulation.kernel_queue import (
    distance,
    enough_within,
    is_worth_more,
    queue_up,
)
from arb_pipelines.allocation.simulation.kernel_state import (
    ENTERED,
    ENTERED_N,
    FREE,
    STEALS,
    WAITING,
    WAITING_N,
    State,
    enter,
    keep_only,
    log,
    wait,
)
from arb_pipelines.allocation.simulation.kernel_steal import outlook, release, steal, take_effect
from arb_pipelines.allocation.simulation.panel import TICK_NS
from arb_pipelines.allocation.simulation.world import Barrier, Kind, Policy, Rules, World

_NO_PRICE, _MARKET_CLOSED = int(Barrier.NO_PRICE), int(Barrier.MARKET_CLOSED)
_TOLERANCE, _ENTRY_TOLERANCE = int(Barrier.TOLERANCE), int(Barrier.ENTRY_TOLERANCE)
_COOL_DOWN, _CAPACITY = int(Barrier.COOL_DOWN), int(Barrier.CAPACITY)
_ENTER, _STEAL, _LOSS = int(Kind.ENTER), int(Kind.STEAL), int(Kind.LOSS)
_BLOCK = int(Kind.BLOCK)
_STEALING, _RANKED = int(Policy.STEALING), int(Policy.RANKED)


@njit(cache=True, nogil=True, inline="always")
def decide(world: World, rules: Rules, policy: int, state: State, tick: int) -> None:
    """Give capacity to whom the policy gives it in this tick."""
    waiting = state.waiting[: state.counts[WAITING_N]]
    entered = state.entered[: state.counts[ENTERED_N]]
    if policy != _STEALING:
        if waiting.shape[0] and not (
            state.px[world.symbol[waiting[0]]] > 0.0
            and world.needs[waiting[0]] > state.cash[FREE]
            and not (policy == _RANKED and is_worth_more(waiting[0], entered, world.forecast))
        ):
            _in_turn(world, policy, state, tick)
        return
    market_open = world.market_open[tick] != 0
    tolerance = rules.normal_tolerance_pct if market_open else rules.out_of_hours_tolerance_pct
    forces = not market_open and not enough_within(
        tolerance,
        rules.force_immediate_count,
        waiting,
        entered,
        world.symbol,
        world.is_stock,
        world.limit,
        state.px,
    )
    chances = outlook(world, rules, state, tick)
    n, busy = queue_up(
        waiting,
        state.queue,
        state.away,
        state.barrier,
        state.wishes,
        state.px,
        state.symbol_until,
        tick * TICK_NS,
        market_open,
        state.cash[FREE],
        chances,
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
    """Tell what blocks an order from now on."""
    state.wishes[order]["blocked"] = barrier
    state.blocks[barrier] += 1
    log(state, tick, _BLOCK, order, barrier, 0.0)


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
        elif tick * TICK_NS < state.symbol_until[world.symbol[order]]:
            barrier = _COOL_DOWN
        elif state.counts[ENTERED_N] == 0:
            barrier = _CAPACITY
        else:
            barrier, taken = steal(world, rules, state, tick, order, away, losses)
            if barrier < 0:
                state.thieves[thieves] = order
                thieves, losses = thieves + 1, losses + taken
                continue
        if barrier != state.wishes[order]["blocked"]:
            _block(state, tick, order, barrier)
    state.counts[WAITING_N] = keep_only(
        state.waiting, state.counts[WAITING_N], state.status, WAITING
    )
    if thieves:
        take_effect(world, state, tick, thieves)


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
        release(world, state, victim)
        wait(world, state, victim)
    state.counts[ENTERED_N] = keep_only(
        state.entered, state.counts[ENTERED_N], state.status, ENTERED
    )
    return True
