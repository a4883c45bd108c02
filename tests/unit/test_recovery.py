"""What becomes of cycles that a crash cut short, at each step and each fate of their orders."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.errors import Fatal, ProtocolViolation
from arb_pipelines.execution.recovery.recover import end_tested, recover
from arb_pipelines.execution.recovery.values import Recovered
from arb_pipelines.execution.state.values import (
    CycleState,
    OrderStatus,
    Outcome,
    Purpose,
)
from tests.fakes.scripted_venue import Fate, ScriptedVenue
from tests.fakes.session_cycle import TOPS
from tests.fakes.state_at_venue import MARKETS, START, StateAtVenue, state_at_venue
from tests.fakes.virtual_loop import run_virtually

Body = Callable[[StateAtVenue], Coroutine[Any, Any, None]]
#: What an order may have come to that was on its way when the engine died.
FATES = {
    "whole": Fate(told_s=None),
    "known late": Fate(told_s=None, known_s=2.0),
    "part": Fate(told_s=None, share=Decimal("0.4")),
    "none": Fate(told_s=None, share=Decimal(0)),
    "open": Fate(rests=True, share=Decimal("0.4")),
    "never there": Fate(told_s=None, arrives=False),
}


class Died(Exception):
    """The engine is gone."""


def tried(
    folder: Path,
    body: Body,
    fates: Mapping[int, Fate] | None = None,
    prices: Mapping[str, tuple[Decimal, Decimal]] = TOPS,
) -> None:
    """Run a body on virtual time."""

    async def within() -> None:
        venue = ScriptedVenue(MARKETS, prices, START, dict(fates or {}))
        with state_at_venue(folder, venue=venue) as there:
            await body(there)

    run_virtually(within())


def named(there: StateAtVenue, number: int = 0) -> str:
    """Name a cycle as an engine of this state would."""
    return f"{there.store.engine_id}0a1b2c-{number}"


async def died_at(there: StateAtVenue, leg: int, *, sent: bool = True, number: int = 0) -> str:
    """Fill the legs before one, write its intent down, and send it; then the engine is gone."""
    cycle = named(there, number)
    await asyncio.sleep(1)
    there.begin(cycle)
    for k in range(leg + 1):
        held = there.store.cycle(cycle).held
        amount = list(held.values())[-1] if k else Decimal(100)
        new = there.order(f"{cycle}-{k}", k, f"{amount}")
        if k < leg:
            await there.runner.run_order(cycle, new, Purpose.LEG, k)
        else:
            there.store.intend(cycle, new, Purpose.LEG, k)
            if sent:
                await there.venue.place(new)
                there.venue.forget(new.client_id)
    return cycle


async def recovered(there: StateAtVenue, **said: Any) -> list[Recovered]:
    """Recover as the next start of the engine does, and see that nothing is left over."""
    recovery = await recover(there.engine(**said))
    sent = [new.client_id for new in there.venue.placed]
    assert len(sent) == len(set(sent)), "no order is sent twice"
    assert there.store.open_cycles() == []
    cycles = [cycle.id for cycle in there.store.ended_cycles(100)]
    for cycle in cycles:
        for order in there.stored(cycle):
            assert order.status not in (OrderStatus.INTENDED, OrderStatus.ACCEPTED)
    assert there.owed(*cycles) == {}, "all is booked"
    assert not recovery.unexplained
    return list(recovery.cycles)


@pytest.mark.parametrize("leg", [0, 1, 2])
@pytest.mark.parametrize("fate", FATES.values(), ids=FATES)
def test_a_cycle_ends_whatever_became_of_its_last_order(
    tmp_path: Path, leg: int, fate: Fate
) -> None:
    """What filled goes on to the end, since that pays; what did not was nothing, or is sold."""

    async def body(there: StateAtVenue) -> None:
        cycle = await died_at(there, leg)
        (one,) = await recovered(there)
        ended = there.store.cycle(cycle)
        nothing = leg == 0 and (not fate.arrives or not fate.share)
        assert one.outcome == (Outcome.NOTHING if nothing else Outcome.FILLED)
        assert ended.state is (CycleState.FAILED if nothing else CycleState.COMPLETED)
        assert ended.profit == ended.changes.get("USDT", 0)
        if not nothing:
            assert ended.profit is not None
            assert ended.profit > 2, "finishing earns"

    tried(tmp_path, body, {leg: fate})


@pytest.mark.parametrize("leg", [0, 1, 2])
def test_an_order_that_never_left_is_not_sent_again(tmp_path: Path, leg: int) -> None:
    """The venue does not know it; its leg is done by an order of another name."""

    async def body(there: StateAtVenue) -> None:
        cycle = await died_at(there, leg, sent=False)
        await recovered(there)
        assert f"{cycle}-{leg}" not in [new.client_id for new in there.venue.placed]
        assert there.stored(cycle)[leg].status is OrderStatus.LOST

    tried(tmp_path, body)


def test_what_is_not_worth_finishing_is_sold(tmp_path: Path) -> None:
    """At the books of the moment going straight back nets more."""

    async def body(there: StateAtVenue) -> None:
        cycle = await died_at(there, 0)
        there.venue.prices["ETH-USDT"] = (Decimal(9), Decimal("9.1"))
        (one,) = await recovered(there)
        assert one.outcome is Outcome.PANIC_SOLD
        assert "finishing nets" in one.why
        assert [order.client_id for order in there.stored(cycle)][1:] == [f"{cycle}-p0"]

    tried(tmp_path, body)


def test_what_is_too_old_is_sold(tmp_path: Path) -> None:
    """Its strategy says for how long a cycle is finished."""

    async def body(there: StateAtVenue) -> None:
        await died_at(there, 1)
        (one,) = await recovered(there, recovery={"max_age_s": 0.0})
        assert one.outcome is Outcome.RESIDUAL  # sold, but for what a BTC increment left
        assert "0 s is the limit" in one.why

    tried(tmp_path, body, {1: Fate(told_s=None, known_s=1.0)})


def test_a_cycle_is_finished_once(tmp_path: Path) -> None:
    """A leg that does not fill is not tried again, by this start or by the next."""

    async def body(there: StateAtVenue) -> None:
        cycle = await died_at(there, 0)
        (one,) = await recovered(there)
        assert (one.outcome, one.why) == (Outcome.PANIC_SOLD, "finishing it fell short")
        names = [order.client_id for order in there.stored(cycle)]
        assert sorted(names) == [f"{cycle}-0", f"{cycle}-p0", f"{cycle}-r0"]

    tried(tmp_path, body, {1: Fate(share=Decimal(0))})


@pytest.mark.parametrize("order", [1, 2])
def test_a_recovery_that_is_cut_short_is_recovered(tmp_path: Path, order: int) -> None:
    """Its own orders are settled as any others; what it began to finish is sold."""

    async def body(there: StateAtVenue) -> None:
        cycle = await died_at(there, 0)
        place = there.venue.place

        async def dies(new: Any) -> Any:
            answer = await place(new)
            if len(there.venue.placed) > order:
                raise Died
            return answer

        there.venue.place = dies  # type: ignore[method-assign]
        with pytest.raises(Died):
            await recover(there.engine())
        there.venue.place = place  # type: ignore[method-assign]
        there.venue.forget(there.venue.placed[-1].client_id)
        (one,) = await recovered(there)
        assert one.cycle == cycle
        sold = order == 1
        assert one.outcome is (Outcome.RESIDUAL if sold else Outcome.FILLED)

    tried(tmp_path, body)


def test_cycles_that_had_all_but_ended_end(tmp_path: Path) -> None:
    """The crash came between the last fill and the cycle's end; nothing is ordered."""

    async def body(there: StateAtVenue) -> None:
        cycle = await died_at(there, 2)
        (order,) = [order for order in there.stored(cycle) if order.leg == 2]
        await there.runner.settle(order)
        (one,) = await recovered(there)
        assert (one.outcome, one.why) == (Outcome.FILLED, "every leg filled")
        assert len(there.venue.placed) == 3

    tried(tmp_path, body)


