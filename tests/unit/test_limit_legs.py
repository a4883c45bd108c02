"""Legs that rest, on virtual time: priced again, traded at last, given up."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from arb_pipelines.errors import OutcomeUnknown, Rejected, Transient
from arb_pipelines.execution.orders.carrier import OrderCarrier
from arb_pipelines.trading.events import Cancelled, Ending, OrderFill, Routed, TimeInForce
from tests.fakes.resting_venue import Rest, RestingVenue
from tests.fakes.session_cycle import TOPS, Traded, trade_once

ONE, HALF = Decimal(1), Decimal("0.5")
#: Fills whole at once.
AT_ONCE = Rest(fills=((0.0, ONE),))
GTC, IOC = TimeInForce.GTC, TimeInForce.IOC


def rules(leg: int = 0, **limit_orders: Any) -> dict[str, Any]:
    """Let one leg of the three rest, for a second at a time."""
    kinds = ["ioc"] * 3
    kinds[leg] = "limit"
    return {"orders": kinds, "limit_orders": {"reprice_ms": 1_000.0} | limit_orders}


def assert_books_agree(traded: Traded) -> None:
    """Not a unit apart, nothing sent twice or unwritten, one end of each of the desk's orders."""
    assert traded.owed() == {}
    sent = [order.client_id for order in traded.venue.placed]
    assert len(sent) == len(set(sent))
    assert sent == [order.client_id for order in traded.intents][: len(sent)]
    balances = traded.portfolio.balances()
    for currency, amount in traded.venue.balances_now.items():
        assert balances.get(currency, 0.0) == pytest.approx(float(amount), abs=1e-9), currency
    for order in traded.orders:
        told = [news for news in traded.news if news.client_id == order.client_id]
        ends = [n for n in told if isinstance(n, Cancelled) or getattr(n, "final", False)]
        assert ends == told[-1:]
        assert [n for n in told if isinstance(n, Routed)] == told[:1] or len(told) == 1


def kinds(traded: Traded) -> list[tuple[str, TimeInForce, Decimal | None]]:
    """The first leg's orders at the venue: name, time in force and price."""
    orders = [o for o in traded.venue.placed if o.client_id.startswith("t0-0")]
    return [(o.client_id, o.time_in_force, o.price) for o in orders]


def test_a_leg_that_rests_at_its_own_side_and_fills_goes_on() -> None:
    """It stands at the best bid, and the next leg leaves when it is filled."""
    traded = trade_once(rests={0: Rest(fills=((0.4, ONE),))}, rules=rules())
    assert kinds(traded) == [("t0-0", GTC, Decimal(99))]
    assert traded.cycle.legs_filled == 3
    assert 0.4 <= traded.took_s < 0.5
    assert_books_agree(traded)


def test_what_a_better_price_saves_does_not_hold_up_the_leg() -> None:
    """All that was ordered is filled: the next leg leaves, and nobody rests for the change."""
    rests = {0: Rest(fills=((0.1, ONE),), better=Decimal("0.5"))}
    traded = trade_once(rests=rests, rules=rules(price="cross"))
    assert len(kinds(traded)) == 1
    assert traded.took_s < 0.2
    assert traded.cycle.legs == 3
    assert_books_agree(traded)


def test_crossing_stands_at_the_other_side() -> None:
    """A buy rests at the best ask, within the plan's limit."""
    traded = trade_once(rests={0: AT_ONCE}, rules=rules(price="cross"))
    assert kinds(traded) == [("t0-0", GTC, Decimal(100))]
    assert_books_agree(traded)


def moved(at_s: float, bid: float) -> Any:
    """Books of which the first symbol's best bid is another after so many seconds."""

    def tops(symbol: str, now_s: float) -> tuple[float, float]:
        own_bid, ask = map(float, TOPS[symbol])
        return (bid, ask) if symbol == "BTC-USDT" and now_s > at_s else (own_bid, ask)

    return tops


def test_what_is_left_is_priced_again_by_the_book_of_then() -> None:
    """Half fills at 99; the bid moved to 99.5, where the rest is ordered and fills."""
    rests = {0: Rest(fills=((0.2, HALF),)), 1: Rest(fills=((0.3, ONE),))}
    traded = trade_once(rests=rests, rules=rules(), tops=moved(0.5, 99.5))
    assert kinds(traded) == [("t0-0", GTC, Decimal(99)), ("t0-0_1", GTC, Decimal("99.5"))]
    assert traded.venue.cancelled == ["t0-0"]
    first = [n for n in traded.news if n.client_id == "t0-0" and isinstance(n, OrderFill)]
    assert [fill.final for fill in first] == [False, True]
    assert sum(fill.funds for fill in first) == pytest.approx(traded.orders[0].funds, rel=1e-3)
    assert traded.cycle.legs_filled == 3
    assert_books_agree(traded)


