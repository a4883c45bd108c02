"""The local exchange's matching engine, one rule of the venue at a time."""

from __future__ import annotations

from decimal import Decimal

import pytest

from arb_pipelines.exchange.engine.archive import HistoryFilter
from arb_pipelines.exchange.engine.events import BalanceChanged, BookChanged, OrderChanged, Traded
from arb_pipelines.exchange.engine.exchange import MAX_ACTIVE_ORDERS
from arb_pipelines.exchange.engine.orders import (
    FEED_ORDER_ID,
    NewOrder,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from arb_pipelines.exchange.engine.refusals import Refused
from tests.fakes.exchange import (
    BTC,
    ETH,
    D,
    exchange,
    levels,
    life,
    limit,
    listed,
    market,
    received,
)

BUY, SELL = Side.BUY, Side.SELL


def test_market_buy_by_funds_ends_canceled_with_its_dust_and_pays_the_fee_in_quote() -> None:
    """What cannot buy one more increment is cancelled; base arrives whole, the fee is quote."""
    venue = exchange()
    venue.show(BTC, [], levels(("100", "1"), ("101", "5")), 1)
    events = venue.place("ann", market(BUY, funds="210"), 2)
    order = venue.order("ann", order_id=received(events).id)
    assert order is not None
    assert life(events, order.id) == [
        "received/new",
        "match/match",
        "match/match",
        "canceled/done",
    ]
    assert (order.deal_size, order.deal_funds) == (D("2.0"), D("201"))
    assert (order.cancelled_funds, order.fee) == (D("9"), D("0.201"))
    balances = venue.balances("ann")
    assert balances["BTC"].available == D(1002)
    assert balances["USDT"].available == D(100_000) - D("201.201")
    assert balances["USDT"].hold == 0


def test_market_buy_that_spends_its_funds_whole_ends_filled() -> None:
    """Nothing is left over, so nothing is cancelled."""
    venue = exchange()
    venue.show(BTC, [], levels(("100", "5")), 1)
    events = venue.place("ann", market(BUY, funds="210"), 2)
    assert life(events, received(events).id)[-1] == "filled/done"


def test_market_order_reaches_no_farther_than_the_price_limit() -> None:
    """With a limit rate of 0.1 a buy from 100 stops at 110; the rest is cancelled."""
    venue = exchange()
    venue.show(BTC, [], levels(("100", "1"), ("110", "1"), ("110.5", "1")), 1)
    order = received(venue.place("ann", market(BUY, size="3"), 2))
    done = venue.order("ann", order_id=order.id)
    assert done is not None
    assert (done.deal_size, done.cancelled_size) == (D(2), D(1))


def test_market_order_into_an_empty_book_is_accepted_and_cancelled() -> None:
    """No liquidity is no refusal: the order lives and ends."""
    events = exchange().place("ann", market(SELL, size="3"), 2)
    assert life(events, received(events).id) == ["received/new", "canceled/done"]


def test_what_a_client_takes_is_gone_until_the_feed_shows_another_size() -> None:
    """The same level shown again stays taken; a new size, or a book without it, refreshes it."""
    venue = exchange()
    venue.show(BTC, [], levels(("100", "2")), 1)
    venue.place("ann", market(BUY, size="2"), 2)
    venue.show(BTC, [], levels(("100", "2")), 3)
    assert venue.book(BTC).asks == ()
    venue.show(BTC, [], levels(("100", "3")), 4)
    assert venue.book(BTC).asks == ((D(100), D(3)),)
    venue.place("ann", market(BUY, size="3"), 5)
    venue.show(BTC, [], [], 6)
    venue.show(BTC, [], levels(("100", "3")), 7)
    assert venue.book(BTC).asks == ((D(100), D(3)),)


def test_feed_fills_a_resting_order_it_crosses_at_the_orders_price() -> None:
    """A feed's ask through a client's bid fills it at that bid, up to the size shown."""
    venue = exchange()
    order = received(venue.place("ann", limit(BUY, "100", "5"), 1))
    events = venue.show(BTC, [], levels(("99", "2"), ("100", "1"), ("101", "9")), 2)
    trades = [event for event in events if isinstance(event, Traded)]
    assert [(trade.price, trade.size, trade.side) for trade in trades] == [
        (D(100), D(2), SELL),
        (D(100), D(1), SELL),
    ]
    assert {trade.taker_order_id for trade in trades} == {FEED_ORDER_ID}
    book = venue.book(BTC)
    assert book.bids == ((D(100), D(2)),)
    assert book.asks == ((D(101), D(9)),)
    assert life(events, order.id) == ["match/open", "match/open"]


def test_a_crossed_feed_shows_nothing() -> None:
    """Books whose own bid meets their ask are not tradable."""
    venue = exchange()
    venue.show(BTC, levels(("101", "1")), levels(("100", "1")), 1)
    assert venue.book(BTC).bids == venue.book(BTC).asks == ()


def test_who_waits_longer_at_a_price_trades_first() -> None:
    """Feed liquidity shown before a client's order is ahead of it, a later client behind."""
    venue = exchange()
    venue.show(BTC, [], levels(("100", "1")), 1)
    first = received(venue.place("ann", limit(SELL, "100", "1"), 2))
    second = received(venue.place("bob", limit(SELL, "100", "1"), 3))
    events = venue.place("bob", market(BUY, size="2.5"), 4)
    makers = [event.maker_order_id for event in events if isinstance(event, Traded)]
    assert makers == [FEED_ORDER_ID, first.id, second.id]


def test_limit_order_takes_what_is_better_and_rests_with_the_remainder() -> None:
    """The trade is at the maker's price, the remainder holds at its own limit."""
    venue = exchange()
    venue.show(BTC, [], levels(("99", "1")), 1)
    events = venue.place("ann", limit(BUY, "100", "3"), 2)
    order = received(events)
    assert life(events, order.id) == ["received/new", "match/match", "open/open"]
    assert venue.balances("ann")["USDT"].hold == D(200) * D("1.001")
    assert venue.book(BTC).bids == ((D(100), D(2)),)
    venue.cancel("ann", order_id=order.id, now_ns=3)
    assert venue.balances("ann")["USDT"].hold == 0
    assert venue.balances("ann")["USDT"].available == D(100_000) - D(99) * D("1.001")


@pytest.mark.parametrize(
    ("time_in_force", "size", "ends", "dealt"),
    [
        (TimeInForce.IOC, "3", "canceled/done", "2"),
        (TimeInForce.IOC, "2", "filled/done", "2"),
        (TimeInForce.FOK, "3", "canceled/done", "0"),
        (TimeInForce.FOK, "2", "filled/done", "2"),
    ],
)
def test_orders_that_may_not_rest_end_at_once(
    time_in_force: TimeInForce, size: str, ends: str, dealt: str
) -> None:
    """IOC keeps what filled, FOK all or nothing."""
    venue = exchange()
    venue.show(BTC, [], levels(("100", "2")), 1)
    events = venue.place("ann", limit(BUY, "100", size, time_in_force=time_in_force), 2)
    order = venue.order("ann", order_id=received(events).id)
    assert order is not None
    assert life(events, order.id)[-1] == ends
    assert order.deal_size == D(dealt)
    assert venue.balances("ann")["USDT"].hold == 0


def test_post_only_order_that_would_trade_is_cancelled() -> None:
    """It rests behind the spread, and never takes."""
    venue = exchange()
    venue.show(BTC, [], levels(("100", "2")), 1)
    crossing = venue.place("ann", limit(BUY, "100", "1", post_only=True), 2)
    assert life(crossing, received(crossing).id) == ["received/new", "canceled/done"]
    resting = venue.place("ann", limit(BUY, "99.5", "1", post_only=True), 3)
    assert life(resting, received(resting).id) == ["received/new", "open/open"]


def test_good_till_time_order_expires_on_its_time() -> None:
    """Not a nanosecond before."""
    venue = exchange()
    request = limit(BUY, "99", "1", time_in_force=TimeInForce.GTT, cancel_after_s=2)
    venue.place("ann", request, 1)
    due = venue.next_expiry_ns()
    assert due == 2_000_000_001
    assert venue.expire(due - 1) == ()
    events = venue.expire(due)
    assert [event.change for event in events if isinstance(event, OrderChanged)] == ["canceled"]
    assert venue.book(BTC).bids == ()


@pytest.mark.parametrize(
    ("stp", "size", "taker_end", "taker_deal", "maker_remains"),
    [
        (SelfTradePrevention.CN, "3", "canceled/done", "1", "2"),
        (SelfTradePrevention.CO, "3", "open/open", "1", "0"),
        (SelfTradePrevention.CB, "3", "canceled/done", "1", "0"),
        (SelfTradePrevention.DC, "2", "canceled/done", "1", "1"),
        (SelfTradePrevention.DC, "5", "open/open", "1", "0"),
        (SelfTradePrevention.DC, "3", "canceled/done", "1", "0"),
        (None, "3", "filled/done", "3", "0"),
    ],
)
def test_self_trade_prevention_does_what_the_takers_order_says(
    stp: SelfTradePrevention | None,
    size: str,
    taker_end: str,
    taker_deal: str,
    maker_remains: str,
) -> None:
    """After 1 of bob's, a taker of ``size`` meets 2 of its own account."""
    venue = exchange()
    venue.place("bob", limit(SELL, "100", "1"), 1)
    maker = received(venue.place("ann", limit(SELL, "100", "2"), 2))
    events = venue.place("ann", limit(BUY, "100", size, stp=stp), 3)
    taker = venue.order("ann", order_id=received(events).id)
    assert taker is not None
    assert life(events, taker.id)[-1] == taker_end
    assert taker.deal_size == D(taker_deal)
    asks = venue.book(BTC).asks
    assert sum((size for _, size in asks), D(0)) == D(maker_remains)
    assert (venue.order("ann", order_id=maker.id).active) == (maker_remains != "0")  # type: ignore[union-attr]


def test_cancel_part_keeps_the_place_and_frees_the_hold() -> None:
    """The queue is not joined anew; all of the rest, or more, ends the order."""
    venue = exchange()
    first = received(venue.place("ann", limit(SELL, "100", "3"), 1))
    venue.place("bob", limit(SELL, "100", "3"), 2)
    events = venue.cancel_part("ann", first.id, D(2), now_ns=3)
    update = next(event for event in events if isinstance(event, OrderChanged))
    assert (update.change, update.old_size, update.order.remain_size) == ("update", D(3), D(1))
    assert venue.balances("ann")["BTC"].hold == D(1)
    trades = venue.place("bob", market(BUY, size="1"), 4)
    assert [event.maker_order_id for event in trades if isinstance(event, Traded)] == [first.id]


def test_alter_places_a_new_order_under_the_same_client_id() -> None:
    """The new size counts what has filled; the new order loses its place."""
    venue = exchange()
    old = received(venue.place("ann", limit(SELL, "100", "3", client_oid="one"), 1))
    venue.place("bob", limit(BUY, "100", "1"), 2)
    events = venue.alter("ann", client_oid="one", price=D(101), size=D(5), now_ns=3)
    new = received(events)
    assert new.request.size == D(4)
    assert venue.order("ann", client_oid="one") == venue.order("ann", order_id=new.id)
    assert life(events, old.id) == ["canceled/done"]
    assert venue.balances("ann")["BTC"].hold == D(4)


def test_a_refused_alteration_leaves_the_order_as_it_was() -> None:
    """Cancel and replace is one step: without the money for the new, the old one stays."""
    venue = exchange()
    venue.place("ann", limit(BUY, "100", "3", client_oid="one"), 1)
    with pytest.raises(Refused, match="200004"):
        venue.alter("ann", client_oid="one", price=D(100_000), now_ns=2)
    assert venue.book(BTC).bids == ((D(100), D(3)),)


def test_alter_to_no_more_than_has_filled_ends_the_order() -> None:
    """No new order is placed."""
    venue = exchange()
    old = received(venue.place("ann", limit(SELL, "100", "3"), 1))
    venue.place("bob", limit(BUY, "100", "1"), 2)
    venue.alter("ann", order_id=old.id, size=D(1), now_ns=3)
    assert venue.active_orders("ann") == ()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (limit(BUY, "100.1", "1"), "600100"),
        (limit(BUY, "100", "1.01"), "600100"),
        (limit(BUY, "100", "1000.1"), "600100"),
        (limit(BUY, "5", "0.1"), "600101"),
        (limit(BUY, "1e60", "1"), "400100"),
        (limit(BUY, "NaN", "1"), "400100"),
        (limit(BUY, "0", "1"), "400100"),
        (limit(BUY, "100", "1", hidden=True), "400100"),
        (limit(BUY, "100", "1", client_oid="spaces are not allowed"), "400100"),
        (limit(BUY, "100", "1", cancel_after_s=5), "400100"),
        (limit(BUY, "100", "1", post_only=True, time_in_force=TimeInForce.IOC), "400100"),
        (limit(BUY, "100", "1", symbol="DOGE-USDT"), "400600"),
        (limit(BUY, "100000", "1"), "200004"),
        (limit(SELL, "100", "1000", symbol=ETH), "200001"),
        (market(BUY, funds="0.5"), "600101"),
        (market(BUY, funds="10.001"), "600100"),
        (market(BUY, size="1", funds="10"), "400100"),
        (market(BUY), "400100"),
        (market(SELL, size="0.05"), "600100"),
        (market(SELL, size="1000"), None),
    ],
)
def test_orders_are_refused_with_the_venues_code_and_without_a_trace(
    request_: NewOrder, code: str | None
) -> None:
    """A dry run answers the same, and nothing is held, numbered or published either way."""
    venue = exchange(listed(), listed(ETH, enabled=False))
    before = venue.kept()
    for dry_run in (True, False):
        if code is None:
            assert venue.place("ann", request_, 1, dry_run=True) == ()
        else:
            with pytest.raises(Refused) as refused:
                venue.place("ann", request_, 1, dry_run=dry_run)
            assert refused.value.code == code
    assert venue.kept() == before


