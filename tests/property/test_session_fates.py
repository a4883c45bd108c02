"""Whatever a venue does to a session's orders: one end each, none twice, not a unit apart."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from arb_pipelines.errors import OutcomeUnknown, Rejected, Transient, Unfunded
from arb_pipelines.trading.events import Cancelled, OrderFill, Routed
from tests.fakes.scripted_venue import Fate
from tests.fakes.session_cycle import trade_once

REFUSALS = (Rejected("600100 no"), Transient("429"), Unfunded("200004 balance"))


@st.composite
def any_fate(draw: st.DrawFn) -> Fate:
    """Refused, lost, filled in part or whole; told, known, answered and paid early or late.

    An order that arrives is known to a look-up before it is taken for lost.
    """
    error = draw(st.sampled_from([None, None, None, OutcomeUnknown("lost"), *REFUSALS]))
    unknown = isinstance(error, OutcomeUnknown)
    return Fate(
        raises=error,
        arrives=error is None or (unknown and draw(st.booleans())),
        share=Decimal(draw(st.sampled_from(["1", "1", "0.5", "0.01", "0"]))),
        answer_s=draw(st.sampled_from([0.0, 0.02, 3.0])),
        told_s=draw(st.sampled_from([None, 0.0, 0.005, 2.0])),
        known_s=draw(st.sampled_from([0.0, 0.5, 4.0])),
        free_s=draw(st.sampled_from([0.0, 0.0, 0.3, 2.0])),
        rests=draw(st.sampled_from([False, False, False, True])),
        kcs=draw(st.sampled_from([None, None, None, Decimal("0.003")])),
    )


@settings(max_examples=40, deadline=None)
@given(
    fates=st.lists(any_fate(), max_size=8),
    kind=st.sampled_from(["market", "ioc"]),
    follow=st.booleans(),
)
def test_every_order_ends_once_and_our_books_are_the_venues(
    fates: list[Fate], kind: str, follow: bool
) -> None:
    """The execution ends, and what we think of every balance is what the venue thinks."""
    traded = trade_once(
        dict(enumerate(fates)), linger_s=15.0, rules={"orders": kind}, follow_balances=follow
    )
    cycle = traded.cycle
    event(f"{cycle.legs_filled} legs, {min(cycle.unwind_orders, 3)} unwinds")
    assert traded.owed() == {}
    balances = traded.portfolio.balances()
    for currency, amount in traded.venue.balances_now.items():
        if currency != "KCS" and not any(fate.kcs for fate in fates):
            assert balances.get(currency, 0.0) == pytest.approx(float(amount), abs=1e-9)
    assert len({new.client_id for new in traded.intents}) == len(traded.intents)
    assert {new.client_id for new in traded.venue.placed} == {n.client_id for n in traded.intents}
    for order in traded.orders:
        told = [news for news in traded.news if news.client_id == order.client_id]
        ends = [
            n for n in told if isinstance(n, Cancelled) or (isinstance(n, OrderFill) and n.final)
        ]
        assert ends == told[-1:], order.client_id
        assert not any(isinstance(news, Routed) for news in told[1:])
