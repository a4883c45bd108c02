"""The venue modelled by its books: when orders arrive, what they fill, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arb_pipelines.backtest.brokers.books import BookBroker
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import FeeSide
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.events import (
    Book,
    BrokerEvent,
    Cancelled,
    Ending,
    OrderFill,
    OrderKind,
    Routed,
    TimeInForce,
)
from arb_pipelines.trading.terms import terms_of
from tests.fakes.backtest_worlds import market
from tests.fakes.orders import an_order

IOC: dict[str, Any] = {"kind": OrderKind.LIMIT, "time_in_force": TimeInForce.IOC}


def _broker(
    *, decision_ns: tuple[int, ...] = (0,), leg_ns: tuple[int, ...] = (0,), **terms: Any
) -> BookBroker:
    markets = [market("BTC-USDT", **terms)]
    fees = terms_of(markets, ["BTC-USDT"], 10.0)
    return BookBroker(
        {"BTC-USDT": 0},
        fees,
        BookShelf(1, 2),
        decision_ns=np.array(decision_ns, np.int64),
        leg_ns=np.array(leg_ns, np.int64),
    )


def _book(ts: int, bid: float = 99.0, ask: float = 101.0, *, ask_sz: float = 1.0) -> Book:
    """One unit at each of two levels, a unit of price apart."""
    return Book(
        "BTC-USDT",
        ts,
        np.array([bid, bid - 1]),
        np.array([1.0, 1.0]),
        np.array([ask, ask + 1]),
        np.array([ask_sz, 1.0]),
    )


def _news(broker: BookBroker, *books: Book) -> list[BrokerEvent]:
    return [news for book in books for news in broker.on_market(book)]


def test_an_order_leaves_after_the_decision_and_arrives_a_leg_later() -> None:
    """Only an execution's first order waits for the decision; draws are taken in turn."""
    broker = _broker(decision_ns=(5, 7), leg_ns=(10, 20, 30))
    _news(broker, _book(0))
    for client_id, execution in (("1-0", "1"), ("1-1", "1"), ("2-0", "2")):
        broker.submit(an_order(client_id, SELL, size=0.1, reserve=0.1, execution=execution, ts=100))
    news = _news(broker, _book(1_000))
    assert [(n.client_id, n.ts) for n in news if isinstance(n, Routed)] == [
        ("1-1", 100),
        ("1-0", 105),
        ("2-0", 107),
    ]
    assert [(n.client_id, n.ts) for n in news if isinstance(n, OrderFill)] == [
        ("1-0", 115),
        ("1-1", 120),
        ("2-0", 137),
    ]


def test_books_come_before_orders_of_the_same_nanosecond() -> None:
    """An order that arrives with a book meets that book."""
    broker = _broker(leg_ns=(10,))
    _news(broker, _book(0))
    broker.submit(an_order("a", SELL, size=1.0, reserve=1.0, ts=0))
    at_ten = _news(broker, _book(10, bid=50.0, ask=60.0))
    assert at_ten == [Routed("a", 0)]
    (fill,) = broker.close()
    assert isinstance(fill, OrderFill)
    assert (fill.ts, fill.funds) == (10, 50.0)


def test_what_was_taken_stays_gone_until_the_level_changes() -> None:
    """The same size shown again is what we took; another size is new."""
    broker = _broker()
    _news(broker, _book(0))

    def sell(client_id: str, ts: int) -> float:
        broker.submit(an_order(client_id, SELL, size=1.0, reserve=1.0, ts=ts))
        fills = [n for n in _news(broker, _book(ts + 1)) if isinstance(n, OrderFill)]
        return fills[0].funds

    assert sell("a", 1) == 99.0
    assert sell("b", 3) == 98.0  # the best level was shown again as it was
    changed = _book(6)
    changed = Book(
        "BTC-USDT", 6, changed.bid_px, changed.bid_sz * 2, changed.ask_px, changed.ask_sz
    )
    _news(broker, changed)
    assert sell("c", 7) == 99.0


