"""A session against everything the local exchange can do to it: no order twice, no unit lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Literal

import pytest

from arb_pipelines.execution.orders.fees import FeeConfirmed
from arb_pipelines.trading.reports import CycleReport
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_at_exchange import BOOKS, SessionAt, session_at

ORDERS = "POST /api/v1/hf/orders"
TOLD = "/spotMarket/tradeOrdersV2"
BALANCE = "/account/balance"
Entry = Literal["rest", "socket"]


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


async def traded(
    exchange: ExchangeProcess,
    entry: Entry = "rest",
    *,
    faults: tuple[dict[str, object], ...] = (),
    meanwhile: Callable[[SessionAt], Coroutine[Any, Any, None]] | None = None,
    **how: Any,
) -> tuple[CycleReport, SessionAt]:
    """Trade the triangle once under faults; our books are the venue's afterwards."""
    began_with = how.get("balances", {"USDT": 10_000.0})
    async with session_at(exchange, entry=entry, **how) as session:
        try:
            before = await session.account.balances()
            for fault in faults:
                await session.operate("/faults", fault)
            if meanwhile is None:
                report = await session.trade()
            else:
                _, report = await asyncio.gather(meanwhile(session), session.trade())
        finally:
            await asyncio.to_thread(exchange.operate, "DELETE", "/faults")
        while await session.on_hold():
            await asyncio.sleep(0.01)
        after = await session.account.balances()
        there = {c: after.get(c, Decimal(0)) - before.get(c, Decimal(0)) for c in after}
        ours = {c: a for c, a in session.broker.changes.items() if a}
        assert ours == {c: a for c, a in there.items() if a}, "to the last unit"
        balances = session.portfolio.balances()
        for currency, change in there.items():
            began = began_with.get(currency, 0.0)
            assert balances.get(currency, 0.0) - began == pytest.approx(float(change), abs=1e-9)
        await session.find_done()
        assert len(session.done) == len(set(session.done)), "no order twice"
        assert set(session.done) <= {new.client_id for new in session.intents}, "none unwritten"
        return report, session


@pytest.mark.parametrize("entry", ["rest", "socket"])
def test_a_cycle_without_faults(exchange: ExchangeProcess, entry: Entry) -> None:
    """Three legs, what the fees were, and not a unit apart."""

    async def body() -> None:
        report, session = await traded(exchange, entry)
        assert report.legs_filled == 3
        assert report.profit > 4.0
        assert report.unwind_orders <= 1
        fees = [news for news in session.told if isinstance(news, FeeConfirmed)]
        assert all(fee.fee == fee.assumed for fee in fees)

    run(body)


@pytest.mark.parametrize("leg", [0, 1, 2])
@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("rest", "lost_acknowledgement"),
        ("rest", "drop_after"),
        ("rest", "server_error"),
        ("socket", "lost_acknowledgement"),
        ("socket", "drop_after"),
        ("socket", "server_error"),
    ],
)
def test_an_order_that_arrived_without_an_answer(
    exchange: ExchangeProcess, entry: Entry, kind: str, leg: int
) -> None:
    """It is never sent again: the stream tells its fill, and the cycle goes on."""

    async def body() -> None:
        match = ORDERS if entry == "rest" else "WS spot.order"
        fault = {"kind": kind, "match": match, "skip": leg}
        report, session = await traded(exchange, entry, faults=(fault,))
        if (entry, kind) == ("socket", "drop_after"):
            # the next leg may leave over the lost connection before it is known to be lost
            assert report.legs_filled > leg
        else:
            assert report.legs_filled == 3
            assert len(session.done) == len(session.intents)

    run(body)


@pytest.mark.parametrize(
    ("entry", "leg"),
    [
        ("rest", 0),
        ("socket", 2),
        pytest.param("rest", 2, marks=pytest.mark.long),
        pytest.param("socket", 0, marks=pytest.mark.long),
    ],
)
def test_an_order_that_never_arrived(exchange: ExchangeProcess, entry: Entry, leg: int) -> None:
    """The venue does not know it for as long as it may take: what is in hand goes back."""

    async def body() -> None:
        match = ORDERS if entry == "rest" else "WS spot.order"
        fault = {"kind": "drop_before", "match": match, "skip": leg}
        report, session = await traded(exchange, entry, faults=(fault,))
        assert report.legs_filled == leg
        assert report.residual_value < 0.05 * max(report.spent, 1.0)
        assert len(session.done) == len(session.intents) - 1

    run(body)


@pytest.mark.parametrize("entry", ["rest", "socket"])
def test_too_many_requests_between_legs(exchange: ExchangeProcess, entry: Entry) -> None:
    """Nothing happened, so the same order leaves again, and just once arrives."""

    async def body() -> None:
        match = ORDERS if entry == "rest" else "WS spot.order"
        fault = {"kind": "too_many_requests", "match": match, "skip": 1, "count": 1}
        # the pause that the venue names is as long as its window: the leg's time is over first
        report, session = await traded(exchange, entry, faults=(fault,))
        assert report.legs_filled == 3
        assert len(session.done) == len(session.intents)

    run(body)


