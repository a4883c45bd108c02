"""The allocator's rules one by one, in cases small enough to work out by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from arb_pipelines.allocation.allocator import Allocator
from arb_pipelines.allocation.audit import Audit
from arb_pipelines.allocation.decisions import (
    Block,
    Cancel,
    Decision,
    Enter,
    Fight,
    Outcome,
    Reason,
    Resolved,
    Steal,
)
from arb_pipelines.allocation.orders import MarketKind, RestingOrder, State, distance_pct
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import DataError, InvariantBroken
from arb_pipelines.market.graph import BUY, SELL
from tests.fakes.allocation import EveryOther

DAY_S = 100_000
ALWAYS_OPEN = EveryOther(DAY_S * NS_PER_S)  # from 0 to DAY_S; closed in the DAY_S after it


def buy(name: str, symbol: str, cents: int, market: MarketKind = MarketKind.CRYPTO) -> RestingOrder:
    """A buy of ``symbol`` at 100."""
    return RestingOrder(name, "dip", symbol, market, BUY, 100.0, cents)


def allocator(cents: int, *orders: RestingOrder, **settings: float | str) -> Allocator:
    """An allocator with orders submitted and nothing decided."""
    made = Allocator(AllocationSettings(**settings), cents, ALWAYS_OPEN)
    for order in orders:
        made.submit(order)
    return made


def tick(made: Allocator, second: float, **prices: float) -> list[Decision]:
    """A tick ``second`` seconds after the opening."""
    return made.tick(round(second * NS_PER_S), prices)


def kinds(decisions: Sequence[Decision]) -> list[tuple[str, str]]:
    """What was decided about which order, in short."""
    named = []
    for decision in decisions:
        match decision:
            case Enter(order=order) | Cancel(order=order):
                named.append((type(decision).__name__, order.order_id))
            case Steal(thief=thief, victims=victims):
                named += [("Steal", f"{thief.order_id}<{loss.order.order_id}") for loss in victims]
            case Block(order=order, reason=reason):
                named.append((reason.value, order.order_id))
            case Fight(symbols=symbols):
                named.append(("Fight", "-".join(symbols)))
            case Resolved(thief=thief, outcome=outcome):
                named.append((outcome.value, thief.order_id))
    return named


def test_distance_is_what_the_price_has_to_move_and_never_negative() -> None:
    """A buy waits for a fall, a sale for a rise; past the limit it is 0."""
    assert distance_pct(BUY, 100.0, 101.5) == 1.5
    assert distance_pct(BUY, 100.0, 99.0) == 0.0
    assert distance_pct(SELL, 100.0, 99.0) == 1.0
    assert distance_pct(SELL, 100.0, 101.0) == 0.0


def test_free_capacity_goes_to_the_nearest_first_and_then_to_whoever_fits() -> None:
    """The second is too big for what is left; the third, further away, is not."""
    made = allocator(100, buy("far", "C", 30), buy("mid", "B", 60), buy("near", "A", 70))
    assert kinds(tick(made, 0, A=100.2, B=100.9, C=101.0)) == [
        ("Enter", "near"),
        ("entry_tolerance", "mid"),
        ("Enter", "far"),
    ]
    assert made.cash.free == 0


def test_profit_forecasts_decide_nothing() -> None:
    """The nearer order gets the capacity, whatever the other promises."""
    rich = RestingOrder("rich", "dip", "B", MarketKind.CRYPTO, BUY, 100.0, 100, 1_000_000)
    made = allocator(100, rich, buy("near", "A", 100))
    assert kinds(tick(made, 0, A=100.1, B=100.2))[0] == ("Enter", "near")


def test_a_steal_takes_from_the_furthest_and_enters_the_thief_on_the_acknowledgement() -> None:
    """Until the victim's cancel is acknowledged it holds its capacity."""
    made = allocator(100, buy("far", "A", 50), buy("farther", "B", 50))
    tick(made, 0, A=100.8, B=101.0)
    made.submit(buy("near", "C", 50))
    assert kinds(tick(made, 10, C=100.5)) == [("Steal", "near<farther")]
    assert (made.state("near"), made.state("farther")) == (State.FUNDING, State.CANCELLING)
    assert (made.cash.reserved, made.held_cents("farther")) == (100, 50)
    assert kinds(made.on_cancelled(11 * NS_PER_S, "farther")) == [("Enter", "near")]
    assert (made.state("near"), made.state("farther")) == (State.ENTERED, State.WAITING)