def test_a_cycle_that_was_being_sold_is_sold(tmp_path: Path) -> None:
    """Whatever finishing would net by now."""

    async def body(there: StateAtVenue) -> None:
        cycle = await died_at(there, 0)
        there.store.move(cycle, CycleState.PANIC_SELLING, what="panic sell", why="test")
        (one,) = await recovered(there)
        assert (one.outcome, one.why) == (Outcome.PANIC_SOLD, "it was being sold")

    tried(tmp_path, body)


def test_orders_that_a_torn_page_lost_are_adopted_with_their_cycle(tmp_path: Path) -> None:
    """The venue's lists have what filled and what is open; orders of others are left alone."""

    async def body(there: StateAtVenue) -> None:
        lost, opened = named(there, 7), named(there, 8)
        for client_id in (f"{lost}-0", f"{opened}-0", "ffffff0a1b2c-1-0", "by-hand"):
            await there.venue.place(there.order(client_id, 0, "100"))
            there.venue.forget(client_id)
        recovery = await recover(there.engine())
        assert {one.cycle for one in recovery.cycles} == {lost, opened}
        assert {one.outcome for one in recovery.cycles} == {Outcome.PANIC_SOLD}
        assert there.venue.cancelled == [f"{opened}-0"]
        assert there.store.open_cycles() == []
        assert there.store.cycle(lost).held == {}
        assert there.store.cycle(lost).initial == there.stored(lost)[0].spent  # its fee, too
        assert there.venue.balances_now["BTC"] == 2 * there.stored(lost)[0].filled

    tried(tmp_path, body, {1: Fate(rests=True, share=Decimal("0.4"))})


