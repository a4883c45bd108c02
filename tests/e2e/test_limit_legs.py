"""Legs that rest at the local exchange: filled, in part, priced again, traded at last, given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from arb_pipelines.trading.events import TimeInForce
from arb_pipelines.trading.reports import CycleReport
from arb_pipelines.venues.base import Accepted
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_at_exchange import SessionAt, session_at

pytestmark = pytest.mark.long

GTC, IOC = TimeInForce.GTC, TimeInForce.IOC
SYMBOL = "BTC-USDT"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of one triangle, whose books are those that a test shows."""
    home: Path = tmp_path_factory.mktemp("exchange")
    arguments = ("--symbols", "3", "--speed", "0", "--balance", "USDT=10000000")
    with running_exchange(home, *arguments) as process:
        yield process


def rules(**limit_orders: Any) -> dict[str, Any]:
    """Let the first leg rest."""
    return {
        "orders": ["limit", "ioc", "ioc"],
        "limit_orders": {"reprice_ms": 300.0, "max_reprices": 50} | limit_orders,
    }


async def traded(
    exchange: ExchangeProcess,
    meanwhile: Callable[[SessionAt], Coroutine[Any, Any, None]],
    *,
    entry: Literal["rest", "socket"] = "rest",
    faults: tuple[dict[str, object], ...] = (),
    **limit_orders: Any,
) -> tuple[CycleReport, SessionAt]:
    """Trade the triangle once, and hold our books to the venue's."""
    async with session_at(exchange, entry=entry, rules=rules(**limit_orders)) as session:
        try:
            before = await session.account.balances()
            for fault in faults:
                await session.operate("/faults", fault)
            _, report = await asyncio.gather(meanwhile(session), session.trade())
        finally:
            await asyncio.to_thread(exchange.operate, "DELETE", "/faults")
        while await session.on_hold():
            await asyncio.sleep(0.01)
        after = await session.account.balances()
        there = {c: after.get(c, Decimal(0)) - before.get(c, Decimal(0)) for c in after}
        ours = {c: a for c, a in session.broker.changes.items() if a}
        assert ours == {c: a for c, a in there.items() if a}, "to the last unit"
        await session.find_done()
        assert len(session.done) == len(set(session.done)), "no order twice"
        assert set(session.done) <= {new.client_id for new in session.intents}, "none unwritten"
        return report, session


async def resting(session: SessionAt) -> None:
    """Wait until the exchange has taken the order that rests."""
    while not any(isinstance(news, Accepted) for news in session.told):
        await asyncio.sleep(0.005)


def first_leg(session: SessionAt) -> list[tuple[TimeInForce, Decimal | None]]:
    """Time in force and price of the orders that carried the first leg."""
    name = session.orders[0].client_id
    mine = [new for new in session.intents if new.client_id.partition("_")[0] == name]
    assert [new.client_id for new in mine] == [name, *(f"{name}_{k}" for k in range(1, len(mine)))]
    return [(new.time_in_force, new.price) for new in mine]


