"""A killed session's journal: its last start counts, in pieces, and what is torn is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from arb_pipelines.errors import DataError
from arb_pipelines.execution.records import journal_replay
from arb_pipelines.execution.records.journal import JOURNAL, Journal
from arb_pipelines.execution.records.journal_replay import replayed
from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.execution.records.values import SessionHead
from tests.fakes.backtest_worlds import World, random_world
from tests.fakes.session_worlds import head_of, play


def start(folder: Path, world: World, head: SessionHead) -> SessionRecorder:
    """Trade a world's day with a journal in the folder; gives a recorder that heard it too."""
    recorder = SessionRecorder(head, wall_ns=lambda: head.ts_started)
    journal = Journal(folder, head.cycles, trouble=pytest.fail)
    journal.note("began", **head.facts())
    play(world, journal.hear, recorder.hear)
    journal.close()
    return recorder


def test_only_the_last_start_is_told_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier ones wrote their own; another universe's numbers do not mix with this one's."""
    monkeypatch.setattr(journal_replay, "_A_BATCH", 3)
    earlier, later = random_world(5), random_world(3)
    start(tmp_path, earlier, head_of(earlier))
    head = replace(head_of(later), ts_started=head_of(later).ts_started + 1)
    recorder = start(tmp_path, later, head)
    *batches, last = replayed(tmp_path, "killed")
    assert [len(batch.executions) for batch in batches] == [3] * len(batches)
    assert last.counts.executions == recorder.counts().executions
    assert {batch.state for batch in (*batches, last)} == {"lost"}
    assert last.head.facts() == head.facts()
    again = [record for batch in (*batches, last) for record in batch.executions]
    theirs = recorder.take().executions
    assert [one.report.profit for one in again] == [one.report.profit for one in theirs]
    assert [
        one.head.cycles.path(r.report.cycle) for one in (*batches, last) for r in one.executions
    ] == [head.cycles.path(record.report.cycle) for record in theirs]


def test_a_journal_without_a_start_tells_nothing(tmp_path: Path) -> None:
    """A session that was killed before it began, or never was."""
    assert list(replayed(tmp_path, "killed")) == []
    (tmp_path / JOURNAL).write_text('{"ts_ns":1,"event":"intent","client_id":"a"}\n')
    assert list(replayed(tmp_path, "killed")) == []


def test_a_journal_with_a_hole_says_so(tmp_path: Path) -> None:
    """An order that is not there cannot have a report; where it is read is told."""
    world = random_world(3)
    start(tmp_path, world, head_of(world))
    lines = (tmp_path / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_bytes(b"".join(ln for ln in lines if b'"event":"order"' not in ln))
    with pytest.raises(DataError, match=r"journal\.ndjson: cannot be told once more: KeyError"):
        list(replayed(tmp_path, "killed"))
