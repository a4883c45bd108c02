"""Panic sells under random trouble and deaths: nothing twice, nothing lost, an end that holds."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.errors import OutcomeUnknown, Transient
from arb_pipelines.execution.state.values import CycleState, OrderStatus, Outcome, Purpose
from tests.fakes.panic_markets import levels_of, random_market
from tests.fakes.panic_venue import Panic, panic_at
from tests.fakes.virtual_loop import run_virtually

Shown = dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]]


def shown_by(random: Random) -> Shown:
    """Random books of the steps and minimums that the fake venue lists."""
    books = random_market(random).books
    return {
        symbol: (
            [(str(price), str(size)) for price, size in levels_of(book, 1)],
            [(str(price), str(size)) for price, size in levels_of(book, 0)],
        )
        for symbol, book in books.items()
    }


def trouble(random: Random, panic: Panic) -> Callable[[], None]:
    """Let questions fail and answers get lost, now and then; gives what ends that."""

    def before(what: str) -> None:
        if random.random() < 0.15:
            raise Transient(f"{what}: no answer")

    def after(order: object) -> None:
        if random.random() < 0.3:
            raise OutcomeUnknown("the answer is lost")

    panic.venue.before, panic.venue.after = before, after

    def over() -> None:
        panic.venue.before, panic.venue.after = lambda what: None, lambda order: None

    return over


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from(["0.0004", "3", "40", "700"]))
def test_every_sale_is_explained_and_ends_or_holds(seed: int, amount: str) -> None:
    """Whatever fails and however often the engine dies, state and venue agree to the last unit."""

    async def body(folder: Path) -> None:
        random = Random(seed)
        with panic_at(folder, shown_by(random), base_currencies=("USDC", "USDT")) as panic:
            panic.holds("c1", "SOL", amount, start=random.choice(["USDT", "BTC"]))
            over = trouble(random, panic)
            for _ in range(random.randrange(4)):  # engines that die after so many steps
                dying = asyncio.ensure_future(panic.seller().sell("c1"))
                with suppress(TimeoutError):
                    async with asyncio.timeout(random.choice([0.0, 0.01, 0.4, 3.0])):
                        await dying
            over()
            result = await panic.seller().sell("c1")
            stored, orders = panic.store.cycle("c1"), panic.store.orders("c1")
            assert not panic.unexplained("c1")
            assert all(o.status in (OrderStatus.DONE, OrderStatus.REFUSED, OrderStatus.LOST)
                       for o in orders)  # fmt: skip
            names = [order.client_id for order in orders if order.purpose is Purpose.PANIC]
            assert sorted(names) == sorted(f"c1-p{n}" for n in range(len(names)))
            assert all(by >= 0 for of, by in stored.changes.items() if of != stored.start)
            assert stored.outcome is result.outcome
            if stored.outcome is None:
                assert stored.state is CycleState.PANIC_SELLING
                assert result.left
            elif stored.outcome is Outcome.PANIC_SOLD:
                assert stored.held.keys() <= {"USDC", "USDT"}
            else:
                assert stored.outcome is Outcome.RESIDUAL
                assert stored.held.keys() - {"USDC", "USDT"}
            sold = sum(order.filled for order in orders if order.symbol.startswith("SOL-")
                       and order.purpose is Purpose.PANIC)  # fmt: skip
            assert sold <= Decimal(amount)

    with tempfile.TemporaryDirectory() as folder:
        run_virtually(body(Path(folder)))
