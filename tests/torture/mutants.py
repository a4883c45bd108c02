"""Engines that are wrong on purpose, to see that the audit finds them out.

Each changes the engine's process before it runs. None of them is of use to anybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any


def intent_after_sending() -> None:
    """Write an order's intent to the state file a moment after it left."""
    import asyncio

    from arb_pipelines.execution.state.follower import StateFollower
    from arb_pipelines.venues.base import NewOrder

    hear = StateFollower.hear

    @wraps(hear)
    def hear_late(self: Any, event: object) -> None:
        if isinstance(event, NewOrder):
            asyncio.get_running_loop().call_later(0.02, hear, self, event)
        else:
            hear(self, event)

    StateFollower.hear = hear_late  # type: ignore[method-assign]


def resent_on_timeout() -> None:
    """Send an order again, under another id, when its answer is lost."""
    from arb_pipelines.errors import OutcomeUnknown
    from arb_pipelines.venues.kucoin.order_entry import RestOrderEntry

    place = RestOrderEntry.place

    @wraps(place)
    async def place_again(self: Any, order: Any) -> Any:
        try:
            return await place(self, order)
        except OutcomeUnknown:
            return await place(self, replace(order, client_id=f"{order.client_id}_9"))

    RestOrderEntry.place = place_again  # type: ignore[method-assign]


def misbooked() -> None:
    """Book twice what an order received."""
    from arb_pipelines.execution.orders.amounts import Booked

    of = Booked.of

    def of_more(report: Any, *terms: Any) -> Booked:
        booked = of(report, *terms)
        return replace(booked, received=booked.received * 2)

    Booked.of = of_more  # type: ignore[method-assign, assignment]


MUTANTS: Mapping[str, Callable[[], None]] = {
    "intent-after-sending": intent_after_sending,
    "resent-on-timeout": resent_on_timeout,
    "misbooked": misbooked,
}
