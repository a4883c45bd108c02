"""What panic sells tell who compares balances: each change once, whoever else books meanwhile."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.state.values import OrderStatus, Outcome
from arb_pipelines.market.graph import BUY
from arb_pipelines.venues.base import NewOrder
from tests.fakes.panic_markets import listed
from tests.fakes.panic_venue import lost_answer, panic_at
from tests.fakes.virtual_loop import run_virtually

DEEP = ([("0.99", "1000")], [("1.01", "1000")])


def test_a_sale_that_was_taken_for_lost_counts_when_it_is_found(tmp_path: Path) -> None:
    """The next try asks for it again, and books what it sold."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")
            venue: Any = panic.venue
            settled, look_up, hidden = venue.settled, venue.look_up, True

            async def unknown(client_id: str, wait_s: float) -> Any:
                await asyncio.sleep(wait_s)
                return None if hidden else await settled(client_id, wait_s)

            async def not_found(client_id: str, symbol: str) -> Any:
                return None if hidden else await look_up(client_id, symbol)

            venue.settled, venue.look_up, venue.after = unknown, not_found, lost_answer
            seller = panic.seller()
            assert (await seller.sell("c1")).outcome is None
            assert panic.store.orders("c1")[1].status is OrderStatus.LOST
            hidden = False
            assert (await seller.sell("c1")).outcome is Outcome.PANIC_SOLD
            assert not panic.unexplained("c1")
            assert seller.bookings.booked()["SOL"] == -10

    run_virtually(body())


def test_a_fee_that_is_told_while_an_order_is_out_is_not_counted_twice(tmp_path: Path) -> None:
    """Who booked the leg counts it."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")

            def corrected(order: NewOrder) -> None:
                ten, fee = Decimal(10), Decimal("0.01")
                booked = Booked(BUY, ten, ten, ten + fee, ten, fee, "USDT")
                panic.store.book("c1-0", booked, listed("SOL-USDT"), None)

            panic.venue.after = corrected
            seller = panic.seller()
            await seller.sell("c1")
            sold = panic.store.orders("c1")[1]
            assert seller.bookings.booked() == {"SOL": -10, "USDT": sold.received}

    run_virtually(body())