def run(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run one test's coroutine, which shall not take long."""
    asyncio.run(asyncio.wait_for(body(), 60))


@pytest.mark.parametrize("entry", ["rest", "socket"])
def test_it_rests_at_the_bid_until_somebody_sells(
    exchange: ExchangeProcess, entry: Literal["rest", "socket"]
) -> None:
    """The market comes to it, it fills at its own price, and the cycle goes on."""

    async def sell(session: SessionAt) -> None:
        await resting(session)
        await session.show(SYMBOL, "49980", "49990", "3")

    async def body() -> None:
        report, session = await traded(exchange, sell, entry=entry, max_reprices=100)
        assert first_leg(session) == [(GTC, Decimal(49990))]
        assert report.legs == 3
        assert session.legs[0].done.funds / session.legs[0].done.size == pytest.approx(49990.0)

    run(body)


@pytest.mark.each_time
def test_it_follows_the_bid_and_trades_at_last(exchange: ExchangeProcess) -> None:
    """The bid rises twice; then what is left trades at once within the plan's limit."""

    async def rise(session: SessionAt) -> None:
        for bid, seen in (("49994", 1), ("49996", 2)):
            while sum(isinstance(news, Accepted) for news in session.told) < seen:
                await asyncio.sleep(0.005)
            await session.show(SYMBOL, bid, "50000", f"3.{seen}")

    async def body() -> None:
        report, session = await traded(exchange, rise, max_reprices=3)
        kinds = first_leg(session)
        assert [price for _, price in kinds[:3]] == [Decimal(49990), Decimal(49994), Decimal(49996)]
        assert [kind for kind, _ in kinds] == [GTC, GTC, GTC, IOC]
        assert kinds[-1][1] == Decimal(50250)  # 50 bps from the ask at the decision
        assert report.legs == 3

    run(body)


def test_a_part_fills_and_the_rest_is_given_up(exchange: ExchangeProcess) -> None:
    """What filled goes on alone."""

    async def sell_a_little(session: SessionAt) -> None:
        await resting(session)
        await session.show(SYMBOL, "49980", "49985", "0.0005")

    async def body() -> None:
        report, session = await traded(exchange, sell_a_little, max_reprices=1, then="give_up")
        assert [kind for kind, _ in first_leg(session)][:1] == [GTC]
        assert report.spent == pytest.approx(0.0005 * 49990 * 1.001, rel=1e-6)
        assert report.legs == 3

    run(body)


def test_nothing_fills_and_nothing_else_leaves(exchange: ExchangeProcess) -> None:
    """A first leg that is given up is no cycle."""

    async def body() -> None:
        report, session = await traded(exchange, resting, max_reprices=1, then="give_up")
        assert first_leg(session) == [(GTC, Decimal(49990))]
        assert len(session.intents) == 1
        assert report.spent == 0.0

    run(body)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "lost_acknowledgement", "match": "POST /api/v1/hf/orders"},
        {"kind": "lost_acknowledgement", "match": "DELETE /api/v1/hf/orders"},
        {"kind": "drop_before", "match": "DELETE /api/v1/hf/orders"},
        {"kind": "server_error", "match": "DELETE /api/v1/hf/orders"},
        {"kind": "too_many_requests", "match": "DELETE /api/v1/hf/orders"},
        {"kind": "gap", "match": "/spotMarket/tradeOrdersV2", "count": 3},
    ],
)
def test_an_answer_that_is_lost_costs_nothing(
    exchange: ExchangeProcess, fault: dict[str, object]
) -> None:
    """Order, cancel or the stream's word: the next order waits for the end of the one before."""

    async def body() -> None:
        report, session = await traded(exchange, resting, faults=(fault,), max_reprices=0)
        assert [kind for kind, _ in first_leg(session)] == [GTC, IOC]
        assert report.legs == 3

    run(body)


def test_a_post_only_order_rests_like_any_other(exchange: ExchangeProcess) -> None:
    """The venue takes the flag; the order that ends the leg has none."""

    async def body() -> None:
        report, session = await traded(exchange, resting, max_reprices=1, post_only=True)
        flags = [new.post_only for new in session.intents[:2]]
        assert flags == [True, False]
        assert report.legs == 3

    run(body)


def test_a_cycle_that_is_taken_back_by_hand_rests_no_longer(exchange: ExchangeProcess) -> None:
    """What a person cancels between its legs is over as soon as the venue has cancelled."""

    async def take_back(session: SessionAt) -> None:
        await resting(session)
        session.live.take_back(f"{session.prefix}0-")

    async def body() -> None:
        report, session = await traded(exchange, take_back, reprice_ms=60_000.0)
        assert len(session.intents) == 1
        assert report.spent == 0.0

    run(body)


def test_a_session_that_stops_takes_back_what_rests(exchange: ExchangeProcess) -> None:
    """A first leg that rests is given up at once, long before its time."""

    async def stop(session: SessionAt) -> None:
        await resting(session)
        session.controls.stop("the test says so")

    async def body() -> None:
        report, session = await traded(exchange, stop, reprice_ms=60_000.0)
        assert len(session.intents) == 1
        assert report.spent == 0.0

    run(body)
