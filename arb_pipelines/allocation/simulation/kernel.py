"""The fast simulator: the ticks of ``readable``, compiled.

Equal to it for every decision and cent, which property tests hold them to; the
order of what a tick does is told there.
"""

from __future__ import annotations

from numba import njit

from arb_pipelines.allocation.simulation.kernel_account import (
    cents,
    close_all,
    close_due,
    delever_all,
    marked_worth,
    settle_day,
)
from arb_pipelines.allocation.simulation.kernel_decide import decide
from arb_pipelines.allocation.simulation.kernel_prices import (
    any_below,
    exit_is_due,
    is_reached,
    low_at,
    see_above,
    show,
)
from arb_pipelines.allocation.simulation.kernel_queue import highest_within
from arb_pipelines.allocation.simulation.kernel_state import (
    ABSENT,
    ARRIVED,
    ENTERED,
    ENTERED_N,
    FREE,
    HELD,
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
from arb_pipelines.allocation.simulation.panel import TICKS
from arb_pipelines.allocation.simulation.world import (
    FIRST_STEAL_BARRIER,
    Count,
    Ending,
    Kind,
    Outcome,
    Policy,
    Rules,
    World,
)

_NEVER, _EXPIRED, _WITHDRAWN = int(Ending.NEVER), int(Ending.EXPIRED), int(Ending.WITHDRAWN)
_RESOLVED, _FILL = int(Kind.RESOLVED), int(Kind.FILL)
_STEALING = int(Policy.STEALING)
_BLOCKS, _FIRST_STEAL_BARRIER = int(Count.BLOCKS), int(FIRST_STEAL_BARRIER)


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
    if policy == _STEALING:
        wishes = state.wishes
        wishes["near_px"][:] = highest_within(world.limit, rules.entry_tolerance_pct)
        wishes["day_px"][:] = highest_within(world.limit, rules.normal_tolerance_pct)
        wishes["night_px"][:] = highest_within(world.limit, rules.out_of_hours_tolerance_pct)
    hours, worth = world.path.shape[0], world.capital
    for hour in range(hours):
        for part in range(TICKS):
            tick = hour * TICKS + part
            show(world.path, state.px, state.last_px, hour, part)
            if part == 0:
                _expire(world, state, tick)
            if exit_is_due(
                state.held[: counts[HELD_N]],
                state.px,
                world.symbol,
                world.stop,
                world.target,
                state.due,
                tick,
            ):
                close_due(world, state, tick, part == 0)
            if part == 0:
                _arrivals(world, state, tick)
            if any_below(state.px, state.highest_stop):
                _withdraw(world, state, tick)
            if is_reached(state.entered[: counts[ENTERED_N]], state.px, world.symbol, world.limit):
                _fills(world, state, hour, part)
            decide(world, rules, policy, state, tick)
            see_above(
                state.entered[: counts[ENTERED_N]],
                state.px,
                world.symbol,
                world.limit,
                state.entered_at,
                state.above,
                tick,
                part == 0,
            )
            if part == TICKS - 1 and world.last[hour]:
                delever_all(world, state, tick)
            counts[RESERVED_SUM] += state.cash[RESERVED]
            counts[SPENT_SUM] += state.cash[SPENT]
        state.so_far[hour, :_BLOCKS] = counts[:_BLOCKS]
        state.so_far[hour, _BLOCKS] = state.blocks[_FIRST_STEAL_BARRIER:].sum()
        marked = marked_worth(world, state)
        state.profits[hour] = marked - worth
        worth = marked
        if world.day_end[hour]:
            worth += settle_day(world, state)
    _finish(world, state, hours * TICKS)
    if hours:
        state.profits[hours - 1] += state.cash[FREE] - worth


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
def _fills(world: World, state: State, hour: int, part: int) -> None:
    """Fill orders at the venue whose limit is reached, in order of submission."""
    tick, opening = hour * TICKS + part, part == 0
    for i in range(state.counts[ENTERED_N]):
        order = state.entered[i]
        s = world.symbol[order]
        px, limit = state.px[s], world.limit[order]
        if not px <= limit:
            continue
        if not opening and not (state.above[order] and part <= low_at(world.path, hour, s)):
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
        state.status[order] = HELD
        state.units[order] = world.notional[order] / paid
        state.loan[order], state.since[order] = world.notional[order] - world.stake, tick
        state.due[order] = tick + world.hold[order]
        fate = state.fates[order]
        fate["filled"], fate["entry_px"] = tick, paid
        fate["fees"] = world.needs[order] - world.stake
        if taker:
            fate["slippage"] = cents(state.units[order] * (paid - px))
    _drop_entered(state)


@njit(cache=True, nogil=True)
def _drop_entered(state: State) -> None:
    n = keep_only(state.entered, state.counts[ENTERED_N], state.status, ENTERED)
    state.counts[ENTERED_N] = n


@njit(cache=True, nogil=True)
def _finish(world: World, state: State, tick: int) -> None:
    """Close every position at its last price, and end every order."""
    close_all(world, state, tick)
    for i in range(state.counts[ENTERED_N]):
        _leave(world, state, state.entered[i], tick, False)
        _end(state, state.entered[i], tick, _NEVER)
    for i in range(state.counts[WAITING_N]):
        _end(state, state.waiting[i], tick, _NEVER)
