"""What is packed on its way to the lake's process is what is unpacked there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.research.record_packing import (
    packed_batch,
    packed_markets,
    packed_value,
    unpacked_batch,
    unpacked_markets,
    unpacked_value,
)
from arb_pipelines.research.session_tables import rows_of
from tests.fakes.backtest_worlds import World, random_world
from tests.fakes.session_worlds import head_of, joined, record

worlds = st.integers(0, 2**32 - 1).map(random_world)


@settings(max_examples=40, deadline=None)
@given(world=worlds, every=st.integers(1, 400))
def test_a_batch_is_the_same_on_the_other_side(world: World, every: int) -> None:
    """Each record of it, also those amended later, and so each row that is made of it."""
    recorder, batches, _ = record(world, every=every)
    recorder.end(SessionState.FAILED, "its venue is gone")
    batches.append(recorder.take())
    amending = [
        replace(batch, amended=tuple(leg for record in batch.executions for leg in record.legs))
        for batch in batches
    ]
    for sent in (batches, amending):
        got = [unpacked_batch(batch.head, packed_batch(batch)) for batch in sent]
        assert got == sent
        theirs = rows_of(joined(got))
        for table, rows in rows_of(joined(sent)).items():
            assert theirs[table].equals(rows), table


def test_numbers_of_numpy_are_numbers() -> None:
    """A report may have them where a kernel gave them."""
    world = random_world(3)
    batch = record(world).recorder.take()
    first = batch.executions[0]
    report = replace(
        first.report, cycle=np.int32(first.report.cycle), spent=np.float64(first.report.spent)
    )  # type: ignore[arg-type]
    theirs = replace(batch, executions=(replace(first, report=report), *batch.executions[1:]))
    assert unpacked_batch(batch.head, packed_batch(theirs)) == batch


@settings(max_examples=20, deadline=None)
@given(world=worlds)
def test_markets_and_heads_are_the_same_on_the_other_side(world: World) -> None:
    """Exact amounts keep their digits, a universe its cycles; one that is empty is one, too."""
    assert unpacked_markets(packed_markets(world.markets)) == tuple(world.markets)
    assert unpacked_markets(packed_markets(())) == ()
    head = head_of(world)
    for cycles in (head.cycles, replace(head.cycles, through=head.cycles.through[:0])):
        sent = replace(head, cycles=cycles)
        got = unpacked_value(packed_value(sent))
        assert got.facts() == sent.facts()
        for name in ("symbols", "currencies"):
            assert getattr(got.cycles, name) == getattr(cycles, name)
        for name in ("leg_symbol", "leg_side", "length", "start", "through_ptr", "through"):
            np.testing.assert_array_equal(getattr(got.cycles, name), getattr(cycles, name))