def test_a_stolen_order_that_fills_before_its_cancel_keeps_its_money() -> None:
    """Its thief finds too little and waits again; the fill is booked, the late cancel ignored."""
    made = allocator(50, buy("victim", "A", 50))
    tick(made, 0, A=100.8)
    made.submit(buy("thief", "B", 50))
    tick(made, 10, B=100.5)
    decisions = made.on_fill(11 * NS_PER_S, "victim", 50, final=True)
    assert kinds(decisions) == [("short", "thief")]
    assert made.on_cancelled(12 * NS_PER_S, "victim") == []
    assert (made.cash.spent, made.cash.free, made.state("thief")) == (50, 0, State.WAITING)


def test_a_partial_fill_reduces_what_can_be_freed() -> None:
    """The victim's first half is spent, so the thief gets the other half and what was free."""
    made = allocator(60, buy("victim", "A", 50))
    tick(made, 0, A=100.8)
    made.on_fill(1 * NS_PER_S, "victim", 25, final=False)
    made.submit(buy("thief", "B", 36))
    made.submit(buy("smaller", "C", 35))
    assert kinds(tick(made, 10, B=100.4, C=100.5)) == [
        ("capacity", "thief"),
        ("Steal", "smaller<victim"),
    ]
    assert kinds(made.on_cancelled(11 * NS_PER_S, "victim")) == [("Enter", "smaller")]
    assert (made.cash.spent, made.cash.reserved, made.cash.free) == (25, 35, 0)


def test_several_victims_are_taken_for_one_thief_or_none_at_all() -> None:
    """Two are enough for one thief; for a greater one nobody loses anything."""
    made = allocator(100, *(buy(name, name, 50) for name in "AB"))
    tick(made, 0, A=100.8, B=101.0)
    made.submit(buy("huge", "D", 101))
    made.submit(buy("big", "C", 90))
    assert kinds(tick(made, 10, C=100.5, D=100.1)) == [
        ("capacity", "huge"),
        ("Steal", "big<B"),
        ("Steal", "big<A"),
    ]
    assert made.on_cancelled(11 * NS_PER_S, "B") == []
    assert kinds(made.on_cancelled(12 * NS_PER_S, "A")) == [("Enter", "big")]
    assert (made.cash.reserved, made.cash.free) == (90, 10)


@pytest.mark.parametrize(("price", "spared"), [(100.25, True), (100.2500001, False)])
def test_an_order_at_the_protection_distance_is_never_stolen_from(
    price: float, spared: bool
) -> None:
    """The bound itself still protects; 0.25 is exact in float64."""
    made = allocator(50, buy("victim", "A", 50), protection_pct=0.25)
    tick(made, 0, A=price)
    made.submit(buy("thief", "B", 50))
    first = kinds(tick(made, 10, B=100.0))[0]
    assert first == (("protected", "thief") if spared else ("Steal", "thief<victim"))


def test_protection_by_time_ends_when_the_time_is_over() -> None:
    """However near its limit, an order is spared for protection_s and no longer."""
    made = allocator(50, buy("victim", "A", 50), protection="time", protection_s=60)
    tick(made, 0, A=100.01)
    made.submit(buy("thief", "B", 50))
    assert kinds(tick(made, 59.999, B=100.0)) == [("protected", "thief")]
    assert kinds(tick(made, 60)) == [("Steal", "thief<victim")]


