"""The two simulators mean the same and keep their promises, and much happens in their worlds."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.allocation.simulation.build import BARRIERS, rules_of
from arb_pipelines.allocation.simulation.forecasts import with_forecasts
from arb_pipelines.allocation.simulation.kernel import run_kernel
from arb_pipelines.allocation.simulation.panel import TICK_NS, TICKS
from arb_pipelines.allocation.simulation.readable import simulate
from arb_pipelines.allocation.simulation.world import (
    Barrier,
    Ending,
    Kind,
    Outcome,
    Policy,
    World,
)
from tests.fakes.allocation_worlds import AllocationWorld, random_allocation_world

seeds = st.integers(0, 2**32 - 1)
worlds = seeds.map(random_allocation_world)
policies = st.sampled_from(Policy)
ROOM = 200_000


def _run(world: AllocationWorld, policy: Policy = Policy.STEALING) -> Outcome:
    outcome = run_kernel(world.world, rules_of(world.settings), policy, room=ROOM)
    assert len(outcome.decisions) < ROOM
    return outcome


@settings(max_examples=60, deadline=None)
@given(world=worlds, policy=policies)
def test_simulators_agree_decision_for_decision(world: AllocationWorld, policy: Policy) -> None:
    """Every decision, fate, count and cent of the kernel is that of the readable simulator."""
    one, other = simulate(world.world, world.settings, policy), _run(world, policy)
    for name in ("decisions", "fates", "profits", "so_far", "blocks"):
        a, b = getattr(one, name), getattr(other, name)
        assert len(a) == len(b), name
        assert a.tobytes() == b.tobytes(), f"{name}: {a[a != b][:3]} is not {b[a != b][:3]}"
    assert (one.paid_in, one.free) == (other.paid_in, other.free)


def test_much_happens_in_the_random_worlds() -> None:
    """The worlds of the equality test bring every decision, every block and nearly every ending."""
    kinds, endings, blocks = np.zeros(len(Kind), int), np.zeros(len(Ending), int), np.zeros(8, int)
    several = taken = 0
    for seed in range(150):
        outcome = _run(random_allocation_world(seed))
        lines = outcome.decisions
        kinds += np.bincount(lines["kind"], minlength=len(Kind))
        endings += np.bincount(outcome.fates["ending"], minlength=len(Ending))
        blocks += outcome.blocks
        several += int((lines["other"][lines["kind"] == Kind.STEAL] > 1).sum())
        taken += int(lines["other"][lines["kind"] == Kind.FILL].sum())
    assert all(kinds[kind] >= 20 for kind in Kind)
    assert all(endings[ending] >= 20 for ending in Ending if ending is not Ending.MARGIN)
    assert all(blocks[barrier] >= 20 for barrier in Barrier)
    assert several >= 20
    assert taken >= 20


def test_barriers_are_the_allocators_reasons_in_their_order() -> None:
    """The kernel's numbers cannot drift from the allocator's reasons."""
    assert list(BARRIERS.values()) == list(Barrier)


@settings(max_examples=60, deadline=None)
@given(world=worlds, policy=policies)
def test_cash_is_conserved_and_capacity_never_exceeded(
    world: AllocationWorld, policy: Policy
) -> None:
    """A ledger kept from the decisions alone finds every cent, and never a debt."""
    given_world, outcome = world.world, _run(world, policy)
    free = _ledger(given_world, outcome)
    assert free == outcome.free
    assert outcome.free == given_world.capital + outcome.fates["profit"].sum() + outcome.paid_in
    assert outcome.profits.sum() == outcome.fates["profit"].sum()


def _ledger(world: World, outcome: Outcome) -> int:
    """Follow the cash through the decisions; give what is free at the end."""
    lines = defaultdict(list)
    for line in outcome.decisions:
        lines[int(line["tick"])].append(line)
    expired = defaultdict(list)
    for order in np.flatnonzero(np.isin(outcome.fates["ending"], (Ending.EXPIRED, Ending.NEVER))):
        expired[int(outcome.fates["closed"][order])].append(int(order))
    free, reserved, spent, paid_in = world.capital, {}, {}, 0
    for tick in range(len(world.path) * TICKS + 1):
        for order in expired[tick]:
            free += reserved.pop(order, 0)
        for line in lines[tick]:
            order, needs = int(line["order"]), int(world.needs[line["order"]])
            match line["kind"]:
                case Kind.ENTER:
                    free, reserved[order] = free - needs, needs
                case Kind.LOSS:
                    free += reserved.pop(int(line["other"]))
                case Kind.FILL:
                    spent[order] = reserved.pop(order)
                case Kind.CLOSE:
                    free, _ = free + int(line["value"]), spent.pop(order)
            # a steal's losses are logged before its entry, so that the sum is whole at each line
            assert free >= 0
        hour, part = divmod(tick, TICKS)
        if part == TICKS - 1 and world.day_end[hour]:
            total = free + sum(reserved.values()) + sum(spent.values())
            payment = max(world.capital - total, -free)
            free, paid_in = free + payment, paid_in + payment
    assert not reserved
    assert not spent
    assert paid_in == outcome.paid_in
    return free


@settings(max_examples=60, deadline=None)
@given(world=worlds)
def test_the_protected_are_never_stolen_from(world: AllocationWorld) -> None:
    """Nobody loses its place within the protection, of distance or of time."""
    rules, entered = world.settings, {}
    for line in _run(world).decisions:
        if line["kind"] == Kind.ENTER:
            entered[int(line["order"])] = int(line["tick"])
        if line["kind"] == Kind.LOSS and rules.protection == "distance":
            assert line["value"] > rules.protection_pct
        elif line["kind"] == Kind.LOSS:
            age = int(line["tick"]) - entered[int(line["other"])]
            assert age * TICK_NS >= rules.protection_ns


@settings(max_examples=60, deadline=None)
@given(world=worlds)
def test_nobody_steals_enters_and_is_stolen_from_in_one_tick(world: AllocationWorld) -> None:
    """Within a tick an order is a thief, or a victim, or new at the venue: one of them."""
    lines = _run(world).decisions
    for tick in np.unique(lines["tick"][lines["kind"] == Kind.STEAL]):
        now = lines[lines["tick"] == tick]
        victims = set(now["other"][now["kind"] == Kind.LOSS])
        assert len(victims) == (now["kind"] == Kind.LOSS).sum()
        assert not victims & set(now["order"][np.isin(now["kind"], (Kind.STEAL, Kind.ENTER))])


@settings(max_examples=40, deadline=None)
@given(seed=seeds, policy=policies, hour=st.integers(1, 71))
def test_no_decision_sees_a_later_bar(seed: int, policy: Policy, hour: int) -> None:
    """Other bars from an hour on change no decision, and no forecast, before it."""
    one, other = random_allocation_world(seed), random_allocation_world(seed, changed_from=hour)
    before, after = (_early(_run(each, policy), hour) for each in (one, other))
    assert before.tobytes() == after.tobytes()
    known, changed = (with_forecasts(each.world) for each in (one, other))
    early = (known.first < hour * TICKS).sum()
    assert (known.forecast[:early] == changed.forecast[:early]).all()


def _early(outcome: Outcome, hour: int) -> npt.NDArray[np.void]:
    return outcome.decisions[outcome.decisions["tick"] < hour * TICKS]
