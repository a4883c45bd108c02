"""What the venue's lists tell of orders that the state takes for over, whatever the clocks say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import ProtocolViolation, Rejected, Transient, VenueError
from arb_pipelines.execution.recovery.recover import recover
from arb_pipelines.execution.state.values import CycleState, OrderStatus, Outcome, Purpose
from tests.fakes.scripted_venue import Fate
from tests.fakes.state_at_venue import StateAtVenue, state_at_venue
from tests.fakes.virtual_loop import run_virtually, wall_ns

Body = Callable[[StateAtVenue], Coroutine[Any, Any, None]]
HOUR_NS = 3_600 * NS_PER_S


def tried(folder: Path, body: Body, *fates: Fate) -> None:
    """Run a body on virtual time; fates are by the number of the order."""

    async def within() -> None:
        with state_at_venue(folder, dict(enumerate(fates))) as there:
            await asyncio.sleep(1)
            await body(there)

    run_virtually(within())


async def sent(there: StateAtVenue, number: int = 0) -> str:
    """Begin a cycle, and send its first order."""
    cycle = f"{there.store.engine_id}0a1b2c-{number}"
    there.begin(cycle)
    new = there.order(f"{cycle}-0", 0, "100")
    there.store.intend(cycle, new, Purpose.LEG, 0)
    await there.venue.place(new)
    there.venue.forget(new.client_id)
    return cycle


def given_up(there: StateAtVenue, cycle: str) -> None:
    """Take its order for lost, and end the cycle by it."""
    there.store.unfilled(f"{cycle}-0", OrderStatus.LOST, "the venue does not know it")
    there.store.end(
        cycle, CycleState.FAILED, Outcome.NOTHING, profit=Decimal(0), what="ended", why="test"
    )


def test_an_order_taken_for_lost_that_rests_is_taken_back(tmp_path: Path) -> None:
    """Its cycle has ended, so nobody else would ask for it; nothing of it has filled yet."""

    async def body(there: StateAtVenue) -> None:
        given_up(there, await sent(there))
        await recover(there.engine())
        assert len(there.venue.cancelled) == 1
        assert await there.venue.open_orders(["BTC-USDT"]) == []

    tried(tmp_path, body, Fate(rests=True, share=Decimal(0)))


def test_what_a_resting_order_filled_until_it_was_taken_back_is_booked(tmp_path: Path) -> None:
    """It had been taken for lost, and its cycle had ended."""

    async def body(there: StateAtVenue) -> None:
        cycle = await sent(there)
        given_up(there, cycle)
        (one,) = (await recover(there.engine())).cycles
        assert (one.cycle, one.why) == (cycle, "an order of it traded later")
        assert await there.venue.open_orders(["BTC-USDT"]) == []
        assert there.owed(cycle) == {}

    tried(tmp_path, body, Fate(rests=True, share=Decimal("0.4")))


def test_a_clock_that_was_ahead_hides_nothing_that_the_venue_lists(tmp_path: Path) -> None:
    """The state's last word is of later than now; what it lost is asked for as of now."""

    async def body(there: StateAtVenue) -> None:
        store, fills = there.store, there.venue.fills
        known = await sent(there)
        store.wall_ns = lambda: wall_ns() + HOUR_NS  # type: ignore[method-assign]
        given_up(there, known)
        lost = f"{store.engine_id}0a1b2c-1"
        await there.venue.place(there.order(f"{lost}-0", 0, "100"))
        there.venue.forget(f"{lost}-0")
        asked: list[int] = []

        async def since(since_ns: int, symbols: Collection[str]) -> Any:
            asked.append(since_ns)
            return await fills(since_ns, symbols) if since_ns < wall_ns() else []

        there.venue.fills = since  # type: ignore[method-assign]
        (one,) = (await recover(there.engine())).cycles
        assert one.cycle == lost
        assert asked[0] < wall_ns()

    tried(tmp_path, body, Fate(arrives=False))


def test_what_the_venue_lists_as_filled_is_booked_though_it_looks_up_no_more(
    tmp_path: Path,
) -> None:
    """A venue need not know orders for as long as it lists what they filled."""

    async def body(there: StateAtVenue) -> None:
        cycle = await sent(there)

        async def forgotten(client_id: str, symbol: str) -> Any:
            known = client_id in there.venue._followed
            return await look_up(client_id, symbol) if known else None

        look_up = there.venue.look_up
        there.venue.look_up = forgotten  # type: ignore[method-assign]
        await asyncio.sleep(10)
        (one,) = (await recover(there.engine())).cycles
        assert one.outcome is Outcome.FILLED
        assert there.owed(cycle) == {}

    tried(tmp_path, body)


