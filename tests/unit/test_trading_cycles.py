"""The components of cycles by themselves: what they ask of any broker, and what they do not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from arb_pipelines.backtest.reference import traded_of
from arb_pipelines.clock import NS_PER_S, since_boot_ns, steady_ns
from arb_pipelines.errors import InvariantBroken
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.orders import CycleOrderManager
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import (
    Approved,
    Bar,
    Book,
    Cancelled,
    CycleSignal,
    Ended,
    Order,
    OrderFill,
    OrderKind,
    OrderSignal,
    Refused,
    Routed,
    Signal,
)
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import CycleReport, LegReport
from tests.fakes.backtest_worlds import World, market, strategy
from tests.fakes.orders import a_fill

SYMBOLS = ("BTC-USDT", "ETH-BTC", "ETH-USDT")
#: USDT > BTC > ETH > USDT earns 10 % at these tops; the other way loses.
TOPS = {"BTC-USDT": (99.0, 100.0), "ETH-BTC": (0.09, 0.1), "ETH-USDT": (11.0, 11.1)}


class Trio:
    """Strategy, risk and order manager over one shelf, as a desk joins them."""

    def __init__(self, **changes: Any) -> None:
        world = World(strategy(**changes), [market(s) for s in SYMBOLS], None)  # type: ignore[arg-type]
        self.traded = traded_of(world.scenario)
        self.shelf = BookShelf(3, 1)
        self.portfolio = Portfolio({"USDT": 1_000.0})
        self.strategy = CycleStrategy("test", self.traded, self.shelf)
        self.risk = CycleRisk(self.traded, self.shelf, self.portfolio)
        self.orders = CycleOrderManager(self.traded, self.shelf, id_prefix="t")

    def show(self, ts: int, *, size: float = 100.0) -> list[CycleSignal]:
        """Show the three tops; gives the signals of the last."""
        signals: Iterable[CycleSignal] = ()
        for symbol, (bid, ask) in TOPS.items():
            top = [np.array([value]) for value in (bid, size, ask, size)]
            signals = self.strategy.on_market(Book(symbol, ts, *top))
        return list(signals)

    def approve(self, signal: Signal) -> Approved:
        verdict = self.risk.review(signal)
        assert isinstance(verdict, Approved), verdict
        return verdict


def test_an_order_filled_in_parts_is_one_leg() -> None:
    """The next order waits for the last part, and carries the sum of what arrived."""
    trio = Trio()
    (signal,) = trio.show(1)
    (first,) = trio.orders.begin(trio.approve(signal))
    assert isinstance(first, Order)
    assert (first.client_id, first.execution, first.symbol) == ("t0-0", "t0", "BTC-USDT")
    assert first.side == BUY
    assert first.funds is not None
    half = a_fill(first, first.funds / 2, first.funds / 200, final=False)
    last = a_fill(first, first.funds / 2, first.funds / 200, final=True, ts=9)
    assert list(trio.orders.on_broker(Routed("t0-0", 2))) == []
    assert list(trio.orders.on_broker(half)) == []
    leg, second = trio.orders.on_broker(last)
    assert isinstance(leg, LegReport)
    assert (leg.ts_sent, leg.ts_filled, leg.done.spent) == (2, 9, first.funds)
    assert isinstance(second, Order)
    assert (second.client_id, second.symbol, second.ts) == ("t0-1", "ETH-BTC", 9)
    assert second.reserve == first.funds / 100


def test_a_cycle_whose_first_order_finds_nothing_ends_at_once() -> None:
    """Nothing was spent, so there is nothing to unwind."""
    trio = Trio()
    (signal,) = trio.show(1)
    approved = trio.approve(signal)
    (first,) = trio.orders.begin(approved)
    assert isinstance(first, Order)
    leg, report, ended = trio.orders.on_broker(Cancelled(first.client_id, 5, "too late"))
    assert isinstance(leg, LegReport)
    assert isinstance(report, CycleReport)
    assert (report.spent, report.profit, report.legs_filled) == (0.0, 0.0, 0)
    assert ended == Ended(approved, 5, execution="t0")


def test_a_short_leg_is_unwound_by_the_books_of_that_moment() -> None:
    """When the second leg finds nothing, what the first bought is sold again."""
    trio = Trio()
    (signal,) = trio.show(1)
    (first,) = trio.orders.begin(trio.approve(signal))
    assert isinstance(first, Order)
    assert first.funds is not None
    _, second = trio.orders.on_broker(a_fill(first, first.funds, first.funds / 100, final=True))
    assert isinstance(second, Order)
    fallen = [np.array([value]) for value in (5.0, 100.0, 5.1, 100.0)]
    trio.strategy.on_market(Book("ETH-USDT", 2, *fallen))  # the way on is not worth it now
    _, back = trio.orders.on_broker(Cancelled(second.client_id, 3, "gone"))
    assert isinstance(back, Order)
    assert (back.symbol, back.side, back.size) == ("BTC-USDT", 1, first.funds / 100)
    sold = a_fill(back, back.size or 0.0, first.funds * 0.99, final=True, ts=4)
    _, report, ended = trio.orders.on_broker(sold)
    assert isinstance(report, CycleReport)
    assert isinstance(ended, Ended)
    assert report.unwind_orders == 1
    assert report.fell_short
    assert report.returned == first.funds * 0.99


def test_an_approval_holds_its_place_until_it_has_ended() -> None:
    """No second cycle while the first is out; the symbols rest after it."""
    trio = Trio(slots=1, cool_down_ms=1.0)
    (signal,) = trio.show(1)
    approved = trio.approve(signal)
    (again,) = trio.show(2)
    assert trio.risk.review(again) == Refused(again, "slots")
    trio.risk.on_ended(Ended(approved, 1_000))
    (resting,) = trio.show(2_000)
    assert trio.risk.review(resting) == Refused(resting, "cool_down")
    (rested,) = trio.show(1_001_000)
    trio.approve(rested)


def test_an_approval_that_sent_no_order_starts_no_rest() -> None:
    """A plan that finds nothing worth an order frees the place as if nothing had been."""
    trio = Trio(slots=1, cool_down_ms=1.0, min_profit_bps=100.0, max_slippage_bps=0.0)
    (signal,) = trio.show(1)
    approved = trio.approve(signal)
    for symbol in range(3):
        trio.shelf.take(symbol, BUY, 100.0)
    (ended,) = trio.orders.begin(approved)
    assert ended == Ended(approved, 1, "depth")
    trio.risk.on_ended(ended)
    (again,) = trio.show(2, size=50.0)
    trio.approve(again)


def test_no_free_money_is_refused_as_funds() -> None:
    """The budget is a share of what is free, and nothing of nothing is nothing."""
    trio = Trio()
    (signal,) = trio.show(1)
    (order,) = trio.orders.begin(Approved(signal, 1_000.0))
    assert isinstance(order, Order)
    trio.portfolio.on_order(order)
    trio.portfolio.on_order(
        Order(**{n: getattr(order, n) for n in order.__slots__} | {
            "client_id": "rest", "execution": "x", "reserve": trio.portfolio.free("USDT")
        })
    )  # fmt: skip
    assert trio.risk.review(signal) == Refused(signal, "funds")


def test_bars_and_unknown_symbols_are_nothing_to_a_cycle() -> None:
    """The strategy passes over what it does not trade."""
    trio = Trio()
    one = np.ones(1)
    assert list(trio.strategy.on_market(Book("DOGE-USDT", 1, one, one, one, one))) == []
    assert list(trio.strategy.on_market(Bar("BTC-USDT", 0, 1, 1.0, 1.0, 1.0, 1.0, 1.0))) == []


def test_signals_of_another_kind_are_refused_loudly() -> None:
    """A single order's signal at the cycles' risk is a wiring error, not a refusal."""
    trio = Trio()
    signal = OrderSignal(0, "s", "BTC-USDT", BUY, OrderKind.MARKET, funds=1.0)
    with pytest.raises(InvariantBroken, match="no signal to trade a cycle"):
        trio.risk.review(signal)
    with pytest.raises(InvariantBroken, match="no signal to trade a cycle"):
        list(trio.orders.begin(Approved(signal, 1.0)))


def test_a_fill_is_gone_from_the_books_that_decisions_see() -> None:
    """What we took is not counted on twice, until the venue shows another size."""
    trio = Trio()
    trio.show(1)
    trio.strategy.on_broker(
        OrderFill("a", 2, "BTC-USDT", BUY, 60.0, 6_000.0, 6_000.0, 60.0, 0.0, "BTC", True)
    )
    symbol = trio.traded.number["BTC-USDT"]
    assert trio.shelf.levels(symbol, BUY)[1].tolist() == [40.0]
    trio.show(3)
    assert trio.shelf.levels(symbol, BUY)[1].tolist() == [40.0]
    trio.show(4, size=100.5)
    assert trio.shelf.levels(symbol, BUY)[1].tolist() == [100.5]


def test_books_grow_old_and_rests_end_though_the_wall_is_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the clock that sessions go by, an hour's step back keeps nothing fresh or at rest."""
    wall, since = time.time_ns(), since_boot_ns()
    began = steady_ns()
    trio = Trio(cool_down_ms=500.0, max_age_ms=1_000.0)
    (signal,) = trio.show(steady_ns())
    approved = trio.approve(signal)
    trio.risk.on_ended(Ended(approved, steady_ns(), execution="t0"))
    monkeypatch.setattr(time, "time_ns", lambda: wall - 3_600 * NS_PER_S)
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _: since + 5 * NS_PER_S)
    assert 4 * NS_PER_S < steady_ns() - began < 6 * NS_PER_S
    refused = trio.risk.review(replace(signal, ts=steady_ns()))
    assert isinstance(refused, Refused)
    assert refused.reason == "stale"
    (again,) = trio.show(steady_ns())
    trio.approve(again)  # they rest no more


