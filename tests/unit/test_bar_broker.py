"""What the bar broker does with each kind of order, by bars one can check by eye."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from arb_pipelines.backtest.bars.arrays import NS_PER_HOUR
from arb_pipelines.backtest.bars.execution import BarExecution
from arb_pipelines.backtest.brokers.bars import BarBroker
from arb_pipelines.errors import DataError
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.events import (
    Bar,
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
from tests.fakes.bar_worlds import FIRST, SYMBOL, bar

MARKET, LIMIT, STOP = OrderKind.MARKET, OrderKind.LIMIT, OrderKind.STOP
GTC, IOC, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
FLAT = (100.0, 101.0, 99.0, 100.0)


def order(name: str, side: int, kind: OrderKind, **given: Any) -> Order:
    """Make an order for 10, before the first bar, that may spend anything."""
    plain: dict[str, Any] = {
        "ts": FIRST,
        "strategy": "s",
        "symbol": SYMBOL,
        "time_in_force": GTC,
        "size": None if "funds" in given else 10.0,
        "funds": None,
        "limit_px": None,
        "stop_px": None,
        "reserve": 1e12,
    }
    return Order(client_id=name, side=side, kind=kind, **plain | given)


def play(orders: Iterable[Order], bars: Iterable[Bar], **execution: Any) -> list[BrokerEvent]:
    """Submit orders, then play bars; give what the broker tells besides ``Routed``."""
    broker = BarBroker(BarExecution.model_validate(execution))
    for each in orders:
        broker.submit(each)
    events = [event for each in bars for event in broker.on_market(each)]
    return [event for event in events if not isinstance(event, Routed)]


def fills(events: Iterable[BrokerEvent]) -> list[tuple[str, float, float]]:
    """Give order, size and price of each fill."""
    return [
        (e.client_id, e.size, pytest.approx(e.funds / e.size, abs=1e-9))
        for e in events
        if isinstance(e, OrderFill)
    ]


def test_market_order_fills_at_the_open_of_the_next_bar() -> None:
    """An order from a bar's close meets the open of the bar after it, at that time."""
    late = order("a", BUY, MARKET, ts=FIRST + NS_PER_HOUR)
    bars = [bar(0, FLAT), bar(1, (105.0, 106.0, 104.0, 105.0))]
    (fill,) = play([late], bars)
    assert fills([fill]) == [("a", 10.0, 105.0)]
    assert fill.ts == FIRST + NS_PER_HOUR


def test_market_order_fills_at_the_typical_price_if_asked() -> None:
    """With vwap a market order gets (high + low + close) / 3, at the close."""
    (fill,) = play(
        [order("a", BUY, MARKET)], [bar(0, (100.0, 110.0, 95.0, 104.0))], market_fill="vwap"
    )
    assert fills([fill]) == [("a", 10.0, 103.0)]
    assert fill.ts == FIRST + NS_PER_HOUR


@pytest.mark.parametrize(
    ("side", "kind", "price", "filled_at"),
    [
        (BUY, LIMIT, 98.0, 98.0),  # the low touches it
        (BUY, LIMIT, 97.0, 97.0),  # by nothing more than touching
        (BUY, LIMIT, 96.9, None),
        (BUY, LIMIT, 102.0, 100.0),  # the open is better
        (SELL, LIMIT, 104.0, 104.0),
        (SELL, LIMIT, 104.1, None),
        (SELL, LIMIT, 99.0, 100.0),
        (BUY, STOP, 103.0, 103.0),
        (BUY, STOP, 99.0, 100.0),  # gapped through
        (BUY, STOP, 104.1, None),
        (SELL, STOP, 97.0, 97.0),
        (SELL, STOP, 101.0, 100.0),
        (SELL, STOP, 96.0, None),
    ],
)
def test_limits_and_stops_fill_by_touch(
    side: int, kind: OrderKind, price: float, filled_at: float | None
) -> None:
    """A touch fills at the order's price, an open beyond it at the open, nothing else."""
    prices = {"limit_px": price} if kind is LIMIT else {"stop_px": price}
    events = play([order("a", side, kind, **prices)], [bar(0, (100.0, 104.0, 97.0, 101.0))])
    assert fills(events) == ([] if filled_at is None else [("a", 10.0, filled_at)])


BRACKET = [
    order("stop", SELL, STOP, stop_px=95.0, oco="exit", ts=FIRST + NS_PER_HOUR),
    order("target", SELL, LIMIT, limit_px=105.0, oco="exit", ts=FIRST + NS_PER_HOUR),
]
WIDE = (100.0, 106.0, 94.0, 100.0)


@pytest.mark.parametrize(("path", "first"), [("pessimistic", "stop"), ("optimistic", "target")])
def test_path_of_a_long_position(path: str, first: str) -> None:
    """In a bar that touches stop and target the pessimist is stopped, the optimist paid."""
    entry = order("entry", BUY, MARKET)
    events = play([entry, *BRACKET], [bar(0, FLAT), bar(1, WIDE)], path=path)
    assert [name for name, _, _ in fills(events)] == ["entry", first]
    (other,) = [event for event in events if isinstance(event, Cancelled)]
    assert {first, other.client_id} == {"stop", "target"}
    assert other.reason == f"{first} filled"


