"""Orders outside a desk: written down, sent once, and booked as the venue tells."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.errors import Fatal, OutcomeUnknown, Rejected, Transient, Unfunded
from arb_pipelines.execution.state.values import OrderStatus, Purpose, StoredOrder
from tests.fakes.scripted_venue import Fate, lost, refused
from tests.fakes.state_at_venue import StateAtVenue, state_at_venue
from tests.fakes.virtual_loop import run_virtually

Body = Callable[[StateAtVenue], Coroutine[Any, Any, None]]
DOWN = Transient("no connection; not sent")


def tried(folder: Path, body: Body, fates: dict[int, Fate] | None = None) -> None:
    """Run a body with one cycle, c-1, that has begun."""

    async def within() -> None:
        with state_at_venue(folder, fates) as there:
            there.begin("c-1")
            await body(there)

    run_virtually(within())


async def first_leg(there: StateAtVenue, client_id: str = "c-1-r0") -> StoredOrder:
    new = there.order(client_id, 0, "100")
    return await there.runner.run_order("c-1", new, Purpose.LEG, 0)


def test_an_order_is_booked_with_the_fee_that_the_venue_took(tmp_path: Path) -> None:
    """The stream tells no fee; a look-up does, and what it says is what the state has."""

    async def body(there: StateAtVenue) -> None:
        order = await first_leg(there)
        assert order.status is OrderStatus.DONE
        assert (order.fee, order.fee_currency) == (Decimal("0.25"), "KCS")
        assert there.store.cycle("c-1").step == 1
        assert there.owed("c-1") == {}

    tried(tmp_path, body, {0: Fate(kcs=Decimal("0.25"))})


def test_the_intent_is_in_the_state_before_the_order_leaves(tmp_path: Path) -> None:
    """Who dies while an order is on its way finds it written down."""

    async def body(there: StateAtVenue) -> None:
        place, seen = there.venue.place, []

        async def watched(order: Any) -> Any:
            seen.extend(known.status for known in there.stored("c-1"))
            return await place(order)

        there.venue.place = watched  # type: ignore[method-assign]
        await first_leg(there)
        assert seen == [OrderStatus.INTENDED]

    tried(tmp_path, body)


@pytest.mark.parametrize(
    "fate",
    [
        lost(told_s=0.002),
        lost(told_s=None),
        lost(told_s=None, known_s=3.0),
        Fate(OutcomeUnknown("HTTP 500"), told_s=None, known_s=0.3),
        Fate(rests=True, share=Decimal("0.5")),
        Fate(share=Decimal("0.5")),
        Fate(share=Decimal(0)),
    ],
)
def test_what_may_have_left_is_followed_and_never_sent_again(tmp_path: Path, fate: Fate) -> None:
    """Whatever of it was told, what filled is booked, once."""

    async def body(there: StateAtVenue) -> None:
        order = await first_leg(there)
        assert order.status is OrderStatus.DONE
        assert len(there.venue.placed) == 1
        assert there.owed("c-1") == {}

    tried(tmp_path, body, {0: fate})


def test_an_order_that_never_arrived_is_lost(tmp_path: Path) -> None:
    """The venue does not know it for 10 s, and it was asked back: nothing is booked."""

    async def body(there: StateAtVenue) -> None:
        order = await first_leg(there)
        assert order.status is OrderStatus.LOST
        assert there.venue.cancelled == ["c-1-r0"]
        assert there.owed("c-1") == {}

    tried(tmp_path, body, {0: lost(arrives=False)})


@pytest.mark.parametrize("not_yet", [DOWN, Unfunded("the proceeds are not free yet")])
def test_what_did_not_leave_is_tried_again(tmp_path: Path, not_yet: Exception) -> None:
    """It is known that nothing happened, so the same order may go."""

    async def body(there: StateAtVenue) -> None:
        order = await first_leg(there)
        assert order.status is OrderStatus.DONE
        assert [new.client_id for new in there.venue.placed] == ["c-1-r0"] * 3

    tried(tmp_path, body, {0: refused(not_yet), 1: refused(not_yet)})


@pytest.mark.parametrize("error", [Rejected("too small"), DOWN, Unfunded("no balance")])
def test_what_the_venue_will_not_have_is_refused(tmp_path: Path, error: Exception) -> None:
    """At once, or when its time is over."""

    async def body(there: StateAtVenue) -> None:
        order = await first_leg(there)
        assert (order.status, order.reason) == (OrderStatus.REFUSED, str(error))
        assert there.owed("c-1") == {}

    tried(tmp_path, body, dict.fromkeys(range(1_000), refused(error)))


def test_a_venue_that_turns_us_away_is_told_to_who_asked(tmp_path: Path) -> None:
    """Nothing happened, and a person is needed."""

    async def body(there: StateAtVenue) -> None:
        with pytest.raises(Fatal):
            await first_leg(there)
        (order,) = there.stored("c-1")
        assert order.status is OrderStatus.REFUSED

    tried(tmp_path, body, {0: refused(Fatal("the key is gone"))})


def test_a_state_that_cannot_take_the_answer_sends_nothing_again(tmp_path: Path) -> None:
    """The order has left; what fails after that is not its not having left."""

    async def body(there: StateAtVenue) -> None:
        def full(client_id: str, order_id: str) -> None:
            there.store.accepted = accepted  # type: ignore[method-assign]
            raise Transient("the disk is full")

        accepted = there.store.accepted
        there.store.accepted = full  # type: ignore[method-assign]
        order = await first_leg(there)
        assert (order.status, order.order_id) == (OrderStatus.DONE, "id-c-1-r0")
        assert len(there.venue.placed) == 1

    tried(tmp_path, body)


def test_no_name_is_given_twice(tmp_path: Path) -> None:
    """Names are counted from the state, each maker's by itself."""

    async def body(there: StateAtVenue) -> None:
        assert there.runner.next_id("c-1", "r") == "c-1-r0"
        await first_leg(there)
        assert there.runner.next_id("c-1", "r") == "c-1-r1"
        assert there.runner.next_id("c-1", "p") == "c-1-p0"

    tried(tmp_path, body)


@pytest.mark.parametrize(
    ("fate", "status"),
    [
        (Fate(told_s=None), OrderStatus.DONE),
        (Fate(told_s=None, share=Decimal("0.3")), OrderStatus.DONE),
        (Fate(told_s=None, known_s=3.0), OrderStatus.DONE),
        (Fate(rests=True, share=Decimal("0.3")), OrderStatus.DONE),
        (Fate(arrives=False, told_s=None), OrderStatus.LOST),
    ],
)
def test_an_order_of_a_dead_process_is_settled(
    tmp_path: Path, fate: Fate, status: OrderStatus
) -> None:
    """It is asked for by its client id, taken back if it is open, and never sent."""

    async def body(there: StateAtVenue) -> None:
        new = there.order("c-1-0", 0, "100")
        there.store.intend("c-1", new, Purpose.LEG, 0)
        await there.venue.place(new)
        there.venue.forget("c-1-0")
        (order,) = there.stored("c-1")
        settled = await there.runner.settle(order)
        assert settled.status is status
        assert (await there.runner.settle(settled)).status is status
        assert len(there.venue.placed) == 1
        assert there.owed("c-1") == {}

    tried(tmp_path, body, {0: fate})