def test_a_cycle_taken_back_between_legs_is_brought_home() -> None:
    """No further leg leaves: what the first bought is sold again, at the books of that moment."""
    trio = Trio()
    (signal,) = trio.show(1)
    (first,) = trio.orders.begin(trio.approve(signal))
    assert isinstance(first, Order)
    assert first.funds is not None
    fallen = [np.array([value]) for value in (5.0, 100.0, 5.1, 100.0)]
    trio.strategy.on_market(Book("ETH-USDT", 2, *fallen))  # else the best way back is the way on
    assert trio.orders.cancel(0)
    assert trio.orders.cancel(0)  # asking twice changes nothing more
    _, back = trio.orders.on_broker(a_fill(first, first.funds, first.funds / 100, final=True))
    assert isinstance(back, Order)
    assert (back.symbol, back.side, back.size) == ("BTC-USDT", 1, first.funds / 100)
    sold = a_fill(back, back.size or 0.0, first.funds * 0.99, final=True, ts=4)
    _, report, ended = trio.orders.on_broker(sold)
    assert isinstance(report, CycleReport)
    assert (report.legs, report.unwind_orders, report.fell_short) == (1, 1, True)
    assert report.profit == pytest.approx(-first.funds * 0.01)
    assert report.cancelled
    assert isinstance(ended, Ended)