@pytest.mark.parametrize(("path", "first"), [("pessimistic", "stop"), ("optimistic", "target")])
def test_path_of_a_short_position(path: str, first: str) -> None:
    """For a short position the high is what hurts."""
    after = FIRST + NS_PER_HOUR
    orders = [
        order("entry", SELL, MARKET),
        order("stop", BUY, STOP, stop_px=105.0, oco="exit", ts=after),
        order("target", BUY, LIMIT, limit_px=95.0, oco="exit", ts=after),
    ]
    events = play(orders, [bar(0, FLAT), bar(1, WIDE)], path=path)
    assert [name for name, _, _ in fills(events)] == ["entry", first]


@pytest.mark.parametrize(
    ("side", "path", "names"),
    [
        # a buy at the low: the pessimist has seen the high before he buys
        (BUY, "pessimistic", ["far", "near"]),
        (BUY, "optimistic", ["near", "far"]),
        (SELL, "pessimistic", ["far", "near"]),
        (SELL, "optimistic", ["near", "far"]),
    ],
)
def test_path_without_a_position(side: int, path: str, names: list[str]) -> None:
    """The oldest order counts as the position to come: the move in its favour is over before it."""
    near, far = (95.0, 105.0) if side == BUY else (105.0, 95.0)
    orders = [
        order("near", side, LIMIT, limit_px=near),
        order("far", SELL if side == BUY else BUY, LIMIT, limit_px=far),
    ]
    events = play(orders, [bar(0, WIDE)], path=path)
    assert [name for name, _, _ in fills(events)] == names


def test_position_of_the_path_is_the_one_after_the_open() -> None:
    """What fills at the open decides which extreme hurts, in the same bar."""
    stop = order("stop", SELL, STOP, stop_px=95.0, oco="exit")
    target = order("target", SELL, LIMIT, limit_px=105.0, oco="exit")
    events = play([order("entry", BUY, MARKET), target, stop], [bar(0, WIDE)])
    assert [name for name, _, _ in fills(events)] == ["entry", "stop"]


def test_levels_fill_in_the_order_of_the_path() -> None:
    """Of several levels the price meets the nearest first, whenever they were submitted."""
    orders = [order(str(px), BUY, LIMIT, limit_px=px) for px in (96.0, 98.0, 97.0)]
    assert [name for name, _, _ in fills(play(orders, [bar(0, WIDE)]))] == ["98.0", "97.0", "96.0"]


def test_volume_share_is_kept_by_all_orders_together_and_the_rest_is_carried() -> None:
    """Two orders share a tenth of each bar's volume; a bar without volume fills nothing."""
    orders = [order("a", BUY, MARKET), order("b", BUY, MARKET, size=3.0)]
    bars = [bar(n, FLAT, volume) for n, volume in enumerate([60.0, 0.0, 50.0, 100.0])]
    events = play(orders, bars, volume_share=0.1)
    assert fills(events) == [("a", 6.0, 100), ("a", 4.0, 100), ("b", 1.0, 100), ("b", 2.0, 100)]
    assert [event.final for event in events if isinstance(event, OrderFill)] == [
        *(False, True, False),
        True,
    ]


def test_rest_of_a_stop_is_carried_as_a_market_order() -> None:
    """A triggered stop goes on at the next open, wherever that is."""
    stop = order("a", SELL, STOP, stop_px=99.0)
    bars = [bar(0, FLAT, 40.0), bar(1, (120.0, 121.0, 119.0, 120.0), 1_000.0)]
    assert fills(play([stop], bars, volume_share=0.1)) == [("a", 4.0, 99.0), ("a", 6.0, 120.0)]


@pytest.mark.parametrize(
    ("kind", "tif", "given", "told"),
    [
        (MARKET, IOC, {}, ["4.0 @ 100.0", "cancelled"]),
        (MARKET, FOK, {}, ["cancelled"]),
        (MARKET, FOK, {"size": 4.0}, ["4.0 @ 100.0"]),
        (LIMIT, IOC, {"limit_px": 100.5}, ["4.0 @ 100.0", "cancelled"]),
        (LIMIT, IOC, {"limit_px": 99.5}, ["cancelled"]),  # touched later, but it does not rest
        (LIMIT, FOK, {"limit_px": 100.5}, ["cancelled"]),
        (STOP, IOC, {"stop_px": 100.5}, ["4.0 @ 100.5", "cancelled"]),
        (STOP, FOK, {"stop_px": 100.5, "size": 4.0}, ["4.0 @ 100.5"]),
        (STOP, FOK, {"stop_px": 103.0}, []),  # waits for its trigger
    ],
)
def test_orders_that_do_not_rest(
    kind: OrderKind, tif: TimeInForce, given: dict[str, float], told: list[str]
) -> None:
    """IOC takes what there is and goes; FOK takes all or goes."""
    asked = order("a", BUY, kind, time_in_force=tif, **given)
    events = play([asked], [bar(0, FLAT, 40.0)], volume_share=0.1)
    assert told == [
        f"{event.size} @ {event.funds / event.size}"
        if isinstance(event, OrderFill)
        else event.ending
        for event in events
    ]