@pytest.mark.parametrize(("leg", "order"), [(0, "BTC-USDT buy"), (1, "ETH-BTC buy")])
def test_a_leg_is_refused(exchange: ExchangeProcess, leg: int, order: str) -> None:
    """What the legs before brought is brought back."""

    async def body() -> None:
        no = {"kind": "reject", "match": order, "code": "600100", "msg": "No."}
        report, _ = await traded(exchange, faults=(no,))
        assert report.legs_filled == leg
        assert (report.spent > 0.0) == (leg > 0)
        assert report.residual_value < 0.05 * max(report.spent, 1.0)

    run(body)


@pytest.mark.parametrize("kind", ["market", "ioc"])
@pytest.mark.parametrize("order", ["BTC-USDT buy", "ETH-BTC buy", "ETH-USDT sell"])
def test_a_leg_fills_in_part(exchange: ExchangeProcess, order: str, kind: str) -> None:
    """The part goes on round the cycle, the rest goes back as far as there is a book for it."""

    async def body() -> None:
        fault = {"kind": "partial_fill", "match": order, "share": 0.4}
        report, _ = await traded(exchange, faults=(fault,), rules={"orders": kind})
        assert report.legs == 3
        assert report.legs_filled <= 2

    run(body)


def test_a_symbol_is_halted_between_legs(exchange: ExchangeProcess) -> None:
    """Its order is refused; the unwind takes the way that is left."""

    async def body() -> None:
        async def halt(session: SessionAt) -> None:
            while not session.legs:
                await asyncio.sleep(0)
            await session.operate("/symbols/ETH-BTC/halt")

        try:
            # the second leg waits long enough for the operator
            slow = {"kind": "delay", "match": ORDERS, "skip": 1, "ms": 150}
            report, _ = await traded(exchange, faults=(slow,), meanwhile=halt)
            assert report.legs_filled == 1
            assert report.unwind_orders >= 1
            assert report.residual_value < 0.05 * report.spent
        finally:
            await asyncio.to_thread(exchange.operate, "POST", "/symbols/ETH-BTC/resume", {})

    run(body)


@pytest.mark.parametrize("kind", ["duplicate", "reorder"])
@pytest.mark.parametrize("topic", [TOLD, BALANCE])
def test_messages_come_twice_or_in_another_order(
    exchange: ExchangeProcess, kind: str, topic: str
) -> None:
    """An execution counts once, and an end that comes early waits for what it ended."""

    async def body() -> None:
        fault = {"kind": kind, "match": topic, "count": 30}
        report, _ = await traded(exchange, faults=(fault,))
        assert report.legs_filled == 3

    run(body)


def test_messages_of_orders_are_lost(exchange: ExchangeProcess) -> None:
    """What the stream does not tell is looked up."""

    async def body() -> None:
        fault = {"kind": "gap", "match": TOLD, "count": 100}
        report, session = await traded(exchange, faults=(fault,))
        assert report.legs_filled == 3
        fees = [news for news in session.told if isinstance(news, FeeConfirmed)]
        assert len(fees) >= 3, "a look-up tells the fee with the order"

    run(body)


@pytest.mark.parametrize("entry", ["rest", "socket"])
def test_proceeds_are_free_later_than_told(exchange: ExchangeProcess, entry: Entry) -> None:
    """Each leg is filled before what it brought can be spent: the next waits, and leaves once."""

    async def body() -> None:
        fault = {"kind": "late_balance", "ms": 120.0, "count": 3}
        report, session = await traded(exchange, entry, faults=(fault,))
        assert report.legs_filled == 3
        assert report.ts_end - report.ts_signal > 2 * 120_000_000
        assert len(session.done) == len(session.intents) == 3

    run(body)


def test_proceeds_never_come_in_time(exchange: ExchangeProcess) -> None:
    """Past the wait nothing leaves that is not free; what is in hand goes back when it is."""

    async def body() -> None:
        fault = {"kind": "late_balance", "match": "BTC-USDT buy", "ms": 500.0}
        quick = {"balance_wait_ms": 150.0}
        report, _ = await traded(exchange, faults=(fault,), rules=quick)
        assert report.ts_end - report.ts_signal > 450_000_000
        assert report.unwind_orders >= 2
        assert report.residual_value < 0.05 * report.spent

    run(body)


def test_messages_of_balances_are_lost(exchange: ExchangeProcess) -> None:
    """Proceeds that nobody told of are waited for, then asked for; the cycle goes on."""

    async def body() -> None:
        fault = {"kind": "gap", "match": BALANCE, "count": 100}
        quick = {"balance_wait_ms": 150.0}
        report, session = await traded(exchange, faults=(fault,), rules=quick)
        assert report.legs_filled == 3
        assert report.ts_end - report.ts_signal > 2 * 150_000_000
        assert len(session.done) == len(session.intents)

    run(body)