def test_a_cycle_stays_taken_back_when_it_is_asked_for_again_too_late() -> None:
    """While it unwinds there is nothing to keep it from; the report still says why it did."""
    trio = Trio()
    (signal,) = trio.show(1)
    (first,) = trio.orders.begin(trio.approve(signal))
    assert isinstance(first, Order)
    assert first.funds is not None
    fallen = [np.array([value]) for value in (5.0, 100.0, 5.1, 100.0)]
    trio.strategy.on_market(Book("ETH-USDT", 2, *fallen))
    assert trio.orders.cancel(0)
    _, back = trio.orders.on_broker(a_fill(first, first.funds, first.funds / 100, final=True))
    assert isinstance(back, Order)
    assert not trio.orders.cancel(0)
    sold = a_fill(back, back.size or 0.0, first.funds * 0.99, final=True, ts=4)
    report = next(r for r in trio.orders.on_broker(sold) if isinstance(r, CycleReport))
    assert report.cancelled


def test_only_what_is_between_legs_is_taken_back() -> None:
    """A last leg, an unwinding order and an execution that has ended are left in peace."""
    trio = Trio()
    (signal,) = trio.show(1)
    (order,) = trio.orders.begin(trio.approve(signal))
    for _ in range(2):
        assert isinstance(order, Order)
        _, order = trio.orders.on_broker(a_fill(order, order.reserve, 1.0, final=True))
    assert not trio.orders.cancel(0)  # its last leg is out
    assert isinstance(order, Order)
    list(trio.orders.on_broker(a_fill(order, order.reserve, 1.0, final=True)))
    assert not trio.orders.cancel(0)
    assert not trio.orders.cancel(7)