def test_a_market_buy_holds_its_funds_with_the_fee_on_top() -> None:
    """Funds of the whole balance leave nothing for the fee, and are refused."""
    venue = exchange()
    venue.show(BTC, [], levels(("100", "1000")), 1)
    with pytest.raises(Refused, match="200004"):
        venue.place("ann", market(BUY, funds="100000"), 2)
    events = venue.place("ann", market(BUY, funds="99900"), 3)
    held = next(event for event in events if isinstance(event, BalanceChanged))
    assert (held.relation, held.hold) == ("trade_hf.hold", D("99999.9"))


def test_a_client_id_serves_once() -> None:
    """Sending the same order twice is refused, even when the first is done."""
    venue = exchange()
    venue.place("ann", limit(BUY, "99", "1", client_oid="x"), 1)
    venue.cancel("ann", client_oid="x", now_ns=2)
    with pytest.raises(Refused, match="400100"):
        venue.place("ann", limit(BUY, "99", "1", client_oid="x"), 3)
    venue.place("bob", limit(BUY, "99", "1", client_oid="x"), 4)


def test_active_orders_of_a_pair_are_limited() -> None:
    """One more than the limit is refused until one of them ends."""
    venue = exchange()
    for _ in range(MAX_ACTIVE_ORDERS):
        order = received(venue.place("ann", limit(BUY, "50", "0.1"), 1))
    with pytest.raises(Refused, match="200003"):
        venue.place("ann", limit(BUY, "50", "0.1"), 2)
    venue.cancel("ann", order_id=order.id, now_ns=3)
    venue.place("ann", limit(BUY, "50", "0.1"), 4)


