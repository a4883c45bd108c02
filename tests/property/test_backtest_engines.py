"""The two engines mean the same, and a market in which much happens shows it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.backtest.kernel import run_kernel
from arb_pipelines.backtest.records import LEG, LegStatus, Outcome, Records, TradeStatus
from arb_pipelines.backtest.reference import book_events, open_replay, run_reference
from arb_pipelines.backtest.scenario import Books
from arb_pipelines.trading.events import CycleSignal, Ended, Event
from arb_pipelines.trading.gate import REFUSALS, Refusal
from arb_pipelines.trading.parameters import FixedFraction, Kelly
from arb_pipelines.trading.reports import Report
from tests.fakes.backtest_worlds import World, random_world

worlds = st.integers(0, 2**32 - 1).map(random_world)


def _same(one: Outcome, other: Outcome) -> None:
    for name in ("trades", "legs", "signals", "refused"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.shape == b.shape, name
        differs = np.flatnonzero(a != b)
        assert a.tobytes() == b.tobytes(), f"{name} differ at {differs[:3]}"
    assert one.updates == other.updates


def _part(books: Books, rows: slice) -> Books:
    return Books(*(column[rows] for column in books))


@settings(max_examples=60, deadline=None)
@given(world=worlds)
def test_engines_agree_bit_for_bit(world: World) -> None:
    """Kernel and reference give the same bytes for every trade, leg and count."""
    scenario = world.scenario
    _same(
        run_kernel(scenario, [world.books]),
        run_reference(scenario, [world.books]),
    )


def test_much_happens_in_the_random_markets() -> None:
    """The markets of the equality test do bring every ending, every refusal and unwinding."""
    endings, fills, refused, unwound = (np.zeros(n, int) for n in (4, 3, len(Refusal), 2))
    for seed in range(150):
        world = random_world(seed)
        outcome = run_kernel(world.scenario, [world.books])
        endings += np.bincount(outcome.trades["status"], minlength=4)
        fills += np.bincount(outcome.legs["status"], minlength=3)
        unwound += np.bincount(outcome.legs["unwinds"], minlength=2)
        refused += outcome.refused.sum(axis=0)
    assert all(endings[status] > 20 for status in TradeStatus)
    assert all(fills[status] > 20 for status in LegStatus)
    never = (Refusal.NONE, Refusal.DEPTH)  # rates are of what is left: see the next test
    assert all(refused[reason] >= 10 for reason in Refusal if reason not in never)
    assert unwound.min() > 100


@settings(max_examples=40, deadline=None)
@given(world=worlds)
def test_no_signal_is_of_levels_that_we_took(world: World) -> None:
    """What the rates promise, the levels hold: only a signal that just pays finds no depth."""
    refused: list[Ended] = []

    def hear(event: Event | Report) -> None:
        if isinstance(event, Ended) and event.declined == REFUSALS[Refusal.DEPTH]:
            refused.append(event)

    scenario = world.scenario
    replay = open_replay(scenario, world.depth, hear)
    replay.run(book_events(scenario.cycles.symbols, [world.books]))
    threshold = 1.0 + scenario.setting.rules.min_profit
    for ended in refused:
        signal = ended.approved.signal
        assert isinstance(signal, CycleSignal)
        assert signal.product == pytest.approx(threshold, rel=1e-12)


@settings(max_examples=20, deadline=None)
@given(world=worlds, cuts=st.lists(st.integers(0, 400), max_size=4))
def test_a_day_in_parts_is_the_same_day(world: World, cuts: list[int]) -> None:
    """Where a day is cut into parts leaves no trace in the result."""
    scenario = world.scenario
    edges = [0, *sorted(cuts), len(world.books.ts_recv)]
    parts = [_part(world.books, slice(*pair)) for pair in pairwise(edges)]
    _same(run_kernel(scenario, parts), run_kernel(scenario, [world.books]))


@settings(max_examples=30, deadline=None)
@given(world=worlds, seed=st.integers(0, 2**32 - 1), share=st.floats(0.2, 0.9))
def test_no_decision_sees_a_later_book(world: World, seed: int, share: float) -> None:
    """Changing every book after a time changes no decision up to it, and no fill before it."""
    scenario = world.scenario
    cut = int(share * len(world.books.ts_recv))
    now = int(world.books.ts_recv[cut - 1])
    cut = int(np.searchsorted(world.books.ts_recv, now, side="right"))
    changed = Books(*(column.copy() for column in world.books))
    rng = np.random.default_rng(seed)
    for prices in (changed.bid_px, changed.ask_px):
        prices[cut:] *= rng.uniform(0.9, 1.1, (len(prices) - cut, 1))
    for sizes in (changed.bid_sz, changed.ask_sz):
        sizes[cut:] *= rng.uniform(0.1, 3.0, sizes[cut:].shape)
    before, after = (run_kernel(scenario, [books]) for books in (world.books, changed))
    _same_until(before.trades, after.trades, "ts_signal", now, "cycle", "committed", "predicted")
    _same_until(before.legs, after.legs, "ts_sent", now, "symbol", "order", "limit_px")
    _same_until(before.legs, after.legs, "ts_filled", now, *(LEG.names or ()))


def _same_until(one: Records, other: Records, time: str, now: int, *names: str) -> None:
    a, b = (rows[rows[time] <= now] for rows in (one, other))
    for name in names:
        assert a[name].tobytes() == b[name].tobytes(), name


@pytest.mark.parametrize("seed", range(3))
def test_records_grow_when_they_are_full(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day with more trades than there is room for gives the same as one with room."""
    world = random_world(seed, updates=1_500)
    scenario = world.scenario
    roomy = run_kernel(scenario, [world.books])
    from arb_pipelines.backtest import kernel, state

    monkeypatch.setattr(kernel, "new_state", lambda s, depth: state.new_state(s, depth, room=1))
    _same(run_kernel(scenario, [world.books]), roomy)


@settings(max_examples=40, deadline=None)
@given(world=worlds, window=st.integers(2, 6))
def test_engines_agree_on_what_kelly_commits(world: World, window: int) -> None:
    """Both remember the same returns, and take the same share of the balance from them."""
    kelly = Kelly(mode="kelly", cap=0.9, fallback=0.3, window=window, min_cycles=2)
    scenario = with_capital(world, kelly).scenario
    _same(run_kernel(scenario, [world.books]), run_reference(scenario, [world.books]))


def test_kelly_acts_in_the_random_markets() -> None:
    """Some cycles of the equality test commit by returns: more than the fallback, and less."""
    more = less = 0
    for seed in range(20):
        kelly = Kelly(mode="kelly", cap=0.9, fallback=0.3, window=4, min_cycles=2)
        world = with_capital(random_world(seed), kelly)
        fixed = FixedFraction(mode="fixed_fraction", fraction=0.3)
        one = run_kernel(world.scenario, [world.books]).trades
        other = run_kernel(with_capital(world, fixed).scenario, [world.books]).trades
        both = min(len(one), len(other))
        more += int((one["committed"][:both] > other["committed"][:both]).sum())
        less += len(one) < len(other)
    assert more > 20
    assert less > 3


def with_capital(world: World, capital: Kelly | FixedFraction) -> World:
    """Give a world whose strategy commits otherwise."""
    strategy = world.strategy.model_copy(update={"capital_allocation": capital})
    return replace(world, strategy=strategy)