def test_three_tolerances_bound_entering_and_stealing() -> None:
    """1.3 % to be given free capacity, 0.57 % to steal; both bounds belong to the inside."""
    made = allocator(50, buy("out", "A", 50), buy("in", "B", 50), normal_tolerance_pct=1.25)
    assert kinds(tick(made, 0, A=101.2500001, B=101.25)) == [("Enter", "in"), ("tolerance", "out")]
    made = allocator(50, buy("victim", "A", 50), entry_tolerance_pct=0.5)
    tick(made, 0, A=101.0)
    made.submit(buy("thief", "B", 50))
    assert kinds(tick(made, 1, B=100.5000001)) == [("entry_tolerance", "thief")]
    assert kinds(tick(made, 2, B=100.5)) == [("Steal", "thief<victim")]


def test_out_of_hours_stocks_wait_and_the_nearest_crypto_orders_enter_at_any_distance() -> None:
    """Three are forced whatever their distance, a fourth only within 4.7 %."""
    names = {"A": 104.0, "B": 108.0, "C": 109.0, "D": 104.7000001, "E": 106.0}
    made = allocator(500, *(buy(name, name, 50) for name in names))
    made.submit(buy("stock", "S", 50, MarketKind.STOCK))
    decisions = tick(made, DAY_S, **names, S=100.0)
    assert kinds(decisions) == [
        ("market_closed", "stock"),
        ("Enter", "A"),
        ("Enter", "D"),
        ("Enter", "E"),
        ("tolerance", "B"),
        ("tolerance", "C"),
    ]
    forced = [d.order.order_id for d in decisions if isinstance(d, Enter) and d.forced]
    assert forced == ["D", "E"]


def test_forcing_counts_the_orders_that_rest_already() -> None:
    """Three rest nearer, so nobody else is forced at the next tick."""
    names = {"A": 104.0, "B": 104.0, "C": 104.0, "D": 110.0}
    made = allocator(500, *(buy(name, name, 50) for name in names))
    assert kinds(tick(made, DAY_S, **names))[-1] == ("tolerance", "D")
    assert tick(made, DAY_S + 1) == []


def test_forced_orders_never_steal_beyond_the_entry_tolerance() -> None:
    """Forcing waives the tolerance for free capacity, and nothing else."""
    made = allocator(50, buy("rests", "A", 50), buy("near", "B", 50))
    tick(made, DAY_S, A=110.0)
    assert kinds(tick(made, DAY_S + 1, B=101.0)) == [("entry_tolerance", "near")]


def test_both_symbols_rest_after_a_steal_until_the_cool_down_is_over() -> None:
    """The victim may not take back at once, and nobody may take from the thief."""
    made = allocator(50, buy("one", "A", 50))
    tick(made, 0, A=101.0)
    made.submit(buy("two", "B", 50))
    tick(made, 10, B=100.5)
    made.on_cancelled(10 * NS_PER_S, "one")
    made.submit(buy("three", "C", 50))
    assert kinds(tick(made, 175.999, A=100.0, C=100.1)) == [
        ("cool_down", "one"),
        ("cool_down", "three"),
    ]
    assert kinds(tick(made, 176)) == [("Steal", "one<two"), ("capacity", "three")]


def test_nobody_is_stolen_from_and_steals_in_one_tick_even_without_cool_down() -> None:
    """An order that lost its place in this tick does not take another's in it."""
    made = allocator(100, buy("a", "A", 50), buy("b", "B", 50), cool_down_s=0)
    tick(made, 0, A=100.3, B=100.9)
    made.submit(buy("c", "C", 60))
    assert kinds(tick(made, 10, C=100.2)) == [("Steal", "c<b"), ("Steal", "c<a")]
    for name in "ab":
        made.on_cancelled(10 * NS_PER_S, name)
    assert made.state("c") is State.ENTERED
    assert tick(made, 10, A=100.0, B=100.0, C=101.0) == []
    assert kinds(tick(made, 11))[0] == ("Steal", "a<c")


