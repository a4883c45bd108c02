"""Two strategies whose first legs rest on one capital: the nearer one gets it, and steals it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from arb_pipelines.execution.orders.capacity import CapitalDecided, RestingCapital
from arb_pipelines.execution.orders.limit_legs import LimitLegBroker
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import (
    Book,
    BrokerEvent,
    Cancelled,
    Ending,
    Order,
    OrderFill,
    OrderKind,
    Routed,
    TimeInForce,
)
from arb_pipelines.trading.session_rules import SessionRules
from tests.fakes.resting_venue import Rest, RestingVenue
from tests.fakes.scripted_venue import FEE
from tests.fakes.session_cycle import terms
from tests.fakes.virtual_loop import run_virtually, wall_ns

#: How far the best ask is from the best bid: 1.0 % and 0.36 %, and within what is protected.
TOPS = {"FAR-USDT": (99.0, 100.0), "NEAR-USDT": (11.0, 11.04), "SAFE-USDT": (10.0, 10.01)}
MARKETS = {symbol: terms(symbol) for symbol in TOPS}
PRICES = {symbol: (Decimal(str(bid)), Decimal(str(ask))) for symbol, (bid, ask) in TOPS.items()}
RULES = SessionRules.model_validate(
    {"orders": "limit", "limit_orders": {"reprice_ms": 2_000.0, "then": "give_up"}}
)


@dataclass
class Floor:
    """One account and its capital; ``news`` are by order, with the time of each."""

    venue: RestingVenue
    capital: RestingCapital
    tasks: asyncio.TaskGroup
    running: list[asyncio.Task[None]] = field(default_factory=list)
    news: dict[str, list[tuple[float, BrokerEvent]]] = field(default_factory=dict)
    rows: dict[str, list[CapitalDecided]] = field(default_factory=dict)
    most_held: Decimal = Decimal(0)

    def strategy(self, name: str) -> LimitLegBroker:
        """Let a strategy trade on it."""
        self.rows[name] = []

        def hear(told: object) -> None:
            if isinstance(told, CapitalDecided):
                self.rows[name].append(told)

        broker = LimitLegBroker(
            self.venue, self.venue, MARKETS, dict.fromkeys(MARKETS, FEE), RULES,
            wall_ns=wall_ns, books=_book, capital=self.capital, publish=hear,
        )  # fmt: skip
        self.running.append(self.tasks.create_task(broker.run()))
        self.running.append(self.tasks.create_task(self._listen(broker)))
        return broker

    async def both(
        self, first: str, second: str, *, after_s: float = 0.1
    ) -> tuple[LimitLegBroker, LimitLegBroker]:
        """Have two strategies begin a cycle each with a leg on their symbol: a-0, then b-0."""
        one, other = self.strategy("a"), self.strategy("b")
        await asyncio.sleep(0.01)
        one.submit(first_leg("a-0", first))
        await asyncio.sleep(after_s)
        other.submit(first_leg("b-0", second))
        return one, other

    async def _listen(self, broker: LimitLegBroker) -> None:
        while True:
            news = await broker.next_event()
            now = asyncio.get_running_loop().time()
            self.news.setdefault(news.client_id, []).append((now, news))
            held = sum((order.held for order in self.venue.resting.values()), Decimal(0))
            self.most_held = max(self.most_held, held)

    def kinds(self, client_id: str) -> list[type[BrokerEvent]]:
        """What was told of an order, in order."""
        return [type(news) for _, news in self.news.get(client_id, [])]

    def end(self, client_id: str) -> Cancelled:
        """How an order ended that was not filled."""
        _, news = self.news[client_id][-1]
        assert isinstance(news, Cancelled)
        return news


def _book(symbol: str) -> Book:
    bid, ask = (np.array([price]) for price in TOPS[symbol])
    size = np.array([1_000.0])
    return Book(symbol, wall_ns(), bid, size, ask, size)


def first_leg(client_id: str, symbol: str, funds: float = 100.0) -> Order:
    """A buy that opens a cycle."""
    return Order(
        client_id=client_id,
        ts=wall_ns(),
        strategy=client_id,
        symbol=symbol,
        side=BUY,
        kind=OrderKind.LIMIT,
        time_in_force=TimeInForce.IOC,
        size=None,
        funds=funds,
        limit_px=TOPS[symbol][1],
        stop_px=None,
        reserve=funds * 1.001,
        execution=client_id,
        leg=0,
    )


def on_a_floor(
    most: str, rests: dict[int, Rest], body: Any, free: Decimal | None = Decimal(1_000)
) -> Floor:
    """Run a test's body on virtual time, with so much capital for what rests."""

    async def run() -> Floor:
        venue = RestingVenue(MARKETS, PRICES, {"USDT": Decimal(1_000)}, rests=rests)
        capital = RestingCapital(lambda currency: free, wall_ns)
        capital.bound("USDT", Decimal(most))
        async with asyncio.TaskGroup() as tasks:
            floor = Floor(venue, capital, tasks)
            floor.running.append(tasks.create_task(capital.run()))
            work: Coroutine[Any, Any, None] = body(floor)
            await work
            for task in floor.running:
                task.cancel()
        return floor

    return run_virtually(run())


