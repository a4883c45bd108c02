"""A venue in maintenance: nothing begins, what is in flight is kept, and goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from arb_pipelines.venues.base import Accepted
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_at_exchange import SessionAt, session_at
from tests.e2e.session_process import free_balances, keys_of, running_session, strategy_file, until

pytestmark = pytest.mark.long

Status = Literal["close", "cancelonly"]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of one triangle, whose books are those that a test shows."""
    home: Path = tmp_path_factory.mktemp("exchange")
    arguments = ("--symbols", "3", "--speed", "0", "--balance", "USDT=10000000")
    with running_exchange(home, *arguments) as process:
        yield process


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run one test's coroutine, which shall not take long."""
    asyncio.run(asyncio.wait_for(body(), 60))


async def maintain(session: SessionAt, status: str) -> None:
    """Put the exchange into maintenance, or open it, and wait until the session knows."""
    await session.operate("/maintenance", {"status": status, "msg": "upgrade"})
    while (session.status.closed is None) != (status == "open"):
        await asyncio.sleep(0.005)


async def first_leg_rests(session: SessionAt) -> None:
    """Wait until the exchange has taken the order of the first leg."""
    while not any(isinstance(news, Accepted) for news in session.told):
        await asyncio.sleep(0.005)


async def hold_to_the_venue(session: SessionAt, before: dict[str, Decimal]) -> None:
    """Our books are the venue's, to the last unit; no order twice, and none unwritten."""
    after = await session.account.balances()
    there = {c: by for c in after if (by := after[c] - before.get(c, Decimal(0)))}
    assert {c: by for c, by in session.broker.changes.items() if by} == there
    await session.find_done()
    assert len(session.done) == len(set(session.done))
    assert set(session.done) <= {new.client_id for new in session.intents}


@pytest.mark.parametrize("status", ["close", "cancelonly"])
@pytest.mark.parametrize("entry", ["rest", "socket"])
def test_a_cycle_waits_between_its_legs(
    exchange: ExchangeProcess, status: Status, entry: Literal["rest", "socket"]
) -> None:
    """The venue closes while the first leg rests and fills; the second leaves when it opens."""

    async def body() -> None:
        rules = {"orders": ["limit", "ioc", "ioc"], "limit_orders": {"reprice_ms": 30_000.0}}
        async with session_at(exchange, entry=entry, rules=rules | {"leg_timeout_ms": 300.0}) as s:
            before = dict(await s.account.balances())
            trading = asyncio.create_task(s.trade())
            try:
                await first_leg_rests(s)
                await maintain(s, status)
                await s.show("BTC-USDT", "49980", "49990", "3")  # it fills: the next leg would go
                while len(s.intents) < 2:
                    await asyncio.sleep(0.005)
                await asyncio.sleep(0.5)  # longer than a leg may take while the venue is open
                assert not trading.done()
                assert s.risk.in_flight == 1
            finally:
                await maintain(s, "open")
            report = await trading
            assert report.legs == 3
            assert report.profit > 4.0
            while await s.on_hold():
                await asyncio.sleep(0.01)
            await hold_to_the_venue(s, before)

    run(body)


def test_nothing_begins_while_it_lasts(exchange: ExchangeProcess) -> None:
    """Signals are refused as maintenance; after it they are taken again, without anybody's help."""

    async def body() -> None:
        async with session_at(exchange) as session:
            try:
                await maintain(session, "close")
                session.signal()
                assert session.orders == []
                assert session.refused[-1] == "maintenance"
            finally:
                await maintain(session, "open")
            report = await session.trade()
            assert report.legs == 3

    run(body)


def test_an_order_that_met_the_closed_door_is_looked_up(exchange: ExchangeProcess) -> None:
    """Nobody can say whether it arrived until the venue opens; then it is known that it did not."""

    async def body() -> None:
        async with session_at(exchange, rules={"unknown_wait_ms": 300.0}) as session:
            before = dict(await session.account.balances())
            try:
                await session.operate("/maintenance", {"status": "close", "msg": "upgrade"})
                session.status.closed = None  # the session has not noticed yet
                trading = asyncio.create_task(session.trade())
                while not session.intents:
                    await asyncio.sleep(0.005)
                await asyncio.sleep(0.8)
                assert not trading.done(), "the venue has not said what became of it"
            finally:
                await maintain(session, "open")
            report = await trading
            assert report.spent == 0.0
            await hold_to_the_venue(session, before)

    run(body)


def test_a_session_says_that_its_venue_is_closed_and_goes_on_by_itself(
    tmp_path: Path,
) -> None:
    """In its heartbeat and to who asks for its health; nobody has to do anything."""
    rules = ", unknown_wait_ms: 500, orders: [limit, ioc], limit_orders: {reprice_ms: 200}"
    file = strategy_file(tmp_path, "thin", rules=rules)
    with (
        running_exchange(tmp_path / "x", "--symbols", "12", "--balance", "USDT=100000") as moving,
        running_session(tmp_path / "home", file, keys_of(moving)) as session,
    ):
        session.traded(3)
        moving.operate("POST", "/maintenance", {"status": "close", "msg": "upgrade"})
        until(lambda: "closed" in str(session.heartbeat().get("venue")), "word of maintenance")
        moving.operate("POST", "/maintenance", {"status": "open"})
        until(lambda: session.heartbeat().get("venue") is None, "word of its end")
        session.traded(session.heartbeat()["executions"] + 3)
        summary = session.stop()
        after = free_balances(moving)
    assert summary["state"] == "ended"
    assert summary["in_flight"] == 0
    told = {of: Decimal(by) for of, by in summary["booked"].items()}
    started = {"USDT": Decimal(100_000)}
    for currency in after:
        changed = after[currency] - started.get(currency, Decimal(0))
        assert abs(changed - told.get(currency, Decimal(0))) < Decimal("1e-9"), currency
