"""The panic seller against a scripted venue: what is sold, what is held, what a crash leaves."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

from arb_pipelines.errors import Rejected
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.state.values import CycleState, Outcome, Purpose
from arb_pipelines.market.graph import SELL
from arb_pipelines.trading.events import OrderKind
from arb_pipelines.venues.base import NewOrder
from tests.fakes.panic_markets import listed
from tests.fakes.panic_venue import (
    DEEP,
    panic_at,
    selling,
    sold,
    symbols,
    until,
)
from tests.fakes.virtual_loop import run_virtually


def test_a_holding_goes_home_by_one_order(tmp_path: Path) -> None:
    """At the bound, immediate or cancelled; the profit is exact and each change of state told."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP, "SOL-USDC": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")
            result = await panic.seller().sell("c1")
            (order,) = panic.venue.placed
            assert (order.client_id, order.symbol, order.size) == ("c1-p0", "SOL-USDT", 10)
            assert order.price == Decimal("0.9801")
            assert result.outcome is Outcome.PANIC_SOLD
            stored = panic.store.cycle("c1")
            assert sold(panic) == (CycleState.FAILED, Outcome.PANIC_SOLD)
            assert stored.profit == Decimal("9.9") * Decimal("0.999") - 10
            assert [step.after for step in panic.store.transitions("c1")][-2:] == [
                CycleState.PANIC_SELLING,
                CycleState.FAILED,
            ]
            assert panic.venue.asked == {"SOL-USDT": 1, "SOL-USDC": 1}
            assert not panic.unexplained("c1")
            assert not panic.alerts

    run_virtually(body())


def test_it_goes_over_a_major_currency_with_what_each_order_gave(tmp_path: Path) -> None:
    """Hop by hop; what the last brought stands in the base currency, named in the history."""

    async def body() -> None:
        books = {"SOL-BTC": DEEP, "BTC-USDC": DEEP, "BTC-EUR": DEEP}
        with panic_at(tmp_path, books) as panic:
            panic.holds("c1", "SOL", "10", start="EUR")
            result = await panic.seller().sell("c1")
            assert symbols(panic) == ["SOL-BTC", "BTC-USDC"]
            assert panic.venue.placed[1].size == Decimal("9.8901")  # 10 * 0.99 * 0.999
            assert result.outcome is Outcome.PANIC_SOLD
            stored = panic.store.cycle("c1")
            assert stored.changes["USDC"] == Decimal("9.8901") * Decimal("0.99") * Decimal("0.999")
            assert "USDC" in panic.store.transitions("c1")[-1].why
            assert stored.profit == -10
            assert not panic.unexplained("c1")

    run_virtually(body())


def test_a_thin_book_is_sold_into_in_slices(tmp_path: Path) -> None:
    """No order takes more than its share of what is within the bound; the next waits for more."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": ([("0.99", "8")], [])}, slice_share=0.5) as panic:
            panic.holds("c1", "SOL", "10")

            def refill(order: object) -> None:
                panic.venue.shown["SOL-USDT"] = ([("0.99", "8"), ("0.5", "1000")], [])

            panic.venue.after = refill
            result = await panic.seller().sell("c1")
            assert [order.size for order in panic.venue.placed] == [4, 4, 2]
            assert result.outcome is Outcome.PANIC_SOLD
            assert not panic.unexplained("c1")

    run_virtually(body())


def test_dust_is_reported_and_not_tried_again(tmp_path: Path) -> None:
    """Below every minimum nothing is ordered; what and how much stands in the state."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP, "SOL-BTC": DEEP}) as panic:
            panic.holds("c1", "SOL", "0.0009")
            result = await panic.seller().sell("c1")
            assert not panic.venue.placed
            assert result.outcome is Outcome.RESIDUAL
            assert result.left == {"SOL": Decimal("0.0009")}
            stored = panic.store.cycle("c1")
            assert stored.error is not None
            assert "0.0009 SOL" in stored.error
            assert stored.state is CycleState.FAILED

    run_virtually(body())