def test_no_price_is_beyond_the_plans_limit() -> None:
    """The market ran away: the order stands at the limit, and not a tick further."""
    traded = trade_once(rests={1: AT_ONCE}, rules=rules(), tops=moved(0.5, 102.0))
    assert kinds(traded)[-1] == ("t0-0_1", GTC, Decimal("100.5"))
    assert_books_agree(traded)


def test_an_order_that_would_stand_at_the_same_price_keeps_its_place() -> None:
    """Nothing is taken back that would only lose its place; at last it trades at its limit."""
    traded = trade_once(rules=rules(max_reprices=2))
    assert kinds(traded) == [("t0-0", GTC, Decimal(99)), ("t0-0_1", IOC, Decimal("100.5"))]
    assert traded.venue.cancelled == ["t0-0"]
    assert traded.cycle.legs == 3
    assert 2.99 < traded.took_s < 3.2
    assert_books_agree(traded)


def test_what_finds_no_counterpart_is_given_up_where_the_rules_say_so() -> None:
    """A first leg of which nothing fills is no cycle: nothing else leaves."""
    traded = trade_once(rules=rules(max_reprices=1, then="give_up"))
    assert kinds(traded) == [("t0-0", GTC, Decimal(99))]
    assert traded.cycle.spent == 0.0
    assert len(traded.venue.placed) == 1
    (end,) = [n for n in traded.news if isinstance(n, Cancelled)]
    assert (end.reason, end.ending) == ("its limit was not reached", Ending.CANCELLED)
    assert_books_agree(traded)


def test_what_filled_of_a_leg_that_is_given_up_goes_on() -> None:
    """A quarter filled: the legs after it trade a quarter."""
    rests = {0: Rest(fills=((0.2, Decimal("0.25")),))}
    traded = trade_once(rests=rests, rules=rules(max_reprices=0, then="give_up"))
    assert traded.cycle.spent == pytest.approx(25.0, rel=0.01)
    assert traded.cycle.returned > 25.0
    assert_books_agree(traded)


@pytest.mark.parametrize("leg", [1, 2])
def test_a_later_leg_rests_with_what_the_one_before_brought(leg: int) -> None:
    """It spends its own purse, in parts, and no more than is in it."""
    rests = {0: Rest(fills=((0.1, HALF), (0.3, Decimal("0.3"))))}
    traded = trade_once(rests=rests, rules=rules(leg, max_reprices=0))
    assert [o.time_in_force for o in traded.venue.placed[leg : leg + 2]] == [GTC, IOC]
    assert traded.cycle.legs >= 3
    assert_books_agree(traded)


@pytest.mark.parametrize("then", ["market", "give_up"])
def test_a_cancel_that_comes_too_late_finds_it_filled(then: str) -> None:
    """It fills while it is taken back: what the venue says counts, and nothing more leaves."""
    rests = {0: Rest(fills=((1.2, ONE),), cancel_s=0.5)}
    traded = trade_once(rests=rests, rules=rules(max_reprices=0, then=then))
    assert len(kinds(traded)) == 1
    assert traded.cycle.legs_filled == 3
    assert_books_agree(traded)


@pytest.mark.parametrize("cancel", [OutcomeUnknown("lost"), Transient("429"), None])
@pytest.mark.parametrize("told_s", [0.0, None])
def test_the_next_order_waits_for_the_end_of_the_one_before(
    cancel: Exception | None, told_s: float | None
) -> None:
    """However a cancel is answered, and whether or not the stream tells of it."""
    rests = {0: Rest(cancel_s=0.7, cancel_raises=cancel, told_s=told_s)}
    traded = trade_once(rests=rests, rules=rules(max_reprices=0))
    assert [time_in_force for _, time_in_force, _ in kinds(traded)] == [GTC, IOC]
    assert traded.took_s > 1.69
    assert traded.cycle.legs == 3
    assert_books_agree(traded)


