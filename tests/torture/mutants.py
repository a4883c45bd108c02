"""Engines that are wrong on purpose, to see that the audit finds them out.

Each changes the engine's process before it runs. ``python -m tests.torture.mutants FOLDER``
kills each of them after a cycle, and while its second order is on its way back.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from tests.torture.audit import KINDS
from tests.torture.cases import PARALLEL, Variant
from tests.torture.lane import Lane
from tests.torture.matrix import TRADED, Row, kill_once
from tests.torture.processes import passed, warm


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


def taken_for_unsent() -> None:
    """Take an order of the dead process for one that never left, without asking."""
    from arb_pipelines.execution.orders.runner import OrderRunner
    from arb_pipelines.execution.state.values import OrderStatus

    async def settle_blindly(self: Any, order: Any) -> Any:
        self._store.unfilled(order.client_id, OrderStatus.REFUSED, "it was not sent, surely")
        return self._stored(order.cycle, order.client_id)

    OrderRunner.settle = settle_blindly  # type: ignore[method-assign]


_FULL = Variant("full")
_CUT = Variant("cut", [{"kind": "drop_after", "match": "POST /api/v1/hf/orders", "skip": 1}])
_TOGETHER = Variant("cut, legs together", _CUT.faults, PARALLEL)
#: The venue has an order by then, and the engine has not heard of it.
_SENT = "resumed venues/kucoin/streams.py:_read"
#: Each with what its cycle meets.
MUTANTS: Sequence[tuple[Callable[[], None], Variant]] = (
    (intent_after_sending, _FULL),
    (resent_on_timeout, _CUT),
    (resent_on_timeout, _TOGETHER),
    (misbooked, _FULL),
    (taken_for_unsent, _FULL),
)


def main(folder: Path) -> None:
    """Torture each mutant, and print what was found of it as JSON, by its name and what it met."""
    warm()
    found: dict[str, dict[str, list[str]]] = {}
    for number, (break_it, variant) in enumerate(MUTANTS):
        row, home = Row(f"{break_it.__name__}: {variant.name}"), folder / f"mutant{number}"
        home.mkdir()
        with Lane(home, TRADED, variant.rules, break_it) as lane:
            row.add("after the cycle", kill_once(lane, variant, None)[0])
            sent = [point for point in passed(lane.home) if point.startswith(_SENT)]
            row.add(sent[1], kill_once(lane, variant, sent[1])[0])
        found[row.name] = {kind: getattr(row.found, kind) for kind in KINDS}
    sys.stdout.write(f"{json.dumps(found)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
