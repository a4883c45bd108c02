"""The coordinator's loop: who hears what and in which order, the end, and what goes wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from arb_pipelines.backtest.brokers.passthrough import PassThroughBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator, EventClock
from arb_pipelines.containers.desk import Desk
from arb_pipelines.containers.protocols import Check, Step
from arb_pipelines.errors import DataError, InvariantBroken
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import (
    Approved,
    Book,
    BrokerEvent,
    Cancel,
    Cancelled,
    Ended,
    Ending,
    Event,
    MarketEvent,
    Order,
    OrderKind,
    OrderSignal,
    Refused,
    Routed,
    Signal,
)
from arb_pipelines.trading.lifecycle import OrderStatus
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import Report
from arb_pipelines.trading.single_orders import SingleOrderRisk, SingleOrders
from tests.fakes.orders import a_fill


@dataclass
class BuyOnce:
    """Buys for all its funds at the first book."""

    funds: float = 100.0
    heard: list[BrokerEvent] = field(default_factory=list)

    def on_market(self, event: MarketEvent) -> Iterable[Signal]:
        if self.funds and isinstance(event, Book):
            yield OrderSignal(
                event.ts_recv, "test", "BTC-USDT", BUY, OrderKind.MARKET, funds=self.funds
            )
            self.funds = 0.0

    def on_broker(self, event: BrokerEvent) -> Iterable[Signal]:
        self.heard.append(event)
        return ()


@dataclass
class Recording:
    """A sink that keeps what it is sent and fills it at 100 with the next news."""

    sent: list[Order] = field(default_factory=list)
    cancelled: list[tuple[str, int]] = field(default_factory=list)
    inbox: deque[BrokerEvent] = field(default_factory=deque)
    overfill: float = 1.0
    silent: bool = False  # tells of no fill

    def send(self, order: Order) -> None:
        self.sent.append(order)
        spent = order.funds if order.side == BUY else order.size
        assert spent is not None
        got = spent / 100 if order.side == BUY else spent * 100
        self.inbox.append(Routed(order.client_id, order.ts))
        if not self.silent:
            fill = a_fill(order, spent, got * self.overfill, final=True, ts=order.ts)
            self.inbox.append(replace(fill, funds=fill.funds * self.overfill))

    def cancel(self, client_id: str, ts: int) -> None:
        self.cancelled.append((client_id, ts))
        self.inbox.append(Cancelled(client_id, ts, "taken back"))

    def heard(self) -> Iterator[BrokerEvent]:
        while self.inbox:
            yield self.inbox.popleft()

    def end(self) -> Iterator[BrokerEvent]:
        return self.heard()


@dataclass
class Bench:
    """One coordinator over a recording sink, and everything that was published."""

    strategy: BuyOnce = field(default_factory=BuyOnce)
    sink: Recording = field(default_factory=Recording)
    published: list[Event | Report] = field(default_factory=list)
    torn_down: list[str] = field(default_factory=list)
    clock: EventClock = field(default_factory=EventClock)

    def coordinator(self, check: Check | None = None) -> BacktestCoordinator:
        self.portfolio = Portfolio({"USDT": 100.0})
        desk = Desk(
            self.strategy,
            SingleOrderRisk(self.portfolio),
            SingleOrders("test"),
            self.portfolio,
            publish=self.published.append,
            check=check,
        )
        return BacktestCoordinator(
            desk,
            PassThroughBroker(self.sink),
            self.portfolio,
            clock=self.clock,
            teardown=[lambda: self.torn_down.append("one"), lambda: self.torn_down.append("two")],
        )


def _books(*times: int) -> list[Book]:
    one = np.ones(1)
    return [Book("BTC-USDT", ts, one, one, one, one) for ts in times]


def test_the_loop_publishes_each_step_in_order() -> None:
    """Book, signal, approval, order, routed, fill, end; then the order that closes the position."""
    bench = Bench()
    result = bench.coordinator().run(_books(1, 2))
    assert [type(event).__name__ for event in bench.published] == [
        "Book", "OrderSignal", "Approved", "Order",
        "Routed", "OrderFill", "Ended", "Book",
        "Order", "Routed", "OrderFill",
    ]  # fmt: skip
    assert (result.updates, result.signals, result.fills) == (2, 1, 2)
    assert result.orders == {OrderStatus.FILLED: 2}
    assert result.balances == {"USDT": 100.0, "BTC": 0.0}
    assert result.last_ts == 2
    assert bench.clock.now_ns() == 2


def test_orders_pass_to_the_sink_and_news_back_unchanged() -> None:
    """The pass-through broker neither alters, drops nor reorders anything."""
    bench = Bench()
    bench.coordinator().run(_books(1, 2))
    assert bench.sink.sent == [event for event in bench.published if isinstance(event, Order)]
    told = [e for e in bench.published if isinstance(e, BrokerEvent)]
    assert bench.strategy.heard == told
    assert [news.client_id for news in told] == ["test-1", "test-1", "test-2", "test-2"]


class Impatient(SingleOrders):
    """Asks each order back as soon as it has left, and once more when it has ended."""

    def on_broker(self, event: BrokerEvent) -> Iterable[Step]:
        yield from super().on_broker(event)
        yield Cancel(event.client_id, event.ts)


def test_an_order_manager_takes_open_orders_back_and_ended_ones_are_left_in_peace() -> None:
    """The wish is published and reaches the sink; what comes of it is for the sink to tell."""
    bench = Bench(sink=Recording(silent=True))
    portfolio = Portfolio({"USDT": 100.0})
    desk = Desk(
        bench.strategy,
        SingleOrderRisk(portfolio),
        Impatient("test"),
        portfolio,
        publish=bench.published.append,
    )
    result = BacktestCoordinator(desk, PassThroughBroker(bench.sink), portfolio).run(_books(1, 2))
    assert bench.sink.cancelled == [("test-1", 1)]
    assert [event for event in bench.published if isinstance(event, Cancel)] == [
        Cancel("test-1", 1)
    ]
    assert result.orders == {OrderStatus.CANCELLED: 1}
    assert result.balances == {"USDT": 100.0}


def test_what_risk_refuses_never_reaches_the_broker() -> None:
    """A refusal is counted by its name, and no order leaves."""
    bench = Bench()
    coordinator = bench.coordinator()
    bench.portfolio.on_order(_all_of_it())
    result = coordinator.run(_books(1))
    assert result.refused == {"funds": 1}
    assert bench.sink.sent == []
    assert any(isinstance(event, Refused) for event in bench.published)


def _all_of_it() -> Order:
    approved = Approved(
        OrderSignal(0, "other", "BTC-USDT", BUY, OrderKind.MARKET, funds=100.0), 100.0
    )
    (order,) = SingleOrders("other").begin(approved)
    return order


def test_an_order_that_breaks_a_rule_is_rejected_before_it_leaves() -> None:
    """The order manager hears of it as of any rejection, and no balance moves."""
    bench = Bench()
    result = bench.coordinator(check=lambda order: "size: too odd").run(_books(1))
    assert bench.sink.sent == []
    assert result.orders == {OrderStatus.REJECTED: 1}
    assert result.balances == {"USDT": 100.0}
    assert bench.strategy.heard == [Cancelled("test-1", 1, "size: too odd", Ending.REJECTED)]
    assert isinstance(bench.published[-1], Ended)


def test_teardown_happens_once_and_last_first() -> None:
    """A sound run tears down too."""
    bench = Bench()
    bench.coordinator().run(_books(1))
    assert bench.torn_down == ["two", "one"]


@pytest.mark.parametrize("at", ["data", "strategy", "teardown"])
def test_teardown_happens_whatever_went_wrong(at: str) -> None:
    """The first error comes out, and every teardown was called."""
    bench = Bench()

    def fail(*_: object) -> None:
        raise ZeroDivisionError(at)

    def data() -> Iterator[Book]:
        yield from _books(1)
        if at == "data":
            fail()

    if at == "strategy":
        bench.strategy.on_market = fail  # type: ignore[method-assign, assignment]
    coordinator = bench.coordinator()
    if at == "teardown":
        coordinator = BacktestCoordinator(
            Desk(bench.strategy, SingleOrderRisk(bench.portfolio), SingleOrders("test"),
                 bench.portfolio),
            PassThroughBroker(bench.sink),
            bench.portfolio,
            teardown=[lambda: bench.torn_down.append("one"), fail,
                      lambda: bench.torn_down.append("two")],
        )  # fmt: skip
    with pytest.raises(ZeroDivisionError, match=at):
        coordinator.run(data())
    assert bench.torn_down == ["two", "one"]


def test_data_that_runs_back_in_time_is_refused() -> None:
    """A backtest on unsorted data would see the future."""
    bench = Bench()
    with pytest.raises(DataError, match="comes after one of 5; sort by time"):
        bench.coordinator().run(_books(5, 4))


def test_a_broker_that_leaves_an_order_open_is_found_out() -> None:
    """At the end every order has ended, or the run has no result."""
    bench = Bench(sink=Recording(silent=True))
    with pytest.raises(InvariantBroken, match=r"left open .*test-1"):
        bench.coordinator().run(_books(1))


def test_a_broker_that_fills_more_than_ordered_is_found_out() -> None:
    """An overfill stops the run before it reaches the portfolio."""
    bench = Bench(sink=Recording(overfill=1.01))
    with pytest.raises(InvariantBroken, match="were ordered"):
        bench.coordinator().run(_books(1, 2))


def test_news_of_an_unknown_order_is_found_out() -> None:
    """News has to belong to an order that was sent and has not ended."""
    bench = Bench()
    bench.sink.inbox.append(Routed("ghost", 0))
    with pytest.raises(InvariantBroken, match=r"ghost.* is of no open order"):
        bench.coordinator().run(_books(1))
