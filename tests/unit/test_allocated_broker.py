"""Resting buys before a broker: held back, entered, taken back, and what the desk hears of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arb_pipelines.allocation.allocator import Allocator
from arb_pipelines.allocation.audit import Audit
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.backtest.allocated import AllocatedBroker
from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import DataError
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    Bar,
    BrokerEvent,
    Cancelled,
    Ending,
    MarketEvent,
    Order,
    OrderFill,
    OrderKind,
    Routed,
    TimeInForce,
)
from tests.fakes.allocation import EveryOther

HOUR = 3_600 * NS_PER_S


class Venue:
    """A broker that tells what the test has put into ``news``, and notes what it is asked."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.cancels: list[str] = []
        self.news: list[BrokerEvent] = []

    def submit(self, order: Order) -> None:
        """Accept."""
        self.orders.append(order)
        self.news.append(Routed(order.client_id, order.ts))

    def cancel(self, client_id: str, ts: int) -> None:
        """Note the wish; the acknowledgement is the test's to give."""
        self.cancels.append(client_id)

    def on_market(self, event: MarketEvent) -> Iterator[BrokerEvent]:
        """Tell the news, and what comes in while it is told."""
        return self.close()

    def close(self) -> Iterator[BrokerEvent]:
        """Tell the rest of the news."""
        while self.news:
            yield self.news.pop(0)


class Scene:
    """A broker with 100.00 USD to share, before a venue that does as the test says."""

    def __init__(self) -> None:
        settings = AllocationSettings()
        self.allocator = Allocator(settings, 100_00, EveryOther(1_000 * HOUR))
        self.venue = Venue()
        self.broker = AllocatedBroker(self.venue, self.allocator, Audit(settings), quote="USD")
        self.hour = 0

    def buy(self, name: str, on: str, worth: float, **other: object) -> None:
        """Rest a buy of ``worth`` base at 100 USD; 0.5 needs half of the capital."""
        order = {
            "client_id": name,
            "ts": self.hour * HOUR,
            "strategy": "dip",
            "symbol": on,
            "side": BUY,
            "kind": OrderKind.LIMIT,
            "time_in_force": TimeInForce.GTC,
            "size": worth,
            "funds": None,
            "limit_px": 100.0,
            "stop_px": None,
            "reserve": worth * 100.0,
        }
        self.broker.submit(Order(**(order | other)))  # type: ignore[arg-type]

    def bars(self, **closes: float) -> list[BrokerEvent]:
        """One bar of an hour for each symbol; what the broker tells meanwhile."""
        begin, self.hour = self.hour * HOUR, self.hour + 1
        return [
            told
            for base, px in closes.items()
            for told in self.broker.on_market(
                Bar(f"{base}-USD", begin, begin + HOUR, px, px, px, px, 1.0)
            )
        ]

    def fill(
        self, name: str, symbol: str, size: float, px: float, *, final: bool, side: int = BUY
    ) -> None:
        """The venue fills an order without a fee."""
        funds = size * px
        spent, received = (funds, size) if side == BUY else (size, funds)
        self.venue.news.append(
            OrderFill(
                name, self.hour * HOUR, symbol, side, size, funds, spent, received, 0, "USD", final
            )
        )

    @property
    def sent(self) -> list[str]:
        """Ids of the orders that reached the venue."""
        return [order.client_id for order in self.venue.orders]


@pytest.fixture
def scene() -> Scene:
    """Two buys of half the capital rest, a third waits."""
    scene = Scene()
    for name, symbol in (("a", "A-USD"), ("b", "B-USD"), ("c", "C-USD")):
        scene.buy(name, symbol, 0.5)
    assert scene.bars(A=100.8, B=101.0, C=101.2) == []
    assert scene.bars(A=100.8, B=101.0, C=100.2) == [Routed("a", HOUR), Routed("b", HOUR)]
    assert scene.sent == ["a", "b"]
    return scene


def test_a_stolen_order_is_taken_back_and_its_desk_hears_nothing(scene: Scene) -> None:
    """The thief leaves with the acknowledgement; the victim enters again under a new id."""
    assert scene.bars(A=100.8, B=101.0, C=100.2) == []
    assert (scene.venue.cancels, scene.sent) == (["b"], ["a", "b"])
    scene.venue.news.append(Cancelled("b", 3 * HOUR, "taken back"))
    assert scene.bars(A=100.8, B=100.6, C=100.2) == [Routed("c", 3 * HOUR)]
    scene.fill("c", "C-USD", 0.5, 100.0, final=True)
    scene.fill("c-sale", "C-USD", 0.5, 120.0, final=True, side=SELL)
    told = scene.bars(A=100.8, B=100.6, C=99.0)
    assert [type(event) for event in told] == [OrderFill, OrderFill]
    assert scene.allocator.cash.total == 110_00
    assert scene.bars(A=100.8, B=100.6, C=99.0) == []
    assert scene.sent == ["a", "b", "c", "b~2"]
    scene.fill("b~2", "B-USD", 0.5, 100.0, final=True)
    (fill,) = scene.bars(A=100.8, B=100.0, C=99.0)
    assert fill.client_id == "b"


