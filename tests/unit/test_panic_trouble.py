"""Panic sells when something goes wrong: lost answers, halted symbols, failing venues and disks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.errors import Fatal, Transient
from arb_pipelines.execution.state.values import CycleState, OrderStatus, Outcome
from tests.fakes.panic_venue import (
    DEEP,
    lost_answer,
    no_answer,
    panic_at,
    selling,
    sold,
    symbols,
    until,
)
from tests.fakes.virtual_loop import run_virtually


def test_an_order_of_a_dead_process_is_settled_before_more_is_sold(tmp_path: Path) -> None:
    """It had filled without being booked: what is left is nothing, and nothing is sold twice."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")
            panic.venue.after = lambda order: dying.cancel()
            dying = asyncio.ensure_future(panic.seller().sell("c1"))
            with pytest.raises(asyncio.CancelledError):
                await dying
            assert panic.store.orders("c1")[-1].status is not OrderStatus.DONE
            result = await panic.seller().sell("c1")
            assert result.outcome is Outcome.PANIC_SOLD
            assert len(panic.venue.placed) == 1
            assert not panic.unexplained("c1")

    run_virtually(body())


def test_a_lost_answer_is_looked_up_and_not_sent_again(tmp_path: Path) -> None:
    """The order had arrived; the account tells what became of it."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")
            panic.venue.after = lost_answer
            result = await panic.seller().sell("c1")
            assert result.outcome is Outcome.PANIC_SOLD
            assert len(panic.venue.placed) == 1

    run_virtually(body())


def test_a_halted_symbol_is_gone_around(tmp_path: Path) -> None:
    """The venue's list said that it trades: its refusal says otherwise, for this try."""

    async def body() -> None:
        books = {"SOL-USDT": DEEP, "SOL-BTC": DEEP, "BTC-USDT": DEEP}
        with panic_at(tmp_path, books) as panic:
            panic.holds("c1", "SOL", "10")
            panic.venue.halted = {"SOL-USDT"}
            result = await panic.seller().sell("c1")
            assert symbols(panic) == ["SOL-BTC", "BTC-USDT"]
            assert result.outcome is Outcome.PANIC_SOLD
            refused = panic.store.orders("c1")[1]
            assert (refused.symbol, refused.status) == ("SOL-USDT", OrderStatus.REFUSED)

    run_virtually(body())


def test_trouble_that_passes_is_waited_for(tmp_path: Path) -> None:
    """No books for a while: nothing is ordered, nothing alerted, and then it is sold."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")
            panic.venue.before = no_answer
            seller = panic.seller()
            with selling(seller):
                seller.take("c1")
                assert not await seller.settle(20.0)
                assert not panic.venue.placed
                assert not panic.alerts
                panic.venue.before = lambda what: None
                await until(lambda: panic.store.cycle("c1").outcome)
            assert sold(panic) == (CycleState.FAILED, Outcome.PANIC_SOLD)

    run_virtually(body())


def test_a_venue_that_turns_us_away_is_told_and_tried_again(tmp_path: Path) -> None:
    """Keys need a person: the cycle is held, and the session goes on."""

    async def body() -> None:
        def banned(what: str) -> None:
            raise Fatal("the key is banned")

        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")
            panic.venue.before = banned
            seller = panic.seller()
            with selling(seller):
                seller.take("c1")
                await until(lambda: panic.alerts)
                assert "banned" in str(panic.alerts[0]["why"])
                panic.venue.before = lambda what: None
                await until(lambda: panic.store.cycle("c1").outcome)

    run_virtually(body())


def test_orders_that_never_fill_end_a_try(tmp_path: Path) -> None:
    """A market that moves away from each order is not chased for ever: held, and tried again."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")

            def gone(what: str) -> None:
                if what.startswith("c1-p"):
                    panic.venue.shown["SOL-USDT"] = ([], [])
                elif what == "SOL-USDT":
                    panic.venue.shown["SOL-USDT"] = ([("0.99", "1000")], [])

            panic.venue.before = gone
            result = await panic.seller().sell("c1")
            assert result.outcome is None
            assert len(panic.venue.placed) == 3
            assert "moved away" in result.why

    run_virtually(body())


def test_a_state_that_cannot_be_written_keeps_orders_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No order leaves without its intent; when the file is back, the sale goes on."""

    async def body() -> None:
        with panic_at(tmp_path, {"SOL-USDT": DEEP}) as panic:
            panic.holds("c1", "SOL", "10")
            store: Any = panic.store
            intend, failures = store.intend, [1, 2]

            def full(*arguments: Any) -> None:
                if failures:
                    failures.pop()
                    raise Transient("the state file cannot be written: disk full")
                intend(*arguments)

            monkeypatch.setattr(store, "intend", full)
            result = await panic.seller().sell("c1")
            assert result.outcome is Outcome.PANIC_SOLD
            assert len(panic.venue.placed) == 1

    run_virtually(body())