@pytest.mark.parametrize("path", ["/sessions/cut", "/tokens/expire"])
def test_the_private_stream_is_cut_in_a_cycle(exchange: ExchangeProcess, path: str) -> None:
    """The cycle goes on by look-ups, and the stream comes back with what it missed."""

    async def body() -> None:
        async def cut(session: SessionAt) -> None:
            while not session.orders:
                await asyncio.sleep(0)
            await session.operate(path)

        slow = {"kind": "delay", "match": ORDERS, "ms": 60, "count": 3}
        report, _ = await traded(exchange, faults=(slow,), meanwhile=cut)
        assert report.legs_filled == 3

    run(body)


@pytest.mark.parametrize("entry", ["rest", "socket"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "duplicate", "match": TOLD},
        {"kind": "reject", "match": "BTC-USDT buy", "code": "600100"},
        {"kind": "reject", "match": "ETH-BTC buy", "code": "600100"},
        {"kind": "reject", "match": "ETH-USDT sell", "code": "600100"},
        {"kind": "partial_fill", "match": "ETH-BTC buy", "share": 0.5},
    ],
)
def test_legs_that_leave_together(
    exchange: ExchangeProcess, entry: Entry, fault: dict[str, object]
) -> None:
    """All at once, each from what is free; what one fails to do is made good afterwards."""

    async def body() -> None:
        for currency in ("BTC", "ETH"):
            paid = {"user": "local", "currency": currency, "amount": "5"}
            await asyncio.to_thread(exchange.operate, "POST", "/deposits", paid)
        held = {"USDT": 10_000.0, "BTC": 1.0, "ETH": 1.0}
        report, session = await traded(
            exchange, entry, faults=(fault,), rules={"legs": "parallel"}, balances=held
        )
        assert {order.ts for order in session.orders[:3]} == {session.orders[0].ts}
        assert (report.legs_filled == 3) == (fault["kind"] == "duplicate")
        for currency in ("BTC", "ETH"):
            assert session.portfolio.balances()[currency] == pytest.approx(1.0, abs=0.003)

    run(body)


@pytest.mark.parametrize(
    ("entry", "seed"), [("rest", 1), ("rest", 2), ("socket", 3), ("socket", 4)]
)
def test_nothing_is_lost_when_everything_happens_at_once(
    exchange: ExchangeProcess, entry: Entry, seed: int
) -> None:
    """Three executions in flight, a fault every few orders, books that come and go."""
    random = Random(seed)
    way = ORDERS if entry == "rest" else "WS spot.order"

    def any_fault() -> dict[str, object]:
        matches = {
            way: ["delay", "drop_before", "drop_after", "lost_acknowledgement", "server_error"],
            "": ["reject", "partial_fill"],
            TOLD: ["duplicate", "reorder", "gap"],
            BALANCE: ["duplicate", "reorder", "gap"],
        }
        match = random.choice(list(matches))
        kind = random.choice(matches[match])
        facts = {"ms": 30.0} if kind == "delay" else {}
        return {"kind": kind, "match": match, "skip": random.randrange(3), **facts}

    async def body() -> None:
        async def busy(session: SessionAt) -> None:
            for number in count():
                if len(session.cycles) >= 20:
                    break
                if number % 2:
                    await session.operate("/faults", any_fault())
                if number == 10:
                    await session.operate("/sessions/cut")
                for symbol, (bid, ask, size) in BOOKS.items():
                    await session.show(symbol, bid, ask, f"{size}.{seed}{number:03}7")
                await asyncio.sleep(random.random() * 0.02)
                while session.risk.in_flight == 3:
                    await asyncio.sleep(0.01)
                session.signal()
            while session.risk.in_flight:
                await asyncio.sleep(0.01)

        apart = {"triangle": False, "symbol": False, "start_currency": False}
        quick = {"unknown_wait_ms": 400.0, "balance_wait_ms": 100.0}
        _, session = await traded(
            exchange, entry, meanwhile=busy, rules=quick, cool_down_ms=0.0, slots=3, isolation=apart
        )
        whole = sum(report.legs_filled == 3 for report in session.cycles)
        assert whole >= 5
        assert whole < len(session.cycles)

    run(body)


@pytest.mark.parametrize("entry", ["rest", "socket"])
def test_paper_moves_nothing(exchange: ExchangeProcess, entry: Entry) -> None:
    """Every leg is checked by the venue and filled from its books; no balance moves."""

    async def body() -> None:
        async with session_at(exchange, entry=entry, paper=True) as session:
            before = await session.account.balances()
            report = await session.trade()
            assert report.legs_filled == 3
            assert report.profit > 4.0
            assert await session.account.balances() == before
            await session.find_done()
            assert session.done == []
            assert len(session.intents) >= 3

    run(body)


def test_paper_honours_what_the_venue_would_refuse(exchange: ExchangeProcess) -> None:
    """A halted symbol fills nothing on paper either."""

    async def body() -> None:
        async with session_at(exchange, paper=True) as session:
            gap = {"kind": "gap", "match": "/spotMarket/level2Depth5:ETH-BTC"}
            await session.operate("/faults", gap)  # the books do not tell of it
            await session.operate("/symbols/ETH-BTC/halt")
            try:
                report = await session.trade()
            finally:
                await session.operate("/symbols/ETH-BTC/resume")
            assert report.legs_filled == 1
            assert report.unwind_orders >= 1
            assert report.residual_value < 0.05 * report.spent

    run(body)
