"""What a session makes of everything a venue can do to an order, on virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from arb_pipelines.errors import Fatal, OutcomeUnknown, Rejected, Transient, Unfunded
from arb_pipelines.execution.orders.fees import FeeConfirmed, FeeLookUps
from arb_pipelines.execution.orders.given_up import LateFill
from arb_pipelines.trading.events import Cancelled, Ending, OrderFill, OrderKind, Routed
from tests.fakes.scripted_venue import Fate, ScriptedVenue, lost, refused
from tests.fakes.session_cycle import Traded, trade_once
from tests.fakes.virtual_loop import run_virtually, wall_ns

DOWN = Transient("no connection; not sent")
ONE = Decimal(1)


def assert_books_agree(traded: Traded, within: float = 1e-9) -> None:
    """Nothing is owed to anybody, no order was sent twice, and the portfolio says the same."""
    assert traded.owed() == {}
    arrived = [order.client_id for order in traded.venue.placed]
    assert len(set(arrived)) == len(traded.intents)
    balances = traded.portfolio.balances()
    for currency, amount in traded.venue.balances_now.items():
        assert balances.get(currency, 0.0) == pytest.approx(float(amount), abs=within), currency


def test_three_legs_are_traded_and_each_spends_what_the_one_before_brought() -> None:
    """The plain case, to the last unit."""
    traded = trade_once()
    assert traded.cycle.legs_filled == 3
    assert traded.cycle.profit > 9.0
    assert [order.kind for order in traded.venue.placed] == [OrderKind.MARKET] * 3
    assert traded.cycle.residual_value < 0.01
    assert traded.took_s < 0.01
    assert_books_agree(traded)


@pytest.mark.parametrize("leg", [0, 1, 2])
def test_a_fill_that_overtakes_the_answer_starts_the_next_leg(leg: int) -> None:
    """An answer that takes 3 s delays nothing: the stream has told."""
    traded = trade_once({leg: Fate(answer_s=3.0, told_s=0.001)}, linger_s=5.0)
    assert traded.cycle.legs_filled == 3
    assert traded.took_s < 0.1
    assert_books_agree(traded)


@pytest.mark.parametrize("leg", [0, 1, 2])
@pytest.mark.parametrize(
    ("fate", "within_s"),
    [
        (lost(told_s=0.002), 0.1),  # the stream tells long before the answer is given up
        (lost(told_s=None), 1.5),  # a look-up does
        (lost(told_s=None, known_s=3.0), 5.0),  # a later one does
        (Fate(OutcomeUnknown("HTTP 500"), told_s=None, known_s=0.3), 1.5),
    ],
)
def test_a_lost_answer_is_looked_up_and_the_cycle_goes_on(
    leg: int, fate: Fate, within_s: float
) -> None:
    """What may have happened is never sent again, and never taken for a refusal."""
    traded = trade_once({leg: fate}, linger_s=10.0)
    assert traded.cycle.legs_filled == 3
    assert traded.took_s < within_s
    assert len(traded.venue.placed) == 3
    assert_books_agree(traded)


@pytest.mark.parametrize("leg", [0, 1, 2])
def test_what_never_arrived_is_brought_back_after_a_while(leg: int) -> None:
    """An order that the venue does not know for 10 s did not reach it; what is in hand returns."""
    traded = trade_once({leg: lost(arrives=False)})
    assert 10.0 < traded.took_s < 13.0
    assert len(traded.venue.placed) == len(set(traded.venue.placed))
    reasons = [news.reason for news in traded.news if isinstance(news, Cancelled)]
    assert "it never reached the venue" in reasons
    assert_ended_well(traded, leg)


@pytest.mark.parametrize("leg", [0, 1, 2])
def test_what_taking_back_brings_to_light_is_not_given_up(leg: int) -> None:
    """An order that nobody knew of rests at the venue: it is taken back, and its fill goes on."""
    unknown = replace(lost(told_s=None, known_s=15.0), rests=True)
    traded = trade_once({leg: unknown}, linger_s=60.0)
    assert traded.venue.cancelled == [traded.venue.placed[leg].client_id]
    assert not any(isinstance(news, LateFill) for news in traded.told)
    assert_books_agree(traded)


@pytest.mark.parametrize("leg", [0, 1, 2])
def test_what_was_given_up_and_trades_after_all_is_told_and_booked(leg: int) -> None:
    """It is taken back before it is given up; what it traded is told once, and explained."""
    traded = trade_once({leg: lost(told_s=None, known_s=15.0)}, linger_s=60.0)
    given_up = traded.venue.placed[leg].client_id
    assert traded.venue.cancelled == [given_up]
    reasons = [news.reason for news in traded.news if isinstance(news, Cancelled)]
    assert "it never reached the venue" in reasons
    (told,) = (news for news in traded.told if isinstance(news, LateFill))
    assert told.client_id == given_up
    assert told.size > 0
    assert traded.owed() == {}
    assert sum(news.client_id == given_up for news in traded.news) == 2  # it left, and ended


def test_what_never_arrives_is_asked_for_no_longer_than_ten_minutes() -> None:
    """Then it is let go, and nothing was told of it."""
    traded = trade_once({1: lost(arrives=False)}, linger_s=700.0)
    asked = traded.venue.look_ups
    assert asked < 200
    assert not any(isinstance(news, LateFill) for news in traded.told)


@pytest.mark.parametrize("leg", [0, 1, 2])
def test_silence_is_no_answer(leg: int) -> None:
    """While nobody answers what became of an order, it may have traded, however long that is."""

    def silent(venue: ScriptedVenue) -> None:
        venue.refuses = lambda number: DOWN if number < 20 else None

    traded = trade_once({leg: lost(told_s=None)}, prepare=silent, linger_s=30.0)
    assert traded.took_s > 15.0
    assert traded.cycle.legs_filled == 3
    assert len(traded.venue.placed) == 3
    assert_books_agree(traded)


@pytest.mark.parametrize("leg", [0, 1, 2])
def test_a_refused_leg_is_unwound(leg: int) -> None:
    """What the legs before brought goes back to the start currency at once."""
    traded = trade_once({leg: refused(Rejected("200001 suspended"))})
    assert traded.took_s < 0.1
    assert_ended_well(traded, leg)
    refusing = traded.venue.placed[leg].symbol
    assert all(order.symbol != refusing for order in traded.venue.placed[leg + 1 :])


def assert_ended_well(traded: Traded, leg: int) -> None:
    """Nothing spent if the first leg failed; else all but dust is back, within the limit."""
    cycle = traded.cycle
    if leg == 0:
        assert cycle.spent == 0.0
        assert traded.venue.balances_now["USDT"] == 1_000
    else:
        assert cycle.unwind_orders >= 1
        assert cycle.returned == pytest.approx(cycle.spent, rel=0.15)
        assert cycle.residual_value < 0.02 * cycle.spent
        unwinding = traded.venue.placed[leg + 1 :]
        assert all(order.kind is OrderKind.LIMIT for order in unwinding)
    assert_books_agree(traded)


@pytest.mark.parametrize("leg", [1, 2])
def test_a_leg_that_did_not_leave_is_tried_again(leg: int) -> None:
    """Nothing happened, and the execution has to go on: the same order leaves when it can."""
    fates = {leg: refused(DOWN), leg + 1: refused(DOWN)}
    traded = trade_once(fates)
    assert traded.cycle.legs_filled == 3
    ids = [order.client_id for order in traded.venue.placed]
    assert len(set(ids[leg : leg + 3])) == 1
    assert 0.05 < traded.took_s < 1.0
    assert traded.owed() == {}


def test_a_first_leg_that_did_not_leave_is_given_up() -> None:
    """An opportunity does not wait for a connection."""
    traded = trade_once({0: refused(DOWN)})
    assert len(traded.venue.placed) == 1
    assert traded.took_s < 0.01
    assert_ended_well(traded, 0)


def test_a_leg_that_can_never_leave_ends_in_a_reported_residual() -> None:
    """No connection for good: the residual is told, and the books agree on it."""
    fates = {number: refused(DOWN) for number in range(1, 500)}
    traded = trade_once(fates, rules={"leg_timeout_ms": 300.0}, unwind={"max_orders": 2})
    cycle = traded.cycle
    assert cycle.legs_filled == 1
    assert cycle.unwind_orders == 2
    assert cycle.residual_value > 0.9 * cycle.spent
    assert traded.portfolio.residuals()["BTC"] == pytest.approx(
        float(traded.venue.balances_now["BTC"])
    )
    assert traded.owed() == {}


@pytest.mark.parametrize("leg", [0, 1, 2])
@pytest.mark.parametrize("kind", ["market", "ioc"])
def test_a_partial_fill_goes_on_with_what_there_is(leg: int, kind: str) -> None:
    """The rest of the input goes back, the part goes on round the cycle."""
    traded = trade_once({leg: Fate(share=Decimal("0.4"))}, rules={"orders": kind})
    fills = [news for news in traded.news if isinstance(news, OrderFill)]
    assert not fills[leg].final
    assert any(isinstance(news, Cancelled) for news in traded.news)
    assert traded.cycle.legs == 3
    assert traded.cycle.fell_short == (leg > 0)
    assert traded.cycle.residual_value < 0.05 * traded.cycle.spent
    assert_books_agree(traded)


def test_a_part_below_the_next_minimum_goes_back() -> None:
    """Too little for the next leg, and enough to be sold again where it came from."""
    limits = {"ETH-BTC": {"min_funds": Decimal("0.5")}}
    traded = trade_once({0: Fate(share=Decimal("0.2"))}, markets=limits)
    assert [order.symbol for order in traded.venue.placed] == ["BTC-USDT", "BTC-USDT"]
    assert traded.cycle.unwind_orders == 1
    assert traded.cycle.residual_value < 0.02 * traded.cycle.spent
    assert_books_agree(traded)


def test_a_part_below_every_minimum_is_a_reported_residual() -> None:
    """What no order takes stays in hand, and is told."""
    limits = {s: {"min_funds": m} for s, m in (("ETH-BTC", ONE / 2), ("BTC-USDT", Decimal(50)))}
    traded = trade_once({0: Fate(share=Decimal("0.2"))}, markets=limits)
    assert len(traded.venue.placed) == 1
    assert traded.cycle.residual_value > 0.9 * traded.cycle.spent
    assert traded.portfolio.residuals()["BTC"] > 0.19
    assert_books_agree(traded)


def test_a_look_up_that_is_refused_says_nothing_of_the_order() -> None:
    """The order has filled: that a question was refused is not its refusal."""

    def prepare(venue: ScriptedVenue) -> None:
        answers: dict[int, Exception] = {1: Rejected("400100 what?"), 2: Transient("429")}
        venue.refuses = answers.get

    traded = trade_once({1: Fate(told_s=None)}, prepare=prepare)
    assert traded.cycle.legs_filled == 3
    assert_books_agree(traded)


@pytest.mark.parametrize("leg", [0, 1])
def test_an_order_that_stays_open_is_taken_back(leg: int) -> None:
    """After the leg's time it is cancelled, and what it filled goes on."""
    half = Fate(rests=True, share=Decimal("0.5"))
    traded = trade_once({leg: half}, rules={"leg_timeout_ms": 2_000.0})
    assert 2.0 < traded.took_s < 6.0
    assert set(traded.venue.cancelled) == {traded.venue.placed[leg].client_id}
    assert traded.cycle.legs == 3
    assert_books_agree(traded)