def test_an_order_whose_answer_is_lost_rests_like_any_other() -> None:
    """It is found at the venue, taken back when it is due, and never sent again."""
    rests = {0: Rest(answer_s=5.0, raises=OutcomeUnknown("lost"))}
    traded = trade_once(rests=rests, rules=rules(max_reprices=0), linger_s=6.0)
    assert [name for name, _, _ in kinds(traded)] == ["t0-0", "t0-0_1"]
    assert traded.cycle.legs == 3
    assert_books_agree(traded)


def test_an_order_that_never_arrived_ends_its_leg() -> None:
    """Nobody knows it for ten seconds: it might turn up yet, so nothing is sent in its place."""
    rests = {0: Rest(answer_s=5.0, raises=OutcomeUnknown("lost"), arrives=False)}
    traded = trade_once(rests=rests, rules=rules())
    assert len(traded.venue.placed) == 1
    assert 10.0 < traded.took_s < 13.0
    assert_books_agree(traded)


def test_a_refused_post_only_order_is_priced_again_in_its_time() -> None:
    """It would have traded at once: the next one leaves a rest later, not in a loop."""
    rests = {0: Rest(raises=Rejected("300001 would take"), arrives=False), 1: AT_ONCE}
    traded = trade_once(rests=rests, rules=rules(post_only=True))
    assert [name for name, _, _ in kinds(traded)] == ["t0-0", "t0-0_1"]
    assert all(order.post_only for order in traded.venue.placed[:2])
    assert 0.99 < traded.took_s < 1.2
    assert_books_agree(traded)


def test_any_other_refusal_ends_the_leg() -> None:
    """A symbol that is halted is not asked again."""
    rests = {0: Rest(raises=Rejected("200001 suspended"), arrives=False)}
    traded = trade_once(rests=rests, rules=rules())
    assert len(traded.venue.placed) == 1
    (end,) = [n for n in traded.news if isinstance(n, Cancelled)]
    assert end.ending is Ending.REJECTED
    assert_books_agree(traded)


@pytest.mark.parametrize(("leg", "kind"), [(0, []), (1, [IOC]), (2, [IOC])])
def test_who_settles_takes_back_what_rests(leg: int, kind: list[TimeInForce]) -> None:
    """A first leg is given up; a later one is traded at once, so that the cycle comes home."""

    async def stop(broker: OrderCarrier) -> None:
        await asyncio.sleep(0.5)
        broker.hurry()

    traded = trade_once(rules=rules(leg, reprice_ms=60_000.0), beside=stop)
    assert isinstance(traded.venue, RestingVenue)
    resting = [*traded.venue.resting]
    assert resting == traded.venue.cancelled == [f"t0-{leg}"]
    after = [o for o in traded.venue.placed if o.client_id.startswith(f"t0-{leg}_")]
    assert [o.time_in_force for o in after] == kind
    assert 0.5 <= traded.took_s < 0.7
    assert_books_agree(traded)


def test_an_order_that_is_taken_back_by_hand_ends_as_it_is() -> None:
    """What filled until then goes on."""

    async def cancel(broker: OrderCarrier) -> None:
        await asyncio.sleep(0.5)
        broker.cancel("t0-0", 0)

    rests = {0: Rest(fills=((0.2, HALF),))}
    traded = trade_once(rests=rests, rules=rules(reprice_ms=60_000.0), beside=cancel)
    assert len(kinds(traded)) == 1
    assert traded.cycle.spent == pytest.approx(50.0, rel=0.01)
    assert_books_agree(traded)


def test_a_stream_that_is_silent_is_made_up_for_by_questions() -> None:
    """A fill that nobody tells is found within the time to wait for the stream."""
    rests = {0: Rest(fills=((0.1, ONE),), told_s=None)}
    traded = trade_once(rests=rests, rules=rules(reprice_ms=60_000.0) | {"fill_wait_ms": 300.0})
    assert traded.took_s < 0.5
    assert traded.cycle.legs_filled == 3
    assert_books_agree(traded)


def test_where_orders_are_only_tested_a_leg_is_tried_at_once_within_its_limit() -> None:
    """Nobody knows what would be before us in a real venue's queue, so no rest is made up."""
    traded = trade_once(paper=True, rules=rules())
    assert traded.venue.placed == []
    first = traded.venue.tested[0]
    assert (first.time_in_force, first.price) == (IOC, Decimal("100.5"))
    assert traded.took_s < 0.1