def test_an_order_that_is_booked_is_not_taken_for_lost_by_who_asked_before(tmp_path: Path) -> None:
    """Two may ask for it; what is booked stays, and is booked once however often it is told."""

    async def body(there: StateAtVenue) -> None:
        cycle = await sent(there)
        report = await there.venue.look_up(f"{cycle}-0", "BTC-USDT")
        assert report is not None
        there.runner.book(report)
        there.store.unfilled(f"{cycle}-0", OrderStatus.LOST, "the venue does not know it")
        assert there.stored(cycle)[0].status is OrderStatus.DONE
        there.runner.book(replace(report))
        assert there.owed(cycle) == {}

    tried(tmp_path, body)


def test_lists_that_were_not_told_are_asked_for_by_the_next_start(tmp_path: Path) -> None:
    """However much the state has learned in between."""

    async def body(there: StateAtVenue) -> None:
        store, venue = there.store, there.venue
        lost = f"{store.engine_id}0a1b2c-1"
        await venue.place(there.order(f"{lost}-0", 0, "100"))
        venue.forget(f"{lost}-0")
        asked, told = [], venue.fills

        async def down(since_ns: int, symbols: Collection[str]) -> Any:
            asked.append(since_ns)
            raise Transient("no answer")

        async def since(since_ns: int, symbols: Collection[str]) -> Any:
            asked.append(since_ns)
            return await told(since_ns, symbols)

        venue.fills = down  # type: ignore[method-assign]
        assert (await recover(there.engine())).cycles == []
        await asyncio.sleep(3_000)
        given_up(there, await sent(there))
        venue.fills = since  # type: ignore[method-assign]
        assert [one.cycle for one in (await recover(there.engine())).cycles] == [lost]
        assert asked[-1] == asked[0]
        await recover(there.engine())
        assert asked[-1] > asked[0]

    tried(tmp_path, body, Fate(), Fate(arrives=False))


def test_what_open_cycles_hold_is_added_up(tmp_path: Path) -> None:
    """Of those that have not ended, outside their start currency."""

    async def body(there: StateAtVenue) -> None:
        for number in range(3):
            cycle = await sent(there, number)
            await there.runner.settle(there.stored(cycle)[0])
        bought = there.stored(cycle)[0].filled
        there.store.end(
            cycle, CycleState.FAILED, Outcome.RESIDUAL, profit=Decimal(0), what="ended", why="test"
        )
        assert there.store.held() == {"BTC": 2 * bought}

    tried(tmp_path, body)


@pytest.mark.parametrize("error", [Rejected("cannot be looked up"), ProtocolViolation("nonsense")])
def test_an_order_that_cannot_be_looked_up_keeps_no_start_waiting(
    tmp_path: Path, error: VenueError
) -> None:
    """Neither one that is written down nor one that is listed; the next start asks for both."""

    async def body(there: StateAtVenue) -> None:
        known = await sent(there)
        lost = f"{there.store.engine_id}0a1b2c-1"
        await there.venue.place(there.order(f"{lost}-0", 0, "100"))
        there.venue.forget(f"{lost}-0")
        there.venue.refuses = lambda number: error
        (one,) = (await recover(there.engine())).cycles
        assert one.unknown == (f"{known}-0",)
        await asyncio.sleep(3_000)
        there.venue.refuses = lambda number: None
        again = (await recover(there.engine())).cycles
        assert sorted(one.cycle for one in again) == [known, lost]
        assert there.store.open_cycles() == []

    tried(tmp_path, body)


def test_balances_seen_while_the_clock_was_ahead_explain_what_comes_after(tmp_path: Path) -> None:
    """What was told as of later is told anew as of now; what is booked since is counted."""

    async def body(there: StateAtVenue) -> None:
        store = there.store
        store.wall_ns = lambda: wall_ns() + HOUR_NS  # type: ignore[method-assign]
        assert (await recover(there.engine())).unexplained is None
        there.venue.deposit("SOL", Decimal(3))
        store.wall_ns = wall_ns  # type: ignore[method-assign]
        assert (await recover(there.engine())).unexplained == {"SOL": Decimal(3)}
        await asyncio.sleep(100)
        await sent(there)
        assert (await recover(there.engine())).unexplained == {}
        await asyncio.sleep(100)
        assert (await recover(there.engine())).unexplained == {}
        assert max(seen.ts_ns for seen in store.balances_seen()) <= wall_ns()

    tried(tmp_path, body)
