"""Session against backtest: equal where they are, and where they are not with the reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.reference import book_events, open_replay, run_reference
from arb_pipelines.backtest.scenario import Books, Scenario
from arb_pipelines.market.graph import BUY
from arb_pipelines.research.agreement import Agreement, Difference, compare
from arb_pipelines.research.agreement_reasons import Why
from arb_pipelines.research.differing import Pair, What, compared, same_size
from arb_pipelines.research.replaying import replay
from arb_pipelines.research.told import OPEN, TRADED, Listener, OrderTold, Told
from arb_pipelines.trading.events import Book, Ending
from arb_pipelines.trading.orders import fill
from tests.fakes.backtest_worlds import World, market, random_world, strategy

MS = 1_000_000
T0 = 1_735_689_600_000 * MS


@dataclass(frozen=True)
class Sides:
    """A session and a backtest of the same books, equal until something is planted."""

    scenario: Scenario
    books: tuple[Book, ...]
    told: Told

    def against(self, session: Told) -> Agreement:
        """Compare a session with the backtest."""
        return compare(session, self.told, self.scenario, self.books)

    def with_order(self, signal: int, number: int, **changes: Any) -> Told:
        """Change an order of the session."""
        orders = list(self.told.signals[signal].orders)
        orders[number] = replace(orders[number], **changes)
        return self.with_signal(signal, orders=tuple(orders))

    def with_signal(self, number: int, **changes: Any) -> Told:
        """Change a signal of the session."""
        signals = list(self.told.signals)
        signals[number] = replace(signals[number], **changes)
        return replace(self.told, signals=tuple(signals))


def _told(world: World) -> tuple[tuple[Book, ...], Told]:
    scenario, listener = world.scenario, Listener()
    books = tuple(book_events(scenario.cycles.symbols, [world.books]))
    open_replay(scenario, world.depth, listener.hear).run(books)
    return books, listener.told()


SYMBOLS = ("BTC-USDT", "ETH-BTC", "ETH-USDT")
LEVELS = {"BTC-USDT": 50_000.0, "ETH-BTC": 0.05, "ETH-USDT": 2_600.0}
SIZES = {"BTC-USDT": 0.0006, "ETH-BTC": 0.01, "ETH-USDT": 0.0115}
WORSE = np.array([1.0, 1.01, 1.02])


@pytest.fixture(scope="module")
def sides() -> Sides:
    """A triangle that pays at each of seven books, 10 ms apart; deeper levels are 1 % worse."""
    traded = strategy(
        max_slippage_bps=500.0,
        capital_allocation={"mode": "fixed_amount", "amount": 100.0},
        latency={"decision_ms": 1, "leg_ms": 1},
    )
    mids = [LEVELS[SYMBOLS[i % 3]] * (1.0 + 1e-5 * i) for i in range(9)]
    sizes = [SIZES[SYMBOLS[i % 3]] for i in range(9)]
    books = Books(
        np.arange(9, dtype=np.int32) % 3,
        T0 + 10 * MS * np.arange(9),
        np.array([mid / WORSE for mid in mids]),
        np.array([np.full(3, size) for size in sizes]),
        np.array([1.0001 * mid * WORSE for mid in mids]),
        np.array([np.full(3, size) for size in sizes]),
    )
    world = World(traded, [market(symbol) for symbol in SYMBOLS], books)
    return Sides(world.scenario, *_told(world))


def _only(agreement: Agreement) -> Difference:
    (difference,) = agreement.differences
    return difference


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_backtest_taken_for_a_session_agrees_with_itself(seed: int) -> None:
    """Its delays, measured from what it told, give the same day again to the last bit."""
    world = random_world(seed, updates=150)
    books, told = _told(world)
    again, outcome = replay(world.scenario, books, told)
    assert compare(told, again, world.scenario, books).complete
    drawn: Outcome = run_reference(world.scenario, [world.books])
    assert outcome.trades.tobytes() == drawn.trades.tobytes()
    assert outcome.legs.tobytes() == drawn.legs.tobytes()


def test_equal_sides_are_counted_and_nothing_differs(sides: Sides) -> None:
    """Signals, decisions, orders and fills, as many on both sides."""
    found = sides.against(sides.told)
    assert found.complete
    assert found.first is None
    executions = [signal for signal in sides.told.signals if signal.decided == TRADED]
    assert len(executions) >= 3
    counts = found.counts
    assert counts[What.SIGNAL].equal == counts[What.DECISION].equal == len(sides.told.signals)
    assert counts[What.ORDER].equal == counts[What.FILL].equal == 3 * len(executions)


# -- one planted difference each ---------------------------------------------------------


def _fill_on(sides: Sides, order: OrderTold, at: int, limit: float = math.inf) -> dict[str, Any]:
    """Give what an order comes to on the whole book of ``at``, and how it ends."""
    book, terms = sides.books[at], sides.scenario.setting.terms
    symbol = sides.scenario.cycles.symbols.index(order.symbol)
    buys = order.side == BUY
    px, sz = (book.ask_px, book.ask_sz) if buys else (book.bid_px, book.bid_sz)
    limit = limit if buys else 0.0
    done = fill(terms, symbol, order.side, order.amount, limit, px, sz)
    amounts = {name: getattr(done, name) for name in ("size", "funds", "spent", "received")}
    return amounts | {"ending": Ending.CANCELLED if done.short else None}


def _book_first(sides: Sides) -> Told:
    """The first order of signal 1 meets the book that is received 28 ms after it ended."""
    order = sides.told.signals[1].orders[0]
    return sides.with_order(1, 0, **_fill_on(sides, order, at=6))


def _order_first(sides: Sides) -> Told:
    """It meets the book that it was sent by, and a newer one is received before its fill."""
    order = sides.told.signals[1].orders[0]
    times = {"ts_decided": T0 + 4 * MS, "ts_routed": T0 + 5 * MS}
    return sides.with_order(1, 0, **times, **_fill_on(sides, order, at=0))


def _refreshed(sides: Sides) -> Told:
    """Signal 1 finds the first level whole again, of which signal 0 had taken."""
    order = sides.told.signals[1].orders[2]
    return sides.with_order(1, 2, **_fill_on(sides, order, at=2))


def _refused(sides: Sides) -> Told:
    nothing = {"size": 0.0, "funds": 0.0, "spent": 0.0, "received": 0.0}
    ended = {"ending": Ending.REJECTED, "reason": "Balance insufficient!"}
    return sides.with_order(1, 2, **nothing, **ended)


def _by_size(sides: Sides) -> Told:
    order = sides.told.signals[0].orders[0]
    assert order.limit_px
    size = order.amount / order.limit_px
    return sides.with_order(0, 0, size=size, received=size, ending=Ending.CANCELLED)


def _fee(sides: Sides) -> Told:
    order = sides.told.signals[2].orders[0]
    return sides.with_order(2, 0, fee=0.05, spent=order.spent + 0.05)


def _unfinished(sides: Sides) -> Told:
    """The session ended while its last order was out."""
    last = sides.told.signals[-1]
    out = replace(last.orders[1], ts_ended=None, size=0.0, funds=0.0, spent=0.0, received=0.0)
    return sides.with_signal(len(sides.told.signals) - 1, orders=(last.orders[0], out))


def _without(sides: Sides, signal: int) -> Told:
    kept = [told for n, told in enumerate(sides.told.signals) if n != signal]
    return replace(sides.told, signals=tuple(kept))


def _conflated(sides: Sides) -> Told:
    """The session was given the book of 30 ms no more when it asked."""
    session = _without(sides, 1)
    given = tuple(book for book in session.books if book.ts_recv != T0 + 30 * MS)
    return replace(session, books=given)


def _waited(sides: Sides) -> Told:
    """The book of 30 ms was taken in after news of 34 ms."""
    books = [
        replace(book, ts_taken=book.ts_recv + 4 * MS) if book.ts_recv == T0 + 30 * MS else book
        for book in sides.told.books
    ]
    return replace(_without(sides, 1), books=tuple(books))


def _outside(sides: Sides) -> Told:
    extra = replace(sides.told.signals[1], ts=T0 + 33 * MS, decided="symbol", orders=())
    signals = (*sides.told.signals, extra)
    return replace(sides.told, signals=tuple(sorted(signals, key=lambda told: told.ts)))


Plant = Callable[[Sides], Told]


@pytest.mark.parametrize(
    ("plant", "what", "why"),
    [
        (_book_first, What.FILL, Why.BOOK_FIRST),
        (_order_first, What.FILL, Why.ORDER_FIRST),
        (_refreshed, What.FILL, Why.REFRESHED),
        (_refused, What.FILL, Why.REFUSED),
        (_by_size, What.FILL, Why.BY_SIZE),
        (_fee, What.FILL, Why.FEE),
        (_unfinished, What.FILL, Why.UNFINISHED),
        (_conflated, What.SIGNAL, Why.CONFLATED),
        (_waited, What.SIGNAL, Why.WAITED),
        (_outside, What.SIGNAL, Why.OUTSIDE),
        (lambda s: s.with_order(1, 0, size=9e-5, received=9e-5), What.FILL, Why.NO_SUCH_BOOK),
        (lambda s: s.with_signal(3, product=1.5), What.SIGNAL, Why.UNEXPLAINED),
        (lambda s: s.with_signal(3, decided=OPEN, orders=()), What.DECISION, Why.UNFINISHED),
        (lambda s: s.with_signal(3, decided="slots", orders=()), What.DECISION, Why.MOMENT),
        (lambda s: s.with_signal(3, decided="paused", orders=()), What.DECISION, Why.TOLD_SO),
        (lambda s: s.with_order(1, 0, amount=7.0), What.ORDER, Why.UNEXPLAINED),
    ],
)
def test_a_planted_difference_is_found_and_explained(
    sides: Sides, plant: Plant, what: What, why: Why
) -> None:
    """The one difference, of its kind, with its reason; all else still agrees."""
    found = sides.against(plant(sides))
    difference = _only(found)
    assert (difference.what, difference.why) == (what, why), str(difference)
    assert not found.complete
    assert found.counts[what].equal < found.counts[what].backtest + (why is Why.OUTSIDE)
    assert found.reasons() == {why: 1}


def test_a_difference_says_what_each_side_did(sides: Sides) -> None:
    """At which signal, which order, and the venue's word where it refused."""
    difference = _only(sides.against(_refused(sides)))
    assert (difference.signal, difference.order) == (1, 2)
    assert str(difference).startswith(
        f"signal 1 (cycle 0, {T0 + 30 * MS} ns), fill 2: session sell"
    )
    assert "Balance insufficient!" in difference.session
    assert difference.detail == "Balance insufficient!"


