"""What a session keeps is what happened: the backtest's own rows, and the portfolio's changes."""

from __future__ import annotations

import itertools
import tempfile
from collections import defaultdict
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from arb_pipelines.backtest.frames import leg_rows, trade_rows
from arb_pipelines.backtest.journal import Journal
from arb_pipelines.clock import day_start_ns
from arb_pipelines.execution.records.journal import Journal as SessionJournal
from arb_pipelines.execution.records.journal_replay import replayed
from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.lake.schemas import BACKTEST_LEGS, BACKTEST_TRADES
from arb_pipelines.research.session_tables import rows_of
from tests.fakes.backtest_worlds import DAY, World, random_world
from tests.fakes.session_worlds import head_of, joined, play, record

worlds = st.integers(0, 2**32 - 1).map(random_world)
#: A session's word for what a backtest calls otherwise.
STATUS = {"filled": "completed", "failed": "missed"}


@settings(max_examples=40, deadline=None)
@given(world=worlds)
def test_a_session_keeps_the_rows_that_a_backtest_keeps(world: World) -> None:
    """Of the same events both tables have the same figures, in the columns they share."""
    journal = Journal(world.scenario.cycles)
    recorder = record(world, journal.hear).recorder
    rows = rows_of(recorder.take())
    outcome, scenario = journal.outcome(), world.scenario
    for live, theirs, table in (
        ("live_executions", trade_rows(world.strategy, DAY, scenario, outcome), BACKTEST_TRADES),
        ("live_legs", leg_rows(world.strategy, DAY, scenario, outcome), BACKTEST_LEGS),
    ):
        order = [name for name in ("trade_no", "leg_no") if name in table.names]
        ours = rows[live].sort(order).select(table.names)
        if live == "live_executions":
            ours = ours.with_columns(pl.col("status").replace(STATUS))
        assert_frame_equal(ours, theirs, check_exact=True)
    assert sum(recorder.counts().refused.values()) == outcome.refused.sum()
    assert recorder.counts().signals == outcome.signals.sum()


@settings(max_examples=40, deadline=None)
@given(world=worlds, every=st.integers(1, 50))
def test_rows_add_up_to_what_the_portfolio_changed_by(world: World, every: int) -> None:
    """However often it is taken: each execution once, and legs sum to the balances' changes."""
    recorder, batches, portfolio = record(world, every=every)
    batches.append(recorder.take())
    assert [batch.number for batch in batches] == list(range(len(batches)))
    executions = [record for batch in batches for record in batch.executions]
    numbers = [record.report.execution for record in executions]
    assert sorted(numbers) == list(range(len(numbers)))
    assert not any(batch.amended for batch in batches)
    change: defaultdict[str, Fraction] = defaultdict(Fraction)
    for leg in rows_of(joined(batches))["live_legs"].iter_rows(named=True):
        change[leg["from_currency"]] -= Fraction(leg["spent"])
        change[leg["to_currency"]] += Fraction(leg["received"])
    cycles = world.scenario.cycles
    begun = dict(zip(cycles.currencies, world.scenario.balances.tolist(), strict=True))
    for currency, amount in portfolio.balances().items():
        told = float(change[currency])
        scale = max(1.0, abs(begun.get(currency, 0.0)), abs(amount))
        assert amount - begun.get(currency, 0.0) == pytest.approx(told, abs=1e-9 * scale)
        assert float(recorder.booked().get(currency, 0)) == pytest.approx(told, abs=1e-9 * scale)
    assert recorder.in_flight == 0


@settings(max_examples=20, deadline=None)
@given(world=worlds)
def test_a_journal_alone_gives_the_same_rows(world: World) -> None:
    """Nothing of a session that was killed is lost but what nobody had heard yet."""
    clock = itertools.count(day_start_ns(DAY))
    head = head_of(world)
    with tempfile.TemporaryDirectory() as folder:
        journal = SessionJournal(
            Path(folder), head.cycles, trouble=pytest.fail, wall_ns=lambda: next(clock)
        )
        journal.note("began", **head.facts())
        recorder = SessionRecorder(head, wall_ns=lambda: next(clock))
        play(world, journal.hear, recorder.hear)
        journal.close()
        (again,) = replayed(Path(folder), "killed")
    assert again.state == "lost"
    assert again.counts.executions == recorder.counts().executions
    rows, rows_again = rows_of(recorder.take()), rows_of(again)
    for table in ("live_executions", "live_legs"):
        # the journal's clock is another than the recorder's
        ours, theirs = (each[table].drop("ts_decided", strict=False) for each in (rows, rows_again))
        assert_frame_equal(ours, theirs, check_exact=True)
