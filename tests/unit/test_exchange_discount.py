"""Fees in KCS: who pays them, how much, and that nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from arb_pipelines.exchange.engine.events import BalanceChanged
from arb_pipelines.exchange.engine.exchange import Exchange
from arb_pipelines.exchange.engine.orders import (
    NewOrder,
    Order,
    OrderType,
    Side,
    TimeInForce,
)
from arb_pipelines.exchange.engine.symbols import FeeSchedule
from tests.fakes.exchange import BTC, D, levels, limit, listed, market, received

KCS_USDT = "KCS-USDT"
IOC = limit(Side.BUY, "100", "2", time_in_force=TimeInForce.IOC)


def opened(kcs: str, *, kcs_bid: str | None = "7", in_kcs: bool = True) -> Exchange:
    """An exchange that sells BTC at 100, and buys KCS if ``kcs_bid`` says so."""
    rate = D("0.001")
    symbols = (listed(), listed(KCS_USDT), listed("BTC-KCS"))
    venue = Exchange(symbols, FeeSchedule(rate, rate, in_kcs=in_kcs))
    venue.open_account("ann", {"USDT": D(1000), "BTC": D(10), "KCS": D(kcs)})
    venue.show(BTC, levels(("99", "5")), levels(("100", "5")), 1)
    if kcs_bid is not None:
        venue.show(KCS_USDT, levels((kcs_bid, "1")), [], 1)
    return venue


def placed(venue: Exchange, order: NewOrder) -> Order:
    """The order as it ended."""
    asked = received(venue.place("ann", order, 2))
    found = venue.order("ann", order_id=asked.id)
    assert found is not None
    return found


def free(venue: Exchange) -> Mapping[str, Decimal]:
    """What is available, where nothing may be held any more."""
    balances = venue.balances("ann")
    assert all(balance.hold == 0 for balance in balances.values())
    return {currency: balance.available for currency, balance in balances.items()}


@pytest.mark.parametrize("order", [market(Side.BUY, size="2"), market(Side.BUY, funds="200"), IOC])
def test_a_taker_with_kcs_pays_four_fifths_in_it(order: NewOrder) -> None:
    """200 USDT cost 0.2 USDT, which is 0.16 after the discount: 0.02285715 KCS at 7, rounded up."""
    venue = opened("1")
    done = placed(venue, order)
    assert (done.fee, done.fee_currency) == (D("0.02285715"), "KCS")
    assert [(fill.fee, fill.fee_currency) for fill in venue.fills("ann").items] == [
        (D("0.02285715"), "KCS")
    ]
    assert free(venue) == {"USDT": D(800), "BTC": D(12), "KCS": D(1) - D("0.02285715")}


def test_a_sell_delivers_all_of_its_quote() -> None:
    """The proceeds are whole; the fee has left the balance of KCS, on account of the order."""
    venue = opened("1")
    events = venue.place("ann", market(Side.SELL, size="2"), 2)
    fee = -D("0.02262858")  # 198 * 0.001 * 0.8 / 7, rounded up
    assert free(venue) == {"USDT": D(1198), "BTC": D(8), "KCS": 1 + fee}
    moved = [e for e in events if isinstance(e, BalanceChanged) and e.currency == "KCS"]
    assert [(e.available_change, e.order_id, e.trade_id) for e in moved] == [
        (fee, received(events).id, 1)
    ]


@pytest.mark.parametrize(
    ("venue", "order"),
    [
        (opened("0.0228"), market(Side.BUY, size="2")),  # too little for all of the fee
        (opened("0"), market(Side.BUY, size="2")),
        (opened("1", kcs_bid=None), market(Side.BUY, size="2")),  # nobody buys KCS
        (opened("1", in_kcs=False), market(Side.BUY, size="2")),
        (opened("1"), limit(Side.BUY, "100", "2")),  # it might have rested
    ],
)
def test_the_others_pay_in_quote(venue: Exchange, order: NewOrder) -> None:
    """Without enough KCS, a price of it, the switch, or an end in sight the fee is quote's."""
    kcs = venue.balances("ann")["KCS"].available
    done = placed(venue, order)
    assert (done.fee, done.fee_currency) == (D("0.2"), "USDT")
    assert free(venue) == {"USDT": D("799.8"), "BTC": D(12), "KCS": kcs}


def test_kcs_that_is_being_sold_pays_no_fee() -> None:
    """What an order holds is not free: the last of the KCS is sold, and its fee is quote's."""
    venue = opened("1")
    done = placed(venue, NewOrder(KCS_USDT, Side.SELL, OrderType.MARKET, size=D(1)))
    assert (done.fee, done.fee_currency) == (D("0.007"), "USDT")
    assert free(venue)["KCS"] == 0


def test_where_kcs_is_the_quote_the_discount_needs_no_other_balance() -> None:
    """All of the KCS may be spent: its fee is part of the hold."""
    venue = opened("1.001")
    venue.show("BTC-KCS", [], levels(("0.5", "9")), 2)
    order = NewOrder("BTC-KCS", Side.BUY, OrderType.MARKET, funds=D(1))
    done = placed(venue, order)
    assert (done.fee, done.fee_currency) == (D("0.0008"), "KCS")
    assert free(venue) == {"USDT": D(1000), "BTC": D(12), "KCS": D("0.0002")}


def test_nothing_is_lost() -> None:
    """Users, house and fees sum to what was paid in, whatever was rounded."""
    venue = opened("1")
    for number in range(1, 6):
        venue.place("ann", market(Side.BUY, funds=f"3{number}.37"), 2)
        venue.place("ann", market(Side.SELL, size="0.1"), 2)
    totals = venue._floor.accounts.totals()
    assert {c: total for c, total in totals.items() if total} == {
        "USDT": D(1000),
        "BTC": D(10),
        "KCS": D(1),
    }
    assert venue._floor.accounts.fees["KCS"] > 0