def test_a_limit_that_bound_one_side_is_the_reason(sides: Sides) -> None:
    """At market the session walked on where the backtest's order stopped at its limit."""
    order = sides.told.signals[0].orders[0]
    limit = {"limit_px": 50_010.0}
    backtest = sides.with_order(0, 0, **limit, **_fill_on(sides, order, at=0, limit=50_010.0))
    session = sides.with_order(0, 0, **limit, **_fill_on(sides, order, at=0))
    found = compare(session, backtest, sides.scenario, sides.books)
    assert _only(found).why is Why.LIMIT


def test_what_follows_from_a_difference_is_told_apart(sides: Sides) -> None:
    """After another fill the levels that are left differ, and so do later signals on them."""
    session = _fee(sides)
    signals = list(session.signals)
    signals[3] = replace(signals[3], product=1.5)
    first, second = sides.against(replace(session, signals=tuple(signals))).differences
    assert (first.why, second.why) == (Why.FEE, Why.FOLLOWS)
    assert (first.signal, second.signal) == (2, 3)


@pytest.mark.parametrize(
    ("one", "other", "step", "same"),
    [
        (1_579.34204001, 1_579.34204, 1e-8, False),  # a share of 6e-12, and a step
        (0.3, 0.1 + 0.2, 1e-8, True),
        (0.3, 0.1 + 0.2, 0.0, True),
        (1.0, 1.00000001, 0.0, False),
    ],
)
def test_sizes_are_compared_to_the_step(one: float, other: float, step: float, same: bool) -> None:
    """A venue's fill that differs by its last step is no noise, however large it is."""
    assert same_size(one, other, step) is same


@pytest.mark.parametrize(
    ("amount", "other", "same"),
    [
        (2_314.345987, 2_314.345988, True),  # a capital of 7,714 that parts by 1e-10 may do that
        (2_314.345987, 2_314.346187, False),
        (23.14, 23.140001, False),
    ],
)
def test_what_is_asked_for_is_compared_to_its_step_where_floats_tell_it(
    sides: Sides, amount: float, other: float, same: bool
) -> None:
    """A millionth of thousands is within the noise of the capital that it is a share of."""
    signal = sides.told.signals[1]
    asked = [
        replace(signal, orders=(replace(signal.orders[0], amount=one),)) for one in (amount, other)
    ]
    steps = {order.symbol: (1e-7, 1e-6) for order in signal.orders}
    things = {thing.what: thing.equal for thing in compared(Pair(1, *asked), steps)}
    assert things[What.ORDER] is things[What.FILL] is same