def test_order_expires() -> None:
    """An order takes part in bars that close by its expiry, and is told expired after."""
    expires = FIRST + 2 * NS_PER_HOUR
    touched_late = order("a", BUY, LIMIT, limit_px=99.0, expires=expires)
    high = (101.0, 102.0, 100.0, 101.0)
    (ended,) = play([touched_late], [bar(0, high), bar(1, high), bar(2, FLAT)])
    assert isinstance(ended, Cancelled)
    assert (ended.ending, ended.ts) == (Ending.EXPIRED, expires)
    assert fills(play([touched_late], [bar(0, high), bar(1, FLAT)])) == [("a", 10.0, 99.0)]


def test_buy_by_funds_spends_them_at_the_fill_price() -> None:
    """Funds buy what they pay for at the price that slipped; the fee comes on top."""
    asked = order("a", BUY, MARKET, funds=1_010.0)
    (fill,) = play(
        [asked],
        [bar(0, FLAT)],
        slippage={"model": "bps", "bps": 100},
        commission={"model": "bps", "bps": 50},
    )
    assert isinstance(fill, OrderFill)
    assert fills([fill]) == [("a", pytest.approx(10.0), 101.0)]
    assert (fill.fee, fill.spent) == (pytest.approx(5.05), pytest.approx(1_015.05))
    assert (fill.fee_currency, fill.received) == ("USDT", fill.size)


def test_makers_pay_the_makers_fee_and_do_not_slip() -> None:
    """A limit that rests makes; one that its first open meets takes, up to its limit."""
    tiers = [{"from_quote": 0, "maker_bps": 0, "taker_bps": 100}]
    costs = {
        "slippage": {"model": "bps", "bps": 100},
        "commission": {"model": "tiered", "tiers": tiers},
    }
    orders = [
        order("makes", BUY, LIMIT, limit_px=99.5),
        order("takes", BUY, LIMIT, limit_px=102.0),
        order("capped", BUY, LIMIT, limit_px=100.3),
    ]
    events = play(orders, [bar(0, FLAT)], **costs)
    assert fills(events) == [("takes", 10, 101.0), ("capped", 10, 100.3), ("makes", 10, 99.5)]
    fees = {event.client_id: event.fee for event in events if isinstance(event, OrderFill)}
    assert fees == {"takes": pytest.approx(10.1), "capped": pytest.approx(10.03), "makes": 0.0}
    gapped = play(orders[:1], [bar(0, (101, 102, 100, 101)), bar(1, (98, 99, 97, 98))], **costs)
    assert fills(gapped) == [("makes", 10, 98.0)]


def test_minimum_is_paid_once_by_an_order_in_parts() -> None:
    """The first part pays the minimum, later ones what the sum is more than that."""
    commission = {"model": "minimum", "minimum": 5.0, "of": {"model": "bps", "bps": 100}}
    bars = [bar(n, FLAT, 4.0) for n in range(3)]
    events = play([order("a", BUY, MARKET)], bars, volume_share=1.0, commission=commission)
    assert [e.fee for e in events if isinstance(e, OrderFill)] == pytest.approx([5.0, 3.0, 2.0])


def test_order_that_would_spend_too_much_is_rejected() -> None:
    """No order spends more than what is set aside for it, its fee included."""
    dear = order("a", BUY, MARKET, reserve=1_000.5)
    (rejected,) = play([dear], [bar(0, FLAT)], commission={"model": "bps", "bps": 10})
    assert isinstance(rejected, Cancelled)
    assert rejected.ending is Ending.REJECTED
    assert rejected.reason == "would spend 1001.0 in all; 1000.5 are set aside"
    bars = [bar(0, FLAT, 5.0), bar(1, FLAT, 5.0)]
    partly = play([dear], bars, volume_share=1.0, commission={"model": "bps", "bps": 10})
    assert [getattr(event, "ending", None) for event in partly] == [None, Ending.CANCELLED]


def test_end_of_the_data() -> None:
    """What is open is cancelled; an order that comes after that fills at the last close."""
    broker = BarBroker(BarExecution())
    broker.submit(order("open", BUY, LIMIT, limit_px=1.0))
    list(broker.on_market(bar(0, (100.0, 101.0, 99.0, 99.5), volume=0.0)))
    broker.submit(order("late", BUY, MARKET, ts=FIRST + NS_PER_HOUR))
    ended = [event for event in broker.close() if isinstance(event, Cancelled)]
    assert [(e.client_id, e.reason) for e in ended] == [
        ("open", "the data is over"),
        ("late", "the data is over"),
    ]
    broker.submit(order("closing", SELL, MARKET, ts=FIRST + NS_PER_HOUR))
    assert fills(broker.close()) == [("closing", 10.0, 99.5)]


def test_books_are_refused() -> None:
    """A book is no bar, and is not taken for one."""
    side = np.array([1.0])
    with pytest.raises(DataError, match="book of ETH-USDT"):
        list(BarBroker(BarExecution()).on_market(Book(SYMBOL, 1, side, side, side, side)))