def test_what_no_way_takes_is_held_told_once_and_tried_until_one_does(tmp_path: Path) -> None:
    """The only book is worse than the bound from its second level on; then it is not."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": ([], [("1.01", "5")])}) as panic:
            panic.holds("c1", "SOL", "10")
            seller = panic.seller()
            with selling(seller):
                assert seller.on_left("c1")
                assert await seller.settle(1.0)
                assert sold(panic) == (CycleState.PANIC_SELLING, None)
                await asyncio.sleep(35)
                assert len(panic.alerts) == 1
                assert panic.alerts[0]["event"] == "panic sell held"
                assert panic.alerts[0]["held"] == "10 SOL"
                assert panic.venue.asked["SOL-USDT"] == 4
                panic.venue.shown["SOL-USDT"] = ([("1", "100")], [])
                await until(lambda: panic.store.cycle("c1").outcome)
            assert sold(panic) == (CycleState.FAILED, Outcome.PANIC_SOLD)

    run_virtually(body())


def test_another_start_goes_on_with_what_was_held(tmp_path: Path) -> None:
    """The state panic_selling is picked up; names of orders go on where they ended."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": ([("1", "3"), ("0.5", "100")], [])}) as panic:
            panic.holds("c1", "SOL", "10")
            first = panic.seller()
            with selling(first):
                first.take("c1")
                await first.settle(60.0)
            assert sold(panic) == (CycleState.PANIC_SELLING, None)
            made = len(panic.venue.placed)
            assert made
            panic.venue.shown["SOL-USDT"] = ([("1", "100")], [])
            with selling(panic.seller()):
                await until(lambda: panic.store.cycle("c1").outcome)
            ids = [order.client_id for order in panic.venue.placed]
            assert ids == [f"c1-p{n}" for n in range(len(ids))]
            assert len(ids) == made + 1
            assert not panic.unexplained("c1")

    run_virtually(body())


def test_turned_off_it_leaves_the_cycle_to_its_desk(tmp_path: Path) -> None:
    """Nothing is taken over; a cycle that is handed over all the same ends with what it holds."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}, enabled=False) as panic:
            panic.holds("c1", "SOL", "10")
            seller = panic.seller()
            assert not seller.on_left("c1")
            assert panic.store.cycle("c1").state is CycleState.ACTIVE
            panic.store.move("c1", CycleState.RECOVERING, what="start", why="test")
            result = await seller.sell("c1")
            assert (result.outcome, result.left) == (Outcome.RESIDUAL, {"SOL": 10})
            assert not panic.venue.placed

    run_virtually(body())


def test_a_cycle_is_sold_by_one_task_at_a_time(tmp_path: Path) -> None:
    """Taken twice and asked for besides, it is sold once; who came later is told its end."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")
            panic.holds("c2", "SOL", "5")
            seller = panic.seller()
            with selling(seller):
                for cycle in ("c1", "c1", "c2"):
                    seller.take(cycle)
                result = await seller.sell("c1")
                assert result.outcome is Outcome.PANIC_SOLD
                await until(lambda: panic.store.cycle("c2").outcome)
            assert sorted(order.client_id for order in panic.venue.placed) == ["c1-p0", "c2-p0"]
            assert not panic.unexplained("c1", "c2")
            assert seller.bookings.booked()["SOL"] == -15
            assert (seller.bookings.in_flight, seller.bookings.orders) == (0, 2)

    run_virtually(body())


def test_a_holding_that_came_home_by_itself_needs_no_order(tmp_path: Path) -> None:
    """What it holds stands in a base currency already."""

    async def body() -> None:
        with panic_at(tmp_path, {"USDC-USDT": DEEP}) as panic:
            panic.holds("c1", "USDC", "10")
            result = await panic.seller().sell("c1")
            assert result.outcome is Outcome.PANIC_SOLD
            assert not panic.venue.placed

    run_virtually(body())


def test_a_venue_without_a_call_for_all_prices_takes_direct_ways(tmp_path: Path) -> None:
    """Ways over more orders are not found there: held, and tried again."""

    async def body() -> None:
        def no_such_call(what: str) -> None:
            if what == "tops":
                raise Rejected("ccxt knows no such call")

        with panic_at(tmp_path, {"SOL-BTC": DEEP, "BTC-USDT": DEEP, "ADA-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")
            panic.holds("c2", "ADA", "10")
            panic.venue.before = no_such_call
            seller = panic.seller()
            assert (await seller.sell("c2")).outcome is Outcome.PANIC_SOLD
            assert (await seller.sell("c1")).outcome is None
            assert symbols(panic) == ["ADA-USDT"]

    run_virtually(body())


def test_what_legs_at_once_took_from_other_balances_is_named(tmp_path: Path) -> None:
    """What is held is sold; what the cycle spent of ETH and never had is no end like any other."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10", together=True)
            market = listed("ETH-USDT")
            order = NewOrder("c1-1", "ETH-USDT", SELL, OrderKind.MARKET, size=Decimal(1))
            panic.store.intend("c1", order, Purpose.LEG, 1)
            one = Decimal(1)
            booked = Booked(SELL, one, one, one, one, Decimal(0), "USDT")
            panic.store.book("c1-1", booked, market, None)
            result = await panic.seller().sell("c1")
            assert symbols(panic) == ["SOL-USDT"]
            assert result.outcome is Outcome.RESIDUAL
            assert result.why.startswith("1 ETH of other balances")

    run_virtually(body())
