"""The kernel's memory: who waits, rests and holds, the cash, and what has been counted.

Plain arrays; what happens to them is the part of ``kernel`` and ``kernel_decide``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from arb_pipelines.allocation.simulation.world import (
    DECISION,
    FATE,
    Barrier,
    Count,
    Floats,
    Int64,
    Policy,
    Records,
    UInt8,
    World,
)

#: Indices of ``State.cash``.
FREE, RESERVED, SPENT = range(3)
#: Indices of ``State.counts``: first those of ``Count``, then lengths and sums of our own.
ENTERS, STEALS, FIGHTS, SUCCESSES, RESOLVED, RESERVED_SUM, SPENT_SUM = range(7)
LOGGED, WAITING_N, ENTERED_N, HELD_N, ARRIVED, PAID_IN = range(7, 13)
#: Values of ``State.status``.
ABSENT, WAITING, ENTERED, HELD = range(4)


#: What is asked of every waiting order at every tick, side by side in memory. The prices are
#: the highest within the tolerances: of stealing, of entering in market hours and out of them.
#: ``blocked`` is the barrier it was last told of, -1 for none.
WISH = np.dtype(
    [
        ("limit", np.float64),
        ("near_px", np.float64),
        ("day_px", np.float64),
        ("night_px", np.float64),
        ("needs", np.int64),
        ("blocked", np.int64),
        ("symbol", np.int32),
        ("stock", np.int32),
    ]
)


class State(NamedTuple):
    """Everything a simulation changes; an order is the index of its opportunity.

    ``waiting``, ``entered`` and ``held`` list orders, as many as their count says:
    by rank and number, by number, by time of fill. ``rank`` is what a policy ranks
    by before all else, lowest first; ``away`` the distance of an order in the
    queue. A thief ``holds`` cents while it ``awaits`` the cancels of so many
    victims. ``above`` marks who entered, or saw a bar open,
    before the price had passed its limit. ``barrier`` is what keeps a waiting order
    out now. ``entered_at`` and ``moved_at`` are ticks, ``due`` that of the latest close.
    ``highest_stop``, by symbol, is that of the orders which wait, or higher.
    ``symbol_until``, ``pair_until`` (ns), ``run_last`` and ``run_length`` are the
    allocator's rests.
    """

    waiting: Int64
    entered: Int64
    held: Int64
    queue: Int64
    forced: UInt8
    thieves: Int64
    victims: Int64
    holds: Int64
    awaits: Int64
    status: UInt8
    rank: Int64
    away: Floats
    entered_at: Int64
    moved_at: Int64
    stole: UInt8
    above: UInt8
    wishes: Records
    barrier: Int64
    units: Floats
    loan: Int64
    since: Int64
    due: Int64
    symbol_until: Int64
    pair_until: Int64
    run_last: Int64
    run_length: Int64
    px: Floats
    last_px: Floats
    highest_stop: Floats
    cash: Int64
    counts: Int64
    blocks: Int64
    profits: Int64
    so_far: Int64
    fates: Records
    decisions: Records


def new_state(world: World, policy: Policy, room: int) -> State:
    """Make the state a simulation begins with; ``room`` is for so many logged decisions."""
    n, symbols = len(world.first), len(world.is_stock)
    waiting, entered, held, queue, thieves, victims, holds, awaits, loan, since, due = (
        np.zeros(n, np.int64) for _ in range(11)
    )
    fates = np.zeros(n, FATE)
    fates["filled"] = fates["closed"] = -1
    return State(
        waiting,
        entered,
        held,
        queue,
        forced=np.zeros(n, np.uint8),
        thieves=thieves,
        victims=victims,
        holds=holds,
        awaits=awaits,
        status=np.zeros(n, np.uint8),
        rank=-world.forecast if policy is Policy.RANKED else np.zeros(n, np.int64),
        away=np.zeros(n),
        entered_at=np.full(n, -1, np.int64),
        moved_at=np.full(n, -1, np.int64),
        stole=np.zeros(n, np.uint8),
        above=np.zeros(n, np.uint8),
        wishes=_wishes(world),
        barrier=np.full(n, -1, np.int64),
        units=np.zeros(n),
        loan=loan,
        since=since,
        due=due,
        symbol_until=np.zeros(symbols, np.int64),
        pair_until=np.zeros((symbols, symbols), np.int64),
        run_last=np.full((symbols, symbols), -1, np.int64),
        run_length=np.zeros((symbols, symbols), np.int64),
        px=np.full(symbols, np.nan),
        last_px=np.full(symbols, np.nan),
        highest_stop=np.zeros(symbols),
        cash=np.array([world.capital, 0, 0], np.int64),
        counts=np.zeros(PAID_IN + 1, np.int64),
        blocks=np.zeros(len(Barrier), np.int64),
        profits=np.zeros(len(world.path), np.int64),
        so_far=np.zeros((len(world.path), len(Count)), np.int64),
        fates=fates,
        decisions=np.zeros(room, DECISION),
    )


def _wishes(world: World) -> Records:
    wishes = np.zeros(len(world.first), WISH)
    wishes["limit"], wishes["needs"], wishes["blocked"] = world.limit, world.needs, -1
    wishes["symbol"], wishes["stock"] = world.symbol, world.is_stock[world.symbol]
    return wishes


@njit(cache=True, nogil=True)
def log(state: State, tick: int, kind: int, order: int, other: int, value: float) -> None:
    """Write a decision down while there is room, and count it in any case."""
    at = state.counts[LOGGED]
    if at < state.decisions.shape[0]:
        line = state.decisions[at]
        line["tick"], line["kind"], line["order"] = tick, kind, order
        line["other"], line["value"] = other, value
    state.counts[LOGGED] += 1


@njit(cache=True, nogil=True)
def wait(world: World, state: State, order: int) -> None:
    """Put an order in its place among those that wait."""
    rank, waiting, at = state.rank, state.waiting, state.counts[WAITING_N]
    while at and (
        rank[waiting[at - 1]] > rank[order]
        or (rank[waiting[at - 1]] == rank[order] and waiting[at - 1] > order)
    ):
        waiting[at] = waiting[at - 1]
        at -= 1
    waiting[at] = order
    state.counts[WAITING_N] += 1
    state.status[order] = WAITING
    s = world.symbol[order]
    state.highest_stop[s] = max(state.highest_stop[s], world.stop[order])


@njit(cache=True, nogil=True)
def enter(world: World, state: State, order: int, tick: int) -> None:
    """Reserve what an order needs and list it, by number, among those at the venue."""
    state.cash[FREE] -= world.needs[order]
    state.cash[RESERVED] += world.needs[order]
    at = state.counts[ENTERED_N]
    while at and state.entered[at - 1] > order:
        state.entered[at] = state.entered[at - 1]
        at -= 1
    state.entered[at] = order
    state.counts[ENTERED_N] += 1
    state.counts[ENTERS] += 1
    state.status[order] = ENTERED
    state.entered_at[order] = state.moved_at[order] = tick
    state.wishes[order]["blocked"] = -1
    state.above[order] = 0


@njit(cache=True, nogil=True)
def keep_only(orders: Int64, n: int, status: UInt8, kept: int) -> int:
    """Drop from a list whoever has another status, in place; give how many are left."""
    left = 0
    for i in range(n):
        if status[orders[i]] == kept:
            orders[left] = orders[i]
            left += 1
    return left