@pytest.mark.parametrize("late_s", [0.05, 0.6])
def test_a_leg_waits_for_late_proceeds(late_s: float) -> None:
    """The fill is told before what it brought can be spent: the next leg leaves when it can."""
    fates = {leg: Fate(free_s=late_s) for leg in range(3)}
    traded = trade_once(fates, linger_s=late_s)
    assert traded.cycle.legs_filled == 3
    assert 2 * late_s <= traded.took_s < 2 * late_s + 0.1
    assert_books_agree(traded)


def test_proceeds_that_stay_away_cost_no_more_than_time() -> None:
    """Past the wait nothing is sent that the venue would refuse; the unwind finds them."""
    traded = trade_once({0: Fate(free_s=2.5)}, linger_s=3.0)
    assert 2.5 <= traded.took_s < 4.0
    assert traded.cycle.unwind_orders >= 2
    assert traded.cycle.residual_value < 0.02 * traded.cycle.spent
    assert_books_agree(traded)


@pytest.mark.parametrize("leg", [1, 2])
def test_a_leg_that_comes_before_its_balance_is_tried_again(leg: int) -> None:
    """The venue says that there is not enough yet, whatever its balances told."""
    poor = refused(Unfunded("200004 balance"))
    traded = trade_once({leg: poor, leg + 1: poor}, follow_balances=False)
    assert traded.cycle.legs_filled == 3
    assert len({order.client_id for order in traded.venue.placed}) == 3
    assert traded.owed() == {}


