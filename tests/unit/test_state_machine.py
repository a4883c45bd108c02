"""Which state of a cycle may follow which, in the machine and in the file."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.execution.state.machine import FOLLOWS, check_step
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import CycleState, NewCycle, Outcome

#: As the issue tells them, written down a second time.
ALLOWED = {
    (None, "pending"),
    ("pending", "validating"),
    ("pending", "failed"),
    ("pending", "recovering"),
    ("validating", "active"),
    ("validating", "failed"),
    ("validating", "recovering"),
    ("active", "partially_filled"),
    ("active", "completed"),
    ("active", "failed"),
    ("active", "recovering"),
    ("active", "panic_selling"),
    ("partially_filled", "active"),
    ("partially_filled", "completed"),
    ("partially_filled", "failed"),
    ("partially_filled", "recovering"),
    ("partially_filled", "panic_selling"),
    ("recovering", "active"),
    ("recovering", "completed"),
    ("recovering", "failed"),
    ("recovering", "panic_selling"),
    ("panic_selling", "completed"),
    ("panic_selling", "failed"),
    ("panic_selling", "recovering"),
}
#: The shortest way to each state.
WAYS: dict[CycleState, tuple[CycleState, ...]] = {
    CycleState.PENDING: (),
    CycleState.VALIDATING: (CycleState.VALIDATING,),
    CycleState.ACTIVE: (CycleState.VALIDATING, CycleState.ACTIVE),
    CycleState.PARTIALLY_FILLED: (
        CycleState.VALIDATING,
        CycleState.ACTIVE,
        CycleState.PARTIALLY_FILLED,
    ),
    CycleState.RECOVERING: (CycleState.RECOVERING,),
    CycleState.PANIC_SELLING: (CycleState.RECOVERING, CycleState.PANIC_SELLING),
}


@pytest.mark.parametrize("before", [None, *CycleState])
@pytest.mark.parametrize("after", list(CycleState))
def test_every_other_step_is_refused(before: CycleState | None, after: CycleState) -> None:
    """Of all pairs just those of the list pass."""
    if (before, after) in ALLOWED:
        check_step("c", before, after)
    else:
        with pytest.raises(InvariantBroken, match=f"cycle c: {after} does not follow"):
            check_step("c", before, after)


def test_every_state_has_its_row() -> None:
    """None can be met that the machine does not know."""
    assert set(FOLLOWS) == {None, *CycleState}


def test_a_refused_step_leaves_no_trace_in_the_file(tmp_path: Path) -> None:
    """Neither state nor history nor end of a cycle changes, whichever state it is in."""
    new = NewCycle("", "s", "k", "USDT", (("ETH-USDT", 0),), Decimal(100))
    with open_state(tmp_path / "state.sqlite") as store:
        for before, way in WAYS.items():
            cycle = f"c-{before}"
            store.begin(NewCycle(cycle, *_rest(new)), "why")
            for step in way:
                store.move(cycle, step, what="step", why="why")
            there, history = store.cycle(cycle), store.transitions(cycle)
            for after in CycleState:
                if (before, after) in ALLOWED:
                    continue
                with pytest.raises(InvariantBroken):
                    take(store, cycle, after)
            assert store.cycle(cycle) == there
            assert store.transitions(cycle) == history
            with pytest.raises(InvariantBroken, match="is no end"):
                store.end(cycle, before, Outcome.FILLED, profit=Decimal(1), what="w", why="w")


def test_an_end_is_no_mere_move(tmp_path: Path) -> None:
    """Who ends a cycle says with what outcome: the file holds no end without a time."""
    with open_state(tmp_path / "state.sqlite") as store:
        store.begin(NewCycle("c", "s", "k", "USDT", (("ETH-USDT", 0),), Decimal(100)), "why")
        with pytest.raises(InvariantBroken):
            store.move("c", CycleState.FAILED, what="w", why="w")
        assert store.state_of("c") is CycleState.PENDING


def take(store: StateStore, cycle: str, after: CycleState) -> None:
    """Have a cycle go to a state, or end in it."""
    if after.terminal:
        store.end(cycle, after, Outcome.FILLED, profit=Decimal(1), what="w", why="w")
    else:
        store.move(cycle, after, what="step", why="why")


def _rest(new: NewCycle) -> tuple[Any, ...]:
    return new.strategy, new.session, new.start, new.legs, new.initial
