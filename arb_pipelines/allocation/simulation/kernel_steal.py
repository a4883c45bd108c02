"""Stealing, compiled: from whom, who is spared, who rests after it, and when it takes effect."""

from __future__ import annotations

import numpy as np
from numba import njit

from arb_pipelines.allocation.simulation.kernel_queue import distance
from arb_pipelines.allocation.simulation.kernel_state import (
    ABSENT,
    ENTERED,
    ENTERED_N,
    FIGHTS,
    FREE,
    RESERVED,
    RESOLVED,
    STEALS,
    State,
    enter,
    keep_only,
    log,
    wait,
)
from arb_pipelines.allocation.simulation.panel import TICK_NS
from arb_pipelines.allocation.simulation.world import Barrier, Kind, Rules, World

_COOL_DOWN, _FIGHT = int(Barrier.COOL_DOWN), int(Barrier.FIGHT)
_PROTECTED, _CAPACITY = int(Barrier.PROTECTED), int(Barrier.CAPACITY)
_ENTER, _STEAL, _LOSS = int(Kind.ENTER), int(Kind.STEAL), int(Kind.LOSS)
_FOUGHT, _RESOLVED = int(Kind.FIGHT), int(Kind.RESOLVED)


@njit(cache=True, nogil=True, inline="always")
def outlook(world: World, rules: Rules, state: State, tick: int) -> tuple[float, float, int]:
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
        s = world.symbol[order]
        why = _sparing(
            rules,
            tick,
            far,
            state.entered_at[order],
            state.moved_at[order],
            state.symbol_until[s],
            0,
        )
        if far >= furthest:
            furthest, reason = far, why
        if why < 0:
            stealable = max(stealable, far)
    return stealable, furthest, reason


@njit(cache=True, nogil=True)
def steal(
    world: World, rules: Rules, state: State, tick: int, thief: int, away: float, first: int
) -> tuple[int, int]:
    """Take from the furthest until it is enough: -1 and the number of victims, or the barrier."""
    symbol = world.symbol[thief]
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
        other_symbol = world.symbol[victim]
        why = _sparing(
            rules,
            tick,
            far,
            state.entered_at[victim],
            state.moved_at[victim],
            state.symbol_until[other_symbol],
            state.pair_until[min(symbol, other_symbol), max(symbol, other_symbol)],
        )
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
    rules: Rules,
    tick: int,
    far: float,
    entered_at: int,
    moved_at: int,
    symbol_until: int,
    pair_until: int,
) -> int:
    """Number of the rule that spares a victim from a thief; -1 if none does."""
    now = tick * TICK_NS
    if rules.by_time:
        if (tick - entered_at) * TICK_NS < rules.protection_ns:
            return _PROTECTED
    elif far <= rules.protection_pct:
        return _PROTECTED
    if moved_at == tick or now < symbol_until:
        return _COOL_DOWN
    return _FIGHT if now < pair_until else -1


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
    state.wishes[thief]["blocked"] = -1
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
def take_effect(world: World, state: State, tick: int, thieves: int) -> None:
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
            release(world, state, victim)
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
def release(world: World, state: State, order: int) -> None:
    state.cash[RESERVED] -= world.needs[order]
    state.cash[FREE] += world.needs[order]