def test_capacity_is_not_given_twice_when_the_victim_fills_before_its_cancel(
    scene: Scene,
) -> None:
    """The fill is told, the thief does not leave, and no more is spent than there is."""
    scene.bars(A=100.8, B=101.0, C=100.2)
    assert scene.venue.cancels == ["b"]
    scene.fill("b", "B-USD", 0.5, 100.0, final=True)
    (fill,) = scene.bars(A=100.8, B=101.0, C=100.2)
    assert (fill.client_id, scene.sent) == ("b", ["a", "b"])
    cash = scene.allocator.cash
    assert (cash.spent, cash.reserved, cash.free) == (50_00, 50_00, 0)


def test_what_is_left_of_a_partly_filled_victim_enters_again() -> None:
    """Size and reserve of the new entry are those that the fills left."""
    scene = Scene()
    for name, symbol, worth in (("a", "A-USD", 0.5), ("b", "B-USD", 0.5), ("c", "C-USD", 0.3)):
        scene.buy(name, symbol, worth)
    scene.bars(A=100.8, B=101.0, C=101.2)
    scene.bars(A=100.8, B=101.0, C=100.2)
    scene.fill("b", "B-USD", 0.2, 100.0, final=False)
    scene.venue.news.append(Cancelled("b", 3 * HOUR, "taken back"))
    scene.bars(A=100.8, B=101.0, C=100.2)
    assert (scene.venue.cancels, scene.sent) == (["b"], ["a", "b", "c"])
    scene.venue.news.append(Cancelled("c", 3 * HOUR, "its venue ends it"))
    scene.bars(A=100.8, B=100.5, C=100.2)
    scene.bars(A=100.8)
    again = scene.venue.orders[-1]
    assert (again.client_id, again.size, again.reserve) == ("b~2", 0.3, 30.0)


def test_an_order_that_waits_beyond_its_time_ends_here() -> None:
    """It takes part in bars that close no later, and expires though it never left."""
    scene = Scene()
    scene.buy("a", "A-USD", 0.5, expires=2 * HOUR)
    scene.bars(A=105.0)
    assert scene.bars(A=105.0) == []
    (ended,) = scene.bars(A=100.0)
    assert (ended.client_id, ended.ending) == ("a", Ending.EXPIRED)
    assert scene.bars(A=100.0) == []
    assert scene.sent == []


def test_a_buy_is_taken_back_wherever_it_waits(scene: Scene) -> None:
    """A waiting one before the next bar, a resting one when the venue says so; twice is once."""
    for name in ("c", "c", "a", "a"):
        scene.broker.cancel(name, scene.hour * HOUR)
    (waiting,) = scene.bars(A=100.8)
    assert (waiting.client_id, waiting.ending) == ("c", Ending.CANCELLED)
    assert scene.venue.cancels == ["a"]
    scene.venue.news.append(Cancelled("a", scene.hour * HOUR, "taken back"))
    (resting,) = scene.bars(A=100.8)
    assert resting.client_id == "a"
    assert [order.order_id for order in scene.allocator.orders()] == ["b"]
    scene.broker.cancel("sale", 0)  # what is no buy is the venue's to take back
    assert scene.venue.cancels == ["a", "sale"]


def test_at_the_end_every_buy_ends_wherever_it_waits(scene: Scene) -> None:
    """Waiting ones at once, resting ones when the venue says so; nobody enters any more."""
    scene.bars(A=100.8, B=101.0, C=100.2)
    closing = scene.broker.close()
    waiting = next(closing)
    scene.venue.news += [Cancelled(name, scene.hour * HOUR, "over") for name in "ab"]
    ended = [event.client_id for event in (waiting, *closing)]
    assert sorted(ended) == ["a", "b", "c"]
    assert scene.allocator.orders() == ()
    assert scene.allocator.cash.free == 100_00


@pytest.mark.parametrize(
    "other",
    [
        {"kind": OrderKind.MARKET, "limit_px": None},
        {"time_in_force": TimeInForce.IOC},
        {"size": None, "funds": 50.0},
        {"oco": "group"},
        {"symbol": "A-EUR"},
    ],
)
def test_a_buy_that_cannot_wait_for_capacity_is_refused(other: dict[str, object]) -> None:
    """Only resting limit buys by size, with the capital's currency, compete for it."""
    with pytest.raises(DataError, match="order a: "):
        Scene().buy("a", "A-USD", 0.5, **other)