def test_what_does_not_fill_at_once_is_cancelled() -> None:
    """Beyond its limit an order takes nothing, and says so."""
    broker = _broker()
    _news(broker, _book(0))
    broker.submit(an_order("a", SELL, size=2.0, reserve=2.0, limit_px=99.0, ts=1, **IOC))
    routed, fill, cancelled = broker.close()
    assert routed == Routed("a", 1)
    assert isinstance(fill, OrderFill)
    assert (fill.size, fill.final) == (1.0, False)
    assert isinstance(cancelled, Cancelled)
    assert cancelled.ending is Ending.CANCELLED
    broker.submit(an_order("b", SELL, size=1.0, reserve=1.0, limit_px=99.0, ts=2, **IOC))
    assert [type(news) for news in broker.close()] == [Routed, Cancelled]


def test_fill_or_kill_fills_whole_or_takes_nothing() -> None:
    """A killed order leaves the levels to the next."""
    broker = _broker()
    _news(broker, _book(0))
    fok = IOC | {"time_in_force": TimeInForce.FOK, "limit_px": 98.0}
    broker.submit(an_order("a", SELL, size=2.5, reserve=2.5, ts=1, **fok))
    assert [type(news) for news in broker.close()] == [Routed, Cancelled]
    broker.submit(an_order("b", SELL, size=2.0, reserve=2.0, ts=2, **fok))
    _, fill = broker.close()
    assert isinstance(fill, OrderFill)
    assert (fill.funds, fill.final) == (197.0, True)


@pytest.mark.parametrize(
    ("fee_side", "side", "currency", "fee"),
    [
        (FeeSide.RECEIVED, BUY, "BTC", 0.5 * 0.001),
        (FeeSide.RECEIVED, SELL, "USDT", 49.5 * 0.001),
        (FeeSide.QUOTE, BUY, "USDT", 50.5 * 0.001),
        (FeeSide.QUOTE, SELL, "USDT", 49.5 * 0.001),
    ],
)
def test_the_fee_is_told_in_the_currency_it_is_taken_in(
    fee_side: FeeSide, side: int, currency: str, fee: float
) -> None:
    """Ten basis points, of what arrives or on top of what is paid."""
    broker = _broker(fee_side=fee_side)
    _news(broker, _book(0))
    amount = {"funds": 50.5, "reserve": 60.0} if side == BUY else {"size": 0.5, "reserve": 0.5}
    broker.submit(an_order("a", side, ts=1, **amount))
    _, fill = broker.close()
    assert isinstance(fill, OrderFill)
    assert fill.fee_currency == currency
    assert fill.fee == pytest.approx(fee)
    gross = fill.funds if side == SELL else fill.size
    taken = fill.spent - fill.funds if side == BUY else 0.0
    assert taken + gross - fill.received == pytest.approx(fill.fee)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"symbol": "ETH-USDT"}, "no books of ETH-USDT; add it to the universe"),
        ({"kind": OrderKind.STOP, "stop_px": 1.0}, "stops need trades"),
        ({"kind": OrderKind.LIMIT}, "a limit order without a price"),
        ({"kind": OrderKind.LIMIT, "limit_px": 1.0}, "the queue is not modelled"),
        ({"oco": "exit"}, "orders that cancel each other rest"),
        ({"funds": None, "size": 1.0}, "a buy on books carries funds"),
    ],
)
def test_orders_the_model_has_no_answer_to_are_rejected(
    changes: dict[str, Any], message: str
) -> None:
    """Rejected on arrival, with the reason; nothing is guessed."""
    broker = _broker()
    _news(broker, _book(0))
    broker.submit(an_order("a", BUY, ts=1, **changes))
    _, rejected = broker.close()
    assert isinstance(rejected, Cancelled)
    assert rejected.ending is Ending.REJECTED
    assert message in rejected.reason


def test_an_order_that_arrives_after_its_time_expires() -> None:
    """At its last nanosecond it still fills, one later it does not."""
    broker = _broker(leg_ns=(10,))
    _news(broker, _book(0))
    for client_id, expires in (("a", 11), ("b", 10)):
        broker.submit(an_order(client_id, SELL, size=0.1, reserve=0.1, ts=1, expires=expires))
    endings = [news for news in broker.close() if not isinstance(news, Routed)]
    assert isinstance(endings[0], OrderFill)
    assert endings[1] == Cancelled("b", 11, "it arrived too late", Ending.EXPIRED)