def test_halted_symbol_takes_cancels_but_no_orders_and_shows_no_feed() -> None:
    """Resumed, it trades again with the next book of the feed."""
    venue = exchange()
    order = received(venue.place("ann", limit(BUY, "50", "1"), 1))
    venue.show(BTC, [], levels(("100", "1")), 2)
    venue.halt(BTC, 3)
    venue.show(BTC, [], levels(("40", "1")), 4)
    assert venue.book(BTC).asks == ()
    with pytest.raises(Refused, match="200001"):
        venue.place("ann", limit(BUY, "50", "1"), 5)
    venue.cancel("ann", order_id=order.id, now_ns=6)
    venue.resume(BTC)
    venue.show(BTC, [], levels(("100", "1")), 7)
    venue.place("ann", market(BUY, size="1"), 8)


def test_another_accounts_order_is_not_there() -> None:
    """Neither to look at nor to cancel."""
    venue = exchange()
    order = received(venue.place("ann", limit(BUY, "50", "1", client_oid="x"), 1))
    assert venue.order("bob", order_id=order.id) is None
    with pytest.raises(Refused, match="400100"):
        venue.cancel("bob", order_id=order.id, now_ns=2)


def test_cancel_all_takes_one_symbol_or_all() -> None:
    """Each book publishes once."""
    venue = exchange(listed(), listed(ETH))
    for symbol in (BTC, BTC, ETH):
        venue.place("ann", limit(BUY, "50", "1", symbol=symbol), 1)
    venue.place("bob", limit(BUY, "50", "1"), 1)
    venue.cancel_all("ann", ETH, now_ns=2)
    assert [order.request.symbol for order in venue.active_orders("ann")] == [BTC, BTC]
    events = venue.cancel_all("ann", now_ns=3)
    assert len([event for event in events if isinstance(event, BookChanged)]) == 1
    assert venue.book(BTC).bids == ((D(50), D(1)),)