def test_the_nearer_order_takes_the_capital_of_the_further_one() -> None:
    """It leaves when the cancel of the other has taken effect; the other's cycle is none."""

    async def body(floor: Floor) -> None:
        await floor.both("FAR-USDT", "NEAR-USDT")
        await asyncio.sleep(1.5)

    rests = {0: Rest(cancel_s=0.3), 1: Rest(fills=((0.1, Decimal(1)),))}
    floor = on_a_floor("150", rests, body)
    assert floor.kinds("a-0") == [Routed, Cancelled]
    assert "went to b-0" in floor.end("a-0").reason
    assert floor.kinds("b-0") == [Routed, OrderFill]
    routed_s, ended_s = floor.news["b-0"][0][0], floor.news["a-0"][-1][0]
    assert routed_s >= ended_s >= 0.4
    assert floor.most_held < 150
    assert [row.kind for row in floor.rows["b"]] == ["steal", "enter", "outcome"]
    assert floor.rows["b"][-1].why == "filled"
    (stolen,) = [row for row in floor.rows["a"] if row.kind == "steal"]
    assert (stolen.victim, stolen.freed) == ("a-0", Decimal("100.0998999"))


def test_the_further_order_does_not_wait_for_long() -> None:
    """An opportunity does not wait: without capital within a rest, nothing leaves."""

    async def body(floor: Floor) -> None:
        await floor.both("NEAR-USDT", "FAR-USDT")
        await asyncio.sleep(3.0)

    floor = on_a_floor("150", {}, body)
    assert floor.kinds("b-0") == [Cancelled]
    assert floor.end("b-0").reason == "no capital: entry_tolerance"
    assert floor.end("b-0").ending is Ending.EXPIRED
    assert len(floor.venue.placed) == 1


def test_who_waits_enters_when_another_ends() -> None:
    """What is left free by an end is given at once."""

    async def body(floor: Floor) -> None:
        one, other = await floor.both("NEAR-USDT", "FAR-USDT")
        await asyncio.sleep(0.5)
        one.cancel("a-0", 0)
        await asyncio.sleep(0.2)
        assert floor.kinds("b-0") == [Routed]
        other.cancel("b-0", 0)
        await asyncio.sleep(0.2)

    floor = on_a_floor("150", {}, body)
    assert floor.most_held < 150


def test_both_rest_where_there_is_capital_for_both() -> None:
    """Nobody loses anything as long as there is enough."""

    async def body(floor: Floor) -> None:
        one, other = await floor.both("FAR-USDT", "NEAR-USDT", after_s=0.0)
        await asyncio.sleep(0.5)
        assert floor.kinds("a-0") == floor.kinds("b-0") == [Routed]
        for broker, name in ((one, "a-0"), (other, "b-0")):
            broker.cancel(name, 0)
        await asyncio.sleep(0.2)

    on_a_floor("201", {}, body)


def test_a_protected_order_is_not_stolen_from() -> None:
    """Who is as near as a filled order may be keeps its place from who comes later."""

    async def body(floor: Floor) -> None:
        one, other = await floor.both("SAFE-USDT", "SAFE-USDT")
        await asyncio.sleep(0.5)
        assert floor.kinds("a-0") == [Routed]
        assert floor.kinds("b-0") == []
        one.cancel("a-0", 0)
        other.cancel("b-0", 0)
        await asyncio.sleep(2.5)

    on_a_floor("150", {}, body)


def test_what_filled_of_a_stolen_order_is_kept() -> None:
    """Half filled, then stolen from: the half goes on, and binds no capital any more."""

    async def body(floor: Floor) -> None:
        _, other = await floor.both("FAR-USDT", "NEAR-USDT", after_s=0.2)
        await asyncio.sleep(1.0)
        other.cancel("b-0", 0)
        await asyncio.sleep(0.2)

    floor = on_a_floor("150", {0: Rest(fills=((0.1, Decimal("0.5")),))}, body)
    assert floor.kinds("a-0") == [Routed, OrderFill, Cancelled]
    assert floor.kinds("b-0")[:1] == [Routed]


@pytest.mark.parametrize("free", [Decimal(50), Decimal(0), None])
def test_no_more_rests_than_the_account_has(free: Decimal | None) -> None:
    """Whatever the rules allow, the account's own balance bounds it; unknown, the rules do."""

    async def body(floor: Floor) -> None:
        one = floor.strategy("a")
        await asyncio.sleep(0.01)
        one.submit(first_leg("a-0", "NEAR-USDT"))
        await asyncio.sleep(0.5)
        one.cancel("a-0", 0)
        await asyncio.sleep(2.5)

    floor = on_a_floor("150", {}, body, free)
    assert floor.kinds("a-0")[0] is (Routed if free is None else Cancelled)


def test_who_settles_waits_for_no_capital() -> None:
    """The session ends: what has not begun to rest is over at once."""

    async def body(floor: Floor) -> None:
        one, other = await floor.both("NEAR-USDT", "FAR-USDT")
        await asyncio.sleep(0.1)
        other.hurry()
        one.hurry()
        await asyncio.sleep(0.1)

    floor = on_a_floor("150", {}, body)
    assert floor.kinds("b-0") == [Cancelled]
    assert floor.kinds("a-0") == [Routed, Cancelled]