def test_symbols_that_steal_back_and_forth_are_told_to_be_fighting_and_rest_longer() -> None:
    """The third steal in turn is a fight: the pair rests for fight_cool_down_s."""
    made = allocator(50, buy("a", "A", 50), buy("b", "B", 50), fight_threshold=3, cool_down_s=10)
    tick(made, 0, A=100.5, B=101.0)
    second, near, far = 100, ("b", "B"), ("a", "A")
    for steal in range(3):
        decisions = tick(made, second, **{near[1]: 100.2, far[1]: 100.5})
        fights = [("Fight", f"{near[1]}-{far[1]}")] if steal == 2 else []
        assert kinds(decisions) == [("Steal", f"{near[0]}<{far[0]}"), *fights]
        made.on_cancelled(second * NS_PER_S, far[0])
        second, near, far = second + 10, far, near
    begun = second - 10
    assert kinds(tick(made, begun + 644, **{near[1]: 100.2, far[1]: 100.5})) == [("fight", near[0])]
    assert kinds(tick(made, begun + 645)) == [("Steal", f"{near[0]}<{far[0]}")]


def test_two_steals_in_the_same_direction_are_no_fight() -> None:
    """A run begins anew when the thief is the same as before."""
    made = allocator(50, buy("a1", "A", 50), buy("b", "B", 50), fight_threshold=2, cool_down_s=0)
    tick(made, 0, A=101.0, B=102.0)
    for second in (10, 20):
        assert kinds(tick(made, second, B=100.2)) == [("Steal", "b<a1")]
        made.on_cancelled(second * NS_PER_S, "a1")
        made.on_cancelled((second + 1) * NS_PER_S, "b")  # its venue ends it
        tick(made, second + 2)  # free again: a1 enters
        made.submit(buy("b", "B", 50))


def test_without_a_price_nobody_enters_and_nobody_is_stolen_from() -> None:
    """An unknown distance is no reason to cancel; NaN and 0 are no prices."""
    made = allocator(50, buy("victim", "A", 50), buy("thief", "B", 50))
    assert kinds(tick(made, 0, A=101.0)) == [("Enter", "victim"), ("no_price", "thief")]
    assert kinds(tick(made, 1, A=math.nan, B=100.0)) == [("capacity", "thief")]
    assert kinds(tick(made, 2, A=101.0)) == [("Steal", "thief<victim")]


def test_a_block_is_told_when_its_reason_changes_and_not_at_every_tick() -> None:
    """An hour of the same answer is one line of the account."""
    made = allocator(50, buy("a", "A", 50))
    assert kinds(tick(made, 0, A=102.0)) == [("tolerance", "a")]
    assert tick(made, 1, A=103.0) == []
    assert kinds(tick(made, 2, A=math.nan)) == [("no_price", "a")]


def test_a_strategy_takes_its_order_back_wherever_it_stands() -> None:
    """Waiting orders end at once; those at the venue with the acknowledgement."""
    made = allocator(50, buy("rests", "A", 50), buy("waits", "B", 50))
    tick(made, 0, A=100.5, B=100.9)
    assert made.cancel(NS_PER_S, "waits") == []
    assert made.state("waits") is None
    assert kinds(made.cancel(NS_PER_S, "rests")) == [("Cancel", "rests")]
    assert made.cancel(NS_PER_S, "rests") == []
    assert made.cash.reserved == 50
    assert made.on_cancelled(2 * NS_PER_S, "rests") == []
    assert (made.state("rests"), made.cash.free) == (None, 50)


def test_a_thief_taken_back_before_it_entered_frees_what_was_kept_for_it() -> None:
    """Its victim's cancel is acknowledged all the same, and the victim waits again."""
    made = allocator(60, buy("victim", "A", 50))
    tick(made, 0, A=101.0)
    made.submit(buy("thief", "B", 60))
    tick(made, 10, B=100.2)
    assert kinds(made.cancel(11 * NS_PER_S, "thief")) == [("cancelled", "thief")]
    assert made.cash.free == 10
    assert made.on_cancelled(12 * NS_PER_S, "victim") == []
    assert (made.cash.free, made.state("victim")) == (60, State.WAITING)