def test_without_word_of_balances_nothing_waits() -> None:
    """A venue that tells of no balances is taken at its fills."""
    traded = trade_once(follow_balances=False)
    assert traded.cycle.legs_filled == 3
    assert traded.took_s < 0.01


def test_the_real_fee_is_asked_for_when_nothing_is_out() -> None:
    """The desk goes by the known rate; the correction is told, and makes our books the venue's."""
    dear = Fate(fee=Decimal("0.0012"))
    traded = trade_once({1: dear, 2: Fate(kcs=Decimal("0.01"))}, linger_s=5.0)
    assert traded.cycle.legs_filled == 3
    told = {fee.client_id: fee for fee in traded.told if isinstance(fee, FeeConfirmed)}
    assert len(told) == 3
    first, second, third = (told[order.client_id] for order in traded.venue.placed)
    assert first.fee == first.assumed
    assert second.fee == second.assumed * Decimal("1.2")
    assert (third.fee, third.fee_currency) == (Decimal("0.01"), "KCS")
    assert third.assumed_currency == "USDT"
    assert traded.owed() == {}


def test_a_fee_is_asked_for_again_where_the_venue_does_not_know_it_yet() -> None:
    """What the stream tells at once, a look-up may know seconds later."""
    late = Fate(known_s=4.0, kcs=Decimal("0.01"))
    traded = trade_once({2: late}, linger_s=10.0)
    assert traded.cycle.legs_filled == 3
    assert traded.owed() == {}


