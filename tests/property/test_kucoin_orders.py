"""What the private stream tells of an order, in any order and any number of times."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import OrderKind
from arb_pipelines.venues.base import Done, Match, NewOrder, Resting
from arb_pipelines.venues.kucoin.orders_followed import FollowedOrders

prices = st.decimals("0.00000001", "99999", places=8)
#: An exchange that plays a recording without increments trades sizes of any decimals.
sizes = st.decimals("0.00000001", "1000", places=8) | st.decimals("0.1", "1000", places=18)


@given(data=st.data(), executions=st.lists(st.tuples(prices, sizes), max_size=6))
def test_an_order_is_settled_when_all_of_it_was_told(data, executions):
    """Repeats and disorder change nothing: each execution counts once, none is missed."""
    matches = [
        Match("a", "id", f"t{n}", "BTC-USDT", BUY, price, size, True, n, n)
        for n, (price, size) in enumerate(executions)
    ]
    filled = sum((size for _, size in executions), Decimal(0))
    events = [*matches, Done("a", "id", "BTC-USDT", filled, False, 9, 9)]
    told = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events)))))
    orders = FollowedOrders()
    followed = orders.follow(NewOrder("a", "BTC-USDT", BUY, OrderKind.MARKET, funds=Decimal(1)))
    fresh, seen = [], set()
    for event in told:
        fresh += orders.take([event])
        seen.add(event)
        assert followed.settled.is_set() == (seen == set(events))
    assert sorted(map(repr, fresh)) == sorted(map(repr, events))
    report = followed.report()
    assert report.size == filled
    exact = sum(Fraction(price) * Fraction(size) for price, size in executions)
    assert Fraction(report.funds) == exact
    assert not report.active


def test_events_of_others_pass_through():
    """An order that nobody here follows is told each time."""
    resting = Resting("stranger", "id", "BTC-USDT", 1, 1)
    assert FollowedOrders().take([resting, resting]) == [resting, resting]
