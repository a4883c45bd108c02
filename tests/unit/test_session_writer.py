"""Bringing records to a lake that fails, hangs and comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arb_pipelines.research.session_writer import SessionWriter

TIMEOUT_S = 20.0


@dataclass
class Lake:
    """Takes numbers; ``fails`` says which attempts raise."""

    fails: set[int] = field(default_factory=set)
    attempts: int = 0
    prepared: int = 0
    rows: list[int] = field(default_factory=list)

    def prepare(self) -> None:
        self._attempt()
        self.prepared += 1

    def write(self, batch: Any) -> None:
        self._attempt()
        self.rows.append(batch)

    def _attempt(self) -> None:
        self.attempts += 1
        if self.attempts in self.fails:
            raise OSError("the lake cannot be reached")


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def counting() -> Callable[[], Any]:
    """Give 0, 1, 2 and so on."""
    numbers = iter(range(1_000_000))
    return lambda: next(numbers)


def writer_of(lake: Lake, told: list[Any], flush_s: float = 0.001) -> SessionWriter:
    return SessionWriter(
        counting(), lake.write, flush_s, prepare=lake.prepare, on_written=told.append
    )


@settings(deadline=None, max_examples=25)
@given(st.sets(st.integers(1, 30)))
def test_whatever_fails_all_is_written_once_and_in_order(fails: set[int]) -> None:
    """Attempts that fail are made again, and the first things come first."""
    lake, told = Lake(fails), list[Any]()
    writer = writer_of(lake, told)
    writer.start()
    until(lambda: lake.attempts > 35 and writer.trouble is None)
    last = writer.end()
    until(lambda: not writer.running)
    assert lake.rows == list(range(last + 1))
    assert told == lake.rows
    assert lake.prepared == 1
    assert writer.written == len(lake.rows)
    assert writer.unwritten == 0


def test_what_a_lake_does_not_take_waits_and_is_counted() -> None:
    """Its trouble is told for as long as it lasts."""
    lake = Lake(set(range(1, 10_000)))
    writer = writer_of(lake, [])
    writer.start()
    until(lambda: writer.unwritten > 3)
    assert writer.trouble == "the lake cannot be reached"
    last = writer.end()
    attempts = lake.attempts
    until(lambda: lake.attempts > attempts + 3)  # the session has ended, its lake may yet return
    assert writer.running
    writer.give_up()
    until(lambda: not writer.running)
    assert writer.unwritten == last + 1
    assert writer.written == 0


def test_a_lake_that_returns_after_the_end_gets_everything() -> None:
    """An attempt that fails is not the last, as long as somebody waits."""
    lake = Lake(set(range(1, 12)))
    writer = writer_of(lake, [])
    writer.start()
    last = writer.end()
    until(lambda: not writer.running)
    assert lake.rows == list(range(last + 1))
    assert (writer.unwritten, writer.trouble) == (0, None)


def test_a_batch_that_cannot_be_taken_ends_no_writer() -> None:
    """Its trouble is told, and the next batches are written."""
    lake, calls = Lake(), counting()

    def take() -> Any:
        if (number := calls()) == 1:
            raise RuntimeError("changed size during iteration")
        return number

    writer = SessionWriter(
        take, lake.write, 0.001, prepare=lake.prepare, on_written=lambda batch: None
    )
    writer.start()
    until(lambda: len(lake.rows) > 3)
    writer.end()
    until(lambda: not writer.running)
    assert lake.rows == [0, *range(2, len(lake.rows) + 1)]


def test_a_lake_that_hangs_keeps_nobody_waiting() -> None:
    """The last batch is taken at once, and written when the lake returns."""
    release, lake = threading.Event(), Lake()

    def hang(batch: Any) -> None:
        assert release.wait(TIMEOUT_S)
        lake.write(batch)

    writer = SessionWriter(
        counting(), hang, 0.001, prepare=lake.prepare, on_written=lambda batch: None
    )
    writer.start()
    until(lambda: writer.unwritten == 1)
    assert writer.end() == 1
    assert writer.running
    assert writer.unwritten == 2
    release.set()
    until(lambda: not writer.running)
    assert lake.rows == [0, 1]


def test_a_lake_that_stays_away_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound nothing more is taken until it returns; the end is taken all the same."""
    monkeypatch.setattr("arb_pipelines.research.session_writer._MOST_WAITING", 3)
    lake, away, tries = Lake(), threading.Event(), counting()
    away.set()

    def fail(batch: Any) -> None:
        if away.is_set():
            tries()
            raise OSError("no lake")
        lake.write(batch)

    writer = SessionWriter(
        counting(), fail, 0.001, prepare=lake.prepare, on_written=lambda batch: None
    )
    writer.start()
    until(lambda: tries() > 20)
    assert writer.unwritten == 3
    assert writer.end() == 3
    away.clear()
    until(lambda: not writer.running)
    assert lake.rows == [0, 1, 2, 3]


def test_who_hears_of_writes_may_fail() -> None:
    """What was written stays written, once."""
    lake = Lake()

    def fail(batch: Any) -> None:
        raise ValueError("nobody is listening")

    writer = SessionWriter(counting(), lake.write, 0.001, prepare=lake.prepare, on_written=fail)
    writer.start()
    until(lambda: len(lake.rows) > 3)
    last = writer.end()
    until(lambda: not writer.running)
    assert lake.rows == list(range(last + 1))
    assert writer.trouble is None
