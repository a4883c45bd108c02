"""Legs that rest, whatever a venue does: one end each, none twice, no more than approved."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from arb_pipelines.errors import OutcomeUnknown, Rejected, Transient
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.events import Cancelled, OrderFill
from arb_pipelines.venues.base import OrderReport
from tests.fakes.resting_venue import Rest, RestingVenue
from tests.fakes.scripted_venue import FEE
from tests.fakes.session_cycle import TOPS, Traded, terms, trade_once

SECONDS = [0.0, 0.3, 0.99, 1.0, 1.01, 1.4, 2.5]
SHARES = [Decimal(share) for share in ("0.0001", "0.25", "0.5", "0.9", "1")]
LOST = OutcomeUnknown("the answer is lost")


@st.composite
def any_rest(draw: st.DrawFn) -> Rest:
    """Filled in parts at any moment; answers lost, late or bad; cancels slow, lost or too late."""
    raises = draw(st.sampled_from([None, None, None, None, LOST, Rejected("no"), Transient("429")]))
    return Rest(
        fills=tuple(
            draw(st.lists(st.tuples(st.sampled_from(SECONDS), st.sampled_from(SHARES)), max_size=3))
        ),
        answer_s=draw(st.sampled_from([0.0, 0.0, 0.2, 3.0])),
        raises=raises,
        arrives=raises is None or (raises is LOST and draw(st.booleans())),
        cancel_s=draw(st.sampled_from([0.0, 0.0, 0.05, 0.8])),
        cancel_raises=draw(st.sampled_from([None, None, LOST, Transient("429")])),
        told_s=draw(st.sampled_from([None, 0.0, 0.01, 1.5])),
        better=draw(st.sampled_from([Decimal(0), Decimal(0), Decimal("0.0003")])),
    )


@st.composite
def any_rules(draw: st.DrawFn) -> dict[str, object]:
    """Any of the legs rests, joining or crossing, and ends either way."""
    price = draw(st.sampled_from(["join", "cross"]))
    return {
        "orders": draw(
            st.sampled_from(
                [
                    "limit",
                    ["limit", "market"],
                    ["ioc", "limit", "ioc"],
                    ["market", "market", "limit"],
                ]
            )
        ),
        "limit_orders": {
            "price": price,
            "reprice_ms": 1_000.0,
            "max_reprices": draw(st.integers(0, 3)),
            "then": draw(st.sampled_from(["market", "give_up"])),
            "post_only": price == "join" and draw(st.booleans()),
        },
    }


def assert_chains(traded: Traded) -> None:
    """Each desk order's venue orders: named in turn, within its limit, no more than it."""
    desk = {order.client_id: order for order in traded.orders}
    chains: defaultdict[str, list[str]] = defaultdict(list)
    for new in traded.intents:
        name = new.client_id.partition("_")[0]
        chains[name].append(new.client_id)
        order = desk[name]
        if new.price is not None and order.limit_px is not None:
            beyond = float(new.price) - order.limit_px
            assert (beyond if new.side == BUY else -beyond) <= 1e-9 * order.limit_px
    for name, ids in chains.items():
        assert ids == [name, *(f"{name}_{k}" for k in range(1, len(ids)))]


@settings(max_examples=60, deadline=None)
@given(
    rests=st.lists(any_rest(), max_size=8),
    rules=any_rules(),
    bids=st.lists(st.sampled_from([0.99, 1.0, 1.003, 1.02]), min_size=4, max_size=4),
)
def test_sums_equal_the_venues_and_no_order_is_sent_twice(
    rests: list[Rest], rules: dict[str, object], bids: list[float]
) -> None:
    """What the desk was told, what was published and what the venue did are the same amounts."""

    def tops(symbol: str, now_s: float) -> tuple[float, float]:
        bid, ask = map(float, TOPS[symbol])
        moved = bid * bids[min(int(now_s), len(bids) - 1)]
        return round(min(moved, ask), 4), ask

    traded = trade_once(rests=dict(enumerate(rests)), rules=rules, tops=tops, linger_s=20.0)
    venue = traded.venue
    assert isinstance(venue, RestingVenue)
    event(f"{traded.cycle.legs_filled} legs, {min(len(venue.resting), 4)} that rested")
    assert traded.owed() == {}
    assert_chains(traded)
    assert not any(order.active for order in venue.resting.values())
    # one that did not leave may be tried again; the venue refuses a name that it knows
    assert {new.client_id for new in venue.placed} <= {new.client_id for new in traded.intents}
    assert len({new.client_id for new in traded.intents}) == len(traded.intents)
    balances = traded.portfolio.balances()
    for currency, amount in venue.balances_now.items():
        assert balances.get(currency, 0.0) == pytest.approx(float(amount), abs=1e-9)
    reported: defaultdict[str, Decimal] = defaultdict(Decimal)
    for client_id, told in {
        news.client_id: news for news in traded.told if isinstance(news, OrderReport)
    }.items():
        booked = Booked.of(told, FEE, terms(told.symbol))
        reported[client_id.partition("_")[0]] += booked.spent
    for order in traded.orders:
        news = [news for news in traded.news if news.client_id == order.client_id]
        fills = [one for one in news if isinstance(one, OrderFill)]
        ends = [n for n in news if isinstance(n, Cancelled) or getattr(n, "final", False)]
        assert ends == news[-1:], order.client_id
        spent = sum(fill.spent for fill in fills)
        assert spent == pytest.approx(float(reported[order.client_id]), abs=1e-9)
        assert spent <= order.reserve * (1 + 1e-9), "no more than was approved"