def test_history_is_paged_newest_first_without_gap_or_repetition() -> None:
    """``last_id`` of a page asks for the next, 0 says that there is none."""
    venue = exchange()
    venue.show(BTC, levels(("99", "100")), levels(("100", "100")), 1)
    for number in range(7):
        side = BUY if number % 2 else SELL
        venue.place("ann", market(side, size="1"), number)
    seen, last_id = [], 0
    while page := venue.done_orders("ann", last_id=last_id, limit=3):
        seen += [order.created_ns for order in page.items]
        if not (last_id := page.last_id):
            break
    assert seen == [6, 5, 4, 3, 2, 1, 0]
    fills = venue.fills("ann", HistoryFilter(side=BUY, start_ns=2, end_ns=5), limit=10)
    assert [fill.time_ns for fill in fills.items] == [5, 3]
    assert fills.last_id == 0


def test_fee_coefficients_scale_the_rates_of_taker_and_maker() -> None:
    """Rates of 0.001 and coefficients 2 and 0 charge the taker double, the maker nothing."""
    venue = exchange(
        listed(taker_fee_coefficient=Decimal(2), maker_fee_coefficient=Decimal(0)),
    )
    venue.place("bob", limit(SELL, "100", "1"), 1)
    venue.place("ann", market(BUY, size="1"), 2)
    assert venue.balances("ann")["USDT"].total == D(100_000) - D("100.2")
    assert venue.balances("bob")["USDT"].total == D(100_100)


def test_market_sell_by_funds_sells_what_those_are_worth() -> None:
    """Only the size it sells is ever held."""
    venue = exchange()
    venue.show(BTC, levels(("100", "5")), [], 1)
    order = received(venue.place("ann", market(SELL, funds="250"), 2))
    done = venue.order("ann", order_id=order.id)
    assert done is not None
    assert done.deal_size == D("2.5")
    assert done.request.type is OrderType.MARKET
    assert venue.balances("ann")["BTC"].available == D("997.5")


def test_market_sell_by_funds_does_not_trade_through_a_better_bid() -> None:
    """Dust that is short of an increment at the best bid buys nothing at a worse one either."""
    venue = exchange()
    venue.show(BTC, levels(("100", "5"), ("95", "5")), [], 1)
    order = received(venue.place("ann", market(SELL, funds="19.9"), 2))
    assert [fill.price for fill in venue.fills("ann").items] == [D(100)]
    done = venue.order("ann", order_id=order.id)
    assert done is not None
    assert done.cancelled_funds == D("9.9")