def test_who_waits_for_the_last_fees_has_them_and_no_longer_than_said() -> None:
    """The end of a session waits until nothing is left to be asked."""

    async def body() -> None:
        venue = ScriptedVenue({}, {}, {})
        found: list[FeeConfirmed] = []
        look_ups = FeeLookUps(venue, lambda: True, lambda report, fee: found.append(fee))
        await look_ups.finish(1.0)
        look_ups.ask("never-known", "BTC-USDT", Decimal(1), "USDT")
        running = asyncio.create_task(look_ups.run())
        began = asyncio.get_running_loop().time()
        await look_ups.finish(1.0)
        assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)
        await look_ups.finish(60.0)  # it is let go in time
        assert asyncio.get_running_loop().time() - began < 10.0
        assert found == []
        running.cancel()

    run_virtually(body())


def test_a_fee_told_with_the_order_needs_no_question() -> None:
    """A look-up that found the order has told its fee, and it is booked."""
    traded = trade_once({0: lost(told_s=None)}, linger_s=6.0)
    first = next(fee for fee in traded.told if isinstance(fee, FeeConfirmed))
    assert first.client_id == traded.venue.placed[0].client_id
    assert traded.venue.look_ups == 3  # one for the order, two for the fees of the others


def test_a_venue_that_turns_us_away_ends_the_broker_with_everything_told() -> None:
    """Keys that no longer do: nothing more leaves, the residual is reported, the reason raised."""
    with pytest.raises(ExceptionGroup) as ended:
        trade_once({1: refused(Fatal("400003 key"))}, linger_s=1.0)
    assert ended.group_contains(Fatal, match="400003")