def test_bookkeeping_that_cannot_be_is_refused_and_changes_nothing() -> None:
    """Fills of unknown orders, or above what was reserved, mean that somebody's books are wrong."""
    made = allocator(50, buy("a", "A", 50))
    with pytest.raises(InvariantBroken, match="a filled, but it is not at the venue"):
        made.on_fill(0, "a", 1, final=False)
    tick(made, 0, A=100.5)
    with pytest.raises(InvariantBroken, match="spent 51 cents of 50"):
        made.on_fill(0, "a", 51, final=False)
    with pytest.raises(InvariantBroken, match="withdraw"):
        made.cash.withdraw(1)
    with pytest.raises(DataError, match="a: an open order has this id"):
        made.submit(buy("a", "A", 1))
    assert (made.cash.free, made.cash.reserved, made.cash.spent) == (0, 50, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("side", 2), ("limit_px", math.nan), ("limit_px", 0.0), ("capacity_cents", 0)],
)
def test_an_order_that_cannot_be_is_refused_by_field(field: str, value: float) -> None:
    """The message names order and field."""
    fields = {"side": BUY, "limit_px": 1.0, "capacity_cents": 1} | {field: value}
    with pytest.raises(DataError, match=f"o1: {field}"):
        RestingOrder("o1", "s", "A", MarketKind.CRYPTO, **fields)


def test_the_audit_counts_and_writes_every_steal_block_and_fight() -> None:
    """One row a victim with both distances; the success rate counts steals whose thief filled."""
    made = allocator(100, *(buy(name, name, 50) for name in "AB"))
    audit = Audit(made.settings)
    audit.record(tick(made, 0, A=100.8, B=101.0))
    made.submit(buy("thief", "C", 90))
    audit.record(tick(made, 10, C=100.5))
    for name in "BA":
        audit.record(made.on_cancelled(11 * NS_PER_S, name))
    assert audit.success_rate == 0.0
    audit.record(made.on_fill(12 * NS_PER_S, "thief", 80, final=True))
    audit.record(tick(made, 13))
    stolen = [row for row in audit.rows if row.event == "steal"]
    assert [(row.order.order_id, row.victim.order_id) for row in stolen] == [
        ("thief", "B"),
        ("thief", "A"),
    ]
    assert [row.victim_distance_pct for row in stolen] == pytest.approx([1.0, 0.8])
    assert (audit.entries, audit.steals, audit.victims, audit.success_rate) == (3, 1, 2, 1.0)
    assert (audit.blocks, audit.outcomes) == ({Reason.ENTRY_TOLERANCE: 2}, {Outcome.FILLED: 1})


def resolved(second: int, outcome: Outcome) -> Resolved:
    """The outcome of some steal."""
    return Resolved(second * NS_PER_S, buy("thief", "A", 1), outcome)


def test_an_alert_is_raised_once_when_few_steals_succeed_and_again_after_a_recovery() -> None:
    """Of the last four at least half shall fill; nothing is said before there are four."""
    audit = Audit(AllocationSettings(alert_window_steals=4, alert_success_rate=0.5))
    lost, won = Outcome.STOLEN, Outcome.FILLED
    outcomes = [lost, lost, lost, won, won, won, lost, lost, lost]
    raised = [
        bool(audit.record([resolved(second, outcome)])) for second, outcome in enumerate(outcomes)
    ]
    assert raised == [False, False, False, True, False, False, False, False, True]
    assert [alert.success_rate for alert in audit.alerts] == [0.25, 0.25]
    assert next(row.why for row in audit.rows if row.event == "alert") == (
        "25.0% of the last 4 steals filled, below 50.0%"
    )
