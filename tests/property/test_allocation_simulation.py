"""The two simulators mean the same, keep every cent, and a world in which much happens shows it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.allocation.simulation.build import rules_of
from arb_pipelines.allocation.simulation.kernel import run_kernel
from arb_pipelines.allocation.simulation.readable import simulate
from arb_pipelines.allocation.simulation.world import Outcome, Policy
from tests.fakes.allocation_worlds import AllocationWorld, random_allocation_world

worlds = st.integers(0, 2**32 - 1).map(random_allocation_world)
ROOM = 200_000


def _kernel(world: AllocationWorld, policy: Policy) -> Outcome:
    return run_kernel(world.world, rules_of(world.settings), policy, room=ROOM)


@settings(max_examples=60, deadline=None)
@given(world=worlds, policy=st.sampled_from(Policy))
def test_simulators_agree_decision_for_decision(world: AllocationWorld, policy: Policy) -> None:
    """Every decision, fate, count and cent of the kernel is that of the readable simulator."""
    one, other = simulate(world.world, world.settings, policy), _kernel(world, policy)
    assert len(one.decisions) < ROOM
    for name in ("decisions", "fates", "profits", "so_far", "blocks"):
        a, b = getattr(one, name), getattr(other, name)
        assert len(a) == len(b), name
        assert a.tobytes() == b.tobytes(), f"{name}: {a[a != b][:3]} is not {b[a != b][:3]}"
    for name in ("paid_in", "free"):
        assert getattr(one, name) == getattr(other, name), name
