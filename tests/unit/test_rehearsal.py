"""Rehearsals go all the way to an order made ready, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from arb_pipelines.execution import rehearsal
from arb_pipelines.execution.rehearsal import rehearsing
from arb_pipelines.venues.base import NewOrder

EVERY_S = 0.004


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def test_each_goes_to_an_order_that_is_made_ready() -> None:
    """A first leg's order, anew each time, exact as one that would leave."""
    orders: list[NewOrder] = []

    async def main() -> None:
        async with rehearsing(EVERY_S, orders.append, lambda: True):
            await _until(lambda: len(orders) > 40)

    asyncio.run(main())
    assert len({order.client_id for order in orders}) == len(orders)
    assert {order.symbol for order in orders} == {"B-A"}
    assert all(order.funds is not None and order.funds > 0 for order in orders)


def test_none_begins_while_something_is_in_flight() -> None:
    """What is in flight is warm by itself, and waits for nobody."""
    orders: list[NewOrder] = []
    idle = True

    async def main() -> None:
        nonlocal idle
        async with rehearsing(EVERY_S, orders.append, lambda: idle):
            await _until(lambda: len(orders) > 3)
            idle = False
            await asyncio.sleep(3 * EVERY_S)  # one that has begun goes to its end
            done = len(orders)
            await asyncio.sleep(10 * EVERY_S)
            assert len(orders) == done
            idle = True
            await _until(lambda: len(orders) > done)

    asyncio.run(main())


def test_without_an_interval_nothing_is_made() -> None:
    """Zero is never."""

    async def main() -> None:
        async with rehearsing(0.0, lambda order: pytest.fail("made"), lambda: True):
            await asyncio.sleep(0.02)
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_one_that_fails_is_told_and_ends_rehearsing_alone() -> None:
    """Whoever trades goes on; it is said once."""

    def breaks(order: NewOrder) -> None:
        raise RuntimeError("of the rehearsal")

    async def main() -> None:
        async with rehearsing(EVERY_S, breaks, lambda: True):
            await _until(lambda: len(asyncio.all_tasks()) == 1)

    with capture_logs() as logs:
        asyncio.run(main())
    began, failed = logs
    assert began["event"] == "session.rehearses"
    assert failed["event"] == "session.rehearsal_failed"
    assert "of the rehearsal" in failed["error"]


def test_it_makes_no_garbage_and_keeps_nothing() -> None:
    """Thousands a minute for weeks: what one has made is gone when the next begins."""
    orders: list[NewOrder] = []

    async def main() -> None:
        async with rehearsing(EVERY_S, lambda order: orders.append(order), lambda: True):
            await _until(lambda: len(orders) > 2 * rehearsal._KEPT)
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                first = len(orders)
                await _until(lambda: len(orders) > first + 30)
                gc.collect()
                assert len(gc.garbage) < 300  # 30 of one object each, and what others drop
                assert not [one for one in gc.garbage if type(one).__module__.startswith("arb_")]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()

    asyncio.run(main())
