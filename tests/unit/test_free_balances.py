"""What an account has free, as its venue tells, and waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from decimal import Decimal

import pytest

from arb_pipelines.errors import Fatal, Transient
from arb_pipelines.execution.orders.balances import FreeBalances
from arb_pipelines.venues.base import (
    AccountEvent,
    BalanceChanged,
    NewOrder,
    OrderReport,
    OwnFill,
    Resting,
)
from tests.fakes.virtual_loop import run_virtually

MS = 1_000_000


class Account:
    """Tells the events put into it; ``asked`` is what a question is answered with."""

    def __init__(self, asked: Mapping[str, Decimal] | Exception) -> None:
        self.events: asyncio.Queue[AccountEvent] = asyncio.Queue()
        self.asked, self.questions = asked, 0

    def tell(self, currency: str, free: str, ts_event: int, ts_recv: int = 99) -> None:
        self.events.put_nowait(
            BalanceChanged(currency, Decimal(free), Decimal(0), "o", ts_event * MS, ts_recv * MS)
        )

    async def run(self) -> None:
        raise NotImplementedError

    async def next_event(self) -> AccountEvent:
        return await self.events.get()

    async def settled(self, client_id: str, timeout_s: float) -> OrderReport | None:
        raise NotImplementedError

    def follow(self, order: NewOrder) -> None:
        raise NotImplementedError

    def forget(self, client_id: str) -> None:
        raise NotImplementedError

    async def look_up(self, client_id: str, symbol: str) -> OrderReport | None:
        raise NotImplementedError

    async def open_orders(self, symbols: Collection[str]) -> list[OrderReport]:
        raise NotImplementedError

    async def fills(self, since_ns: int, symbols: Collection[str]) -> list[OwnFill]:
        raise NotImplementedError

    async def balances(self) -> Mapping[str, Decimal]:
        self.questions += 1
        if isinstance(self.asked, Exception):
            raise self.asked
        return self.asked


def following(account: Account) -> tuple[FreeBalances, asyncio.Task[None]]:
    free = FreeBalances(account)
    return free, asyncio.create_task(free.run())


def test_the_newest_word_counts_whatever_comes_last() -> None:
    """A message that was overtaken changes nothing; what was looked up gives way to any told."""

    async def body() -> None:
        account = Account({})
        free, task = following(account)
        assert free.free("BTC") is None
        assert free.covers("BTC", Decimal(1)), "nothing is known, so nothing is waited for"
        account.tell("BTC", "2", ts_event=20)
        account.tell("BTC", "1", ts_event=10)
        account.events.put_nowait(Resting("c", "o", "BTC-USDT", 0, 0))
        await asyncio.sleep(0.01)
        assert free.free("BTC") == 2
        assert free.free("ETH") == 0, "the venue tells of balances, and told of none"
        account.tell("BTC", "3", ts_event=99_000, ts_recv=99_000)  # looked up, by a fast clock
        account.tell("BTC", "4", ts_event=30)
        await asyncio.sleep(0.01)
        assert free.free("BTC") == 4
        task.cancel()

    run_virtually(body())


def test_several_wait_and_each_goes_when_there_is_enough_for_it() -> None:
    """One change wakes all, and those that need more go on waiting."""

    async def body() -> None:
        account = Account({})
        free, task = following(account)
        account.tell("BTC", "0", ts_event=1)
        await asyncio.sleep(0.01)
        ended: list[str] = []

        async def wait(name: str, amount: int) -> None:
            assert await free.wait_for("BTC", Decimal(amount), 5.0) == amount
            ended.append(name)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wait("much", 3))
            tasks.create_task(wait("little", 1))
            for amount in (1, 2, 3):
                await asyncio.sleep(0.1)
                account.tell("BTC", str(amount), ts_event=1 + amount)
        assert ended == ["little", "much"]
        assert account.questions == 0
        task.cancel()

    run_virtually(body())


@pytest.mark.parametrize(
    ("asked", "given"),
    [({"BTC": Decimal(7)}, Decimal(7)), ({}, Decimal(0)), (Transient("down"), Decimal(1))],
)
def test_after_the_time_the_venue_is_asked(
    asked: Mapping[str, Decimal] | Exception, given: Decimal
) -> None:
    """Once, and its answer is what is free; without one, what was told last."""

    async def body() -> None:
        account = Account(asked)
        free, task = following(account)
        account.tell("BTC", "1", ts_event=1)
        await asyncio.sleep(0.01)
        assert await free.wait_for("BTC", Decimal(5), 0.5) == given
        assert free.free("BTC") == given
        assert account.questions == 1
        task.cancel()

    run_virtually(body())


def test_keys_that_no_longer_do_are_told() -> None:
    """Waiting for a balance does not hide that the venue turns us away."""

    async def body() -> None:
        account = Account(Fatal("400003"))
        free, task = following(account)
        account.tell("BTC", "1", ts_event=1)
        await asyncio.sleep(0.01)
        with pytest.raises(Fatal):
            await free.wait_for("BTC", Decimal(5), 0.5)
        task.cancel()

    run_virtually(body())
