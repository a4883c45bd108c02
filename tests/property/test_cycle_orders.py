"""What the components of cycles do in random markets keeps the rules they do not know of."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.backtest.brokers.books import BookBroker
from arb_pipelines.backtest.coordinator import BacktestCoordinator
from arb_pipelines.backtest.reference import book_events, cycle_desk, traded_of
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.events import Approved, Ended, Event, Order, OrderFill, currencies
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.reports import Report
from arb_pipelines.trading.validation import OrderValidator
from tests.fakes.backtest_worlds import World, random_world

worlds = st.integers(0, 2**32 - 1).map(random_world)


def _run(world: World, portfolio: Portfolio, events: list[Event | Report]) -> None:
    """Play a world; ``events`` hears all, each order before anything is set aside for it."""
    scenario, setting = world.scenario, world.scenario.setting
    traded = traded_of(scenario)
    # off-tick prices are these books' own: a limit never lies beyond the best price
    markets = {m.symbol: replace(m, price_increment=None) for m in world.markets}
    validator = OrderValidator(markets, portfolio.available)

    def hear(event: Event | Report) -> None:
        events.append(event)
        if isinstance(event, Order):
            assert validator(event) is None

    broker = BookBroker(
        traded.number,
        setting.terms,
        BookShelf(len(traded.number), world.depth),
        decision_ns=setting.decision_ns,
        leg_ns=setting.leg_ns,
    )
    desk = cycle_desk(traded, world.depth, portfolio, hear)
    coordinator = BacktestCoordinator(desk, broker, portfolio)
    coordinator.run(book_events(scenario.cycles.symbols, [world.books]))


def _portfolio(world: World) -> Portfolio:
    names, balances = world.scenario.cycles.currencies, world.scenario.balances.tolist()
    return Portfolio(dict(zip(names, balances, strict=True)))


@settings(max_examples=40, deadline=None)
@given(world=worlds)
def test_cycles_order_nothing_a_venue_would_refuse(world: World) -> None:
    """Increments, minimums, maximums and what is at hand: the validator finds nothing wrong."""
    events: list[Event | Report] = []
    _run(world, _portfolio(world), events)
    approved = [event.signal for event in events if isinstance(event, Approved)]
    ended = [event.approved.signal for event in events if isinstance(event, Ended)]
    assert sorted(map(repr, approved)) == sorted(map(repr, ended))  # each once, none forgotten


@settings(max_examples=40, deadline=None)
@given(world=worlds)
def test_money_of_a_day_is_conserved(world: World) -> None:
    """What is in hand at the end is what was there, less spent, plus received, to the last places.

    The oracle adds rational numbers; the portfolio's float64 may stray from it by a
    few units of the last place for each booking.
    """
    portfolio, events = _portfolio(world), list[Event | Report]()
    total = {currency: Fraction(amount) for currency, amount in portfolio.balances().items()}
    _run(world, portfolio, events)
    largest = {currency: abs(float(amount)) for currency, amount in total.items()}
    fills = [event for event in events if isinstance(event, OrderFill)]
    for fill in fills:
        given, got = currencies(fill)
        total[given] -= Fraction(fill.spent)
        total[got] += Fraction(fill.received)
        largest[given] = max(largest[given], fill.spent)
        largest[got] = max(largest[got], fill.received)
    for currency, amount in portfolio.balances().items():
        slack = Fraction(largest[currency]) * len(fills) * 4 / 2**52
        assert abs(Fraction(amount) - total[currency]) <= slack
