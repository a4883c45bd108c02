"""An engine that dies anywhere, and its recovery too: nothing is lost, and nothing done twice."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.errors import OutcomeUnknown
from arb_pipelines.execution.recovery.finishing import currencies_of
from arb_pipelines.execution.recovery.recover import recover
from arb_pipelines.execution.state.values import (
    CycleState,
    OrderStatus,
    Outcome,
    Purpose,
)
from tests.fakes.scripted_venue import Fate, ScriptedVenue
from tests.fakes.session_cycle import TOPS
from tests.fakes.state_at_venue import LEGS, MARKETS, START, StateAtVenue, state_at_venue
from tests.fakes.virtual_loop import run_virtually

#: What the engine calls, at any of which it may die: before anything happens, or after.
STORE = ("begin", "move", "intend", "accepted", "book", "unfilled", "end")
VENUE = ("place", "look_up", "cancel", "open_orders", "fills", "balances")
SHARES = st.sampled_from([Decimal(0), Decimal("0.4"), Decimal(1)])


@st.composite
def fates(draw: st.DrawFn) -> Fate:
    """What becomes of one order."""
    lost = draw(st.booleans())
    return Fate(
        raises=OutcomeUnknown("the answer is lost") if lost else None,
        arrives=draw(st.booleans()) if lost else True,
        share=draw(SHARES),
        told_s=draw(st.sampled_from([None, 0.0, 0.3])),
        known_s=draw(st.sampled_from([0.0, 0.3])),
        rests=draw(st.booleans()),
        kcs=draw(st.sampled_from([None, Decimal("0.05")])),
    )


class Died(Exception):
    """The engine is gone."""


class Mortal:
    """Calls through to what it stands for, and dies at the call whose number is up."""

    def __init__(self, inner: Any, names: tuple[str, ...], left: list[int]) -> None:
        self._inner, self._names, self._left = inner, names, left

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in self._names:
            return method
        if asyncio.iscoroutinefunction(method):

            async def called(*arguments: Any, **named: Any) -> Any:
                self._step()
                answer = await method(*arguments, **named)
                self._step()
                return answer

            return called

        def wrote(*arguments: Any, **named: Any) -> Any:
            self._step()
            answer = method(*arguments, **named)
            self._step()
            return answer

        return wrote

    def _step(self) -> None:
        self._left[0] -= 1
        if self._left[0] <= 0:  # whatever is still under way gets no further either
            raise Died


def mortal(there: StateAtVenue, steps: int) -> StateAtVenue:
    """The state and the venue of an engine that has so many steps to live."""
    left = [steps]
    return there.at(Mortal(there.store, STORE, left), Mortal(there.venue, VENUE, left))


async def trade(there: StateAtVenue, number: int, steps: int) -> None:
    """Carry a cycle through as an engine does; it dies on the way, or does not."""
    engine = mortal(there, steps)
    cycle = f"{there.store.engine_id}0a1b2c-{number}"
    engine.begin(cycle)
    for leg in range(len(LEGS)):
        given, _ = currencies_of(MARKETS[LEGS[leg][0]], LEGS[leg][1])
        amount = there.store.cycle(cycle).held.get(given) if leg else Decimal(100)
        if amount is None:
            break
        new = there.order(f"{cycle}-{leg}", leg, f"{amount}")
        await engine.runner.run_order(cycle, new, Purpose.LEG, leg)
    now = there.store.cycle(cycle)
    if not now.held:
        profit = now.changes.get("USDT", Decimal(0))
        engine.store.end(
            cycle, CycleState.FAILED, Outcome.UNWOUND, profit=profit, what="ended", why="test"
        )


async def died(work: Any) -> None:
    """See an engine die, or end."""
    with suppress(Died):
        await work


async def life(
    folder: Path, script: Mapping[int, Fate], engine_dies: int, recovery_dies: list[int]
) -> None:
    """One engine, then as many recoveries as die, then one that does not."""
    venue = ScriptedVenue(MARKETS, TOPS, START, script)
    with state_at_venue(folder, venue=venue) as there:
        await asyncio.gather(*(died(trade(there, number, engine_dies)) for number in range(2)))
    for steps in recovery_dies:
        with state_at_venue(folder, venue=venue) as there:
            forget_all(venue)
            await died(recover(mortal(there, steps).engine()))
    with state_at_venue(folder, venue=venue) as there:
        forget_all(venue)
        await recover(there.engine())
        assert there.store.open_cycles() == []
        cycles = [cycle.id for cycle in there.store.ended_cycles(10)]
        for cycle in cycles:
            kept = {OrderStatus.DONE, OrderStatus.REFUSED, OrderStatus.LOST}
            assert {order.status for order in there.stored(cycle)} <= kept
        sent = [new.client_id for new in venue.placed]
        assert len(sent) == len(set(sent)), "no order is sent twice"
        assert there.owed(*cycles) == {}, "the sums are the venue's"


def forget_all(venue: ScriptedVenue) -> None:
    """A process that is gone follows nothing."""
    for new in venue.placed:
        venue.forget(new.client_id)


@settings(max_examples=60, deadline=None)
@given(
    script=st.lists(fates(), max_size=8),
    engine_dies=st.integers(1, 60),
    recovery_dies=st.lists(st.integers(1, 60), max_size=2),
)
def test_every_cycle_ends_and_all_is_booked_once(
    script: list[Fate], engine_dies: int, recovery_dies: list[int]
) -> None:
    """Whatever the venue did to the orders, and wherever the engine was when it died."""
    with tempfile.TemporaryDirectory() as folder:
        run_virtually(life(Path(folder), dict(enumerate(script)), engine_dies, recovery_dies))