def test_what_is_out_when_keys_fail_is_followed_to_its_end() -> None:
    """The stream may still tell; the cycle's next leg is refused with the reason."""
    kept: list[ScriptedVenue] = []

    def prepare(venue: ScriptedVenue) -> None:
        kept.append(venue)
        venue.refuses = lambda number: Fatal("400003 key")

    with pytest.raises(ExceptionGroup) as ended:
        trade_once({0: Fate(told_s=1.5)}, prepare=prepare, linger_s=20.0)
    assert ended.group_contains(Fatal, match="400003")
    assert len(kept[0].placed) == 1


def test_a_clock_set_back_is_no_news_from_the_past() -> None:
    """The wall's time may jump; the life of an order does not run backwards."""
    jumps = iter([0, 0, 0, -5, -3, -9, 0, -1])

    def clock() -> int:
        return wall_ns() + next(jumps, -20) * 1_000_000_000

    traded = trade_once(clock=clock)
    assert traded.cycle.legs_filled == 3


@pytest.mark.parametrize("asked", range(12))
def test_a_clock_set_back_in_mid_cycle_leaves_the_order_of_news(asked: int) -> None:
    """Whenever the wall steps back, also between an order's leaving and its fill."""
    times = iter(range(1_000))

    def clock() -> int:
        time = next(times)
        return wall_ns() + time * 100_000 - (50_000_000 if time >= asked else 0)

    traded = trade_once({leg: Fate(told_s=0.005) for leg in range(3)}, clock=clock)
    assert traded.cycle.legs_filled == 3
    told = [news.ts for news in traded.news]
    assert told == sorted(told)


def test_an_order_is_routed_before_anything_else_is_told() -> None:
    """``Routed`` first, one end each, whatever the venue does."""
    for fates in ({}, {1: lost(arrives=False)}, {0: Fate(share=Decimal("0.3"))}):
        traded = trade_once(fates)
        by_order: dict[str, list[Any]] = {}
        for news in traded.news:
            by_order.setdefault(news.client_id, []).append(news)
        for told in by_order.values():
            assert isinstance(told[0], Routed)
            ends = [
                n
                for n in told
                if isinstance(n, Cancelled) or (isinstance(n, OrderFill) and n.final)
            ]
            assert ends == told[-1:]


# -- paper against a venue that only checks ----------------------------------------------


def test_paper_fills_from_the_books_after_the_checks_own_time() -> None:
    """Each leg is checked, never placed, and filled when the check's answer is here."""
    traded = trade_once({leg: Fate(answer_s=0.04) for leg in range(3)}, paper=True)
    assert traded.venue.placed == []
    assert len(traded.venue.tested) == 3
    assert traded.cycle.legs_filled == 3
    assert traded.took_s == pytest.approx(0.12, abs=0.01)
    routed = [news.ts for news in traded.news if isinstance(news, Routed)]
    filled = [news.ts for news in traded.news if isinstance(news, OrderFill)]
    assert all(
        40_000_000 <= end - sent < 41_000_000 for sent, end in zip(routed, filled, strict=True)
    )
    assert traded.venue.balances_now == {"USDT": Decimal(1_000)}
    balances = traded.portfolio.balances()
    assert balances["USDT"] == pytest.approx(1_000 + traded.cycle.profit, abs=1e-9)


@pytest.mark.parametrize("leg", [0, 1, 2])
def test_paper_honours_a_refusal(leg: int) -> None:
    """What the venue would not take does not fill; the cycle is unwound on paper."""
    traded = trade_once({leg: refused(Rejected("600100 increment"))}, paper=True)
    assert traded.cycle.legs_filled == leg
    assert (traded.cycle.spent == 0.0) == (leg == 0)
    assert traded.cycle.residual_value < 0.02 * max(traded.cycle.spent, 1.0)
    rejected = [n for n in traded.news if isinstance(n, Cancelled)]
    assert rejected[0].ending is Ending.REJECTED


def test_paper_needs_no_balance() -> None:
    """The money of a paper session is not at the venue; all else about its orders counts."""
    fates = {leg: refused(Unfunded("200004 balance")) for leg in range(3)}
    traded = trade_once(fates, paper=True)
    assert traded.cycle.legs_filled == 3