def test_an_order_of_a_known_cycle_is_adopted_as_its_leg(tmp_path: Path) -> None:
    """Only the last intent was lost: the cycle goes on from what it filled."""

    async def body(there: StateAtVenue) -> None:
        cycle = await died_at(there, 0)
        await there.runner.settle(there.stored(cycle)[0])
        new = there.order(f"{cycle}-1", 1, f"{there.store.cycle(cycle).held['BTC']}")
        await there.venue.place(new)
        there.venue.forget(new.client_id)
        (one,) = await recovered(there)
        assert one.outcome is Outcome.FILLED
        assert [(o.client_id, o.leg) for o in there.stored(cycle)] == [
            (f"{cycle}-0", 0),
            (f"{cycle}-1", 1),
            (f"{cycle}-r0", 2),
        ]

    tried(tmp_path, body)


def test_an_order_taken_for_lost_that_traded_is_booked_when_it_is_listed(tmp_path: Path) -> None:
    """Its cycle had ended: what it holds is told, not forgotten."""

    async def body(there: StateAtVenue) -> None:
        cycle = await died_at(there, 0)
        there.store.unfilled(f"{cycle}-0", OrderStatus.LOST, "the venue does not know it")
        there.store.end(
            cycle, CycleState.FAILED, Outcome.NOTHING, profit=Decimal(0), what="ended", why="test"
        )
        (one,) = await recovered(there)
        assert one.changes["BTC"] > 0
        assert there.stored(cycle)[0].status is OrderStatus.DONE
        assert await recovered(there) == []

    tried(tmp_path, body)


def test_what_makes_no_sense_is_asked_again_by_the_next_start(tmp_path: Path) -> None:
    """One order that cannot be read keeps no other cycle from its end."""

    async def body(there: StateAtVenue) -> None:
        odd, plain = await died_at(there, 0), await died_at(there, 0, number=1)
        look_up = there.venue.look_up

        async def nonsense(client_id: str, symbol: str) -> Any:
            if client_id == f"{odd}-0":
                raise ProtocolViolation("'hold' is not a side of an order")
            return await look_up(client_id, symbol)

        there.venue.look_up = nonsense  # type: ignore[method-assign]
        found = {one.cycle: one for one in (await recover(there.engine())).cycles}
        assert found[odd].unknown == (f"{odd}-0",)
        assert found[plain].outcome is Outcome.FILLED
        assert [cycle.id for cycle in there.store.open_cycles()] == [odd]
        there.venue.look_up = look_up  # type: ignore[method-assign]
        (one,) = await recovered(there)
        assert one.outcome is Outcome.FILLED

    tried(tmp_path, body)


def test_a_venue_that_turns_us_away_ends_it(tmp_path: Path) -> None:
    """Nothing is known then, so nothing may trade."""

    async def body(there: StateAtVenue) -> None:
        await died_at(there, 0)
        there.venue.refuses = lambda number: Fatal("the key is gone")
        with pytest.raises(Fatal):
            await recover(there.engine())

    tried(tmp_path, body)


def test_units_that_nothing_explains_are_told_once(tmp_path: Path) -> None:
    """What was booked since the last look explains a change; a deposit is not booked."""

    async def body(there: StateAtVenue) -> None:
        assert (await recover(there.engine())).unexplained is None
        await died_at(there, 1)
        assert await recovered(there)
        there.venue.deposit("ETH", Decimal(3))
        assert (await recover(there.engine())).unexplained == {"ETH": Decimal(3)}

    tried(tmp_path, body)


def test_cycles_whose_orders_were_only_tested_end_with_nothing(tmp_path: Path) -> None:
    """Nobody is asked: nothing of them is at a venue."""

    async def body(there: StateAtVenue) -> None:
        cycle = await died_at(there, 0, sent=False)
        (one,) = end_tested(there.store)
        assert (one.cycle, one.outcome) == (cycle, Outcome.NOTHING)
        assert there.venue.look_ups == 0

    tried(tmp_path, body)
