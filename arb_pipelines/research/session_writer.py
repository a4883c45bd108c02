"""Bringing a session's records to the lake, from a thread that has another process write them.

The session's loop never waits for the lake, nor for the work of writing (``lake_process``).
What could not be written is kept and tried again, in order, also after the session's end,
until who waits for it gives up; a lake that fails stops no session, and the journal has
everything.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import structlog

from arb_pipelines.execution.records.values import Batch

#: After the end, the longest pause between two attempts.
_AGAIN_S = 0.5
#: Batches that wait at most; while so many do, what happens stays in the records.
_MOST_WAITING = 100

_log = structlog.get_logger()


class SessionWriter:
    """Takes a batch each ``flush_s``, and writes what waits; ``written`` counts the batches.

    ``prepare`` comes before the first write, ``on_written`` after each; both, and ``write``,
    are called in the writer's thread. ``take`` is called by one thread at a time.
    """

    def __init__(
        self,
        take: Callable[[], Batch],
        write: Callable[[Batch], object],
        flush_s: float,
        *,
        prepare: Callable[[], object],
        on_written: Callable[[Batch], object],
    ) -> None:
        self._take, self._write, self._flush_s = take, write, flush_s
        self._prepare, self._on_written = prepare, on_written
        self._taking = threading.Lock()
        self._waiting: deque[Batch] = deque()
        self._prepared = False
        self._ending, self._given_up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="lake-writer", daemon=True)
        self.written = 0
        self.trouble: str | None = None

    @property
    def unwritten(self) -> int:
        """Batches that wait."""
        return len(self._waiting)

    @property
    def running(self) -> bool:
        """Whether it still writes."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> Batch:
        """Take the last batch and give it; it is ``running`` until all is written."""
        with self._taking:
            batch = self._take_one()
            self._ending.set()
        return batch

    def give_up(self) -> None:
        """Let an end that the lake keeps from coming be one: no attempt begins any more."""
        self._given_up.set()

    def _take_one(self) -> Batch:
        batch = self._take()
        self._waiting.append(batch)
        return batch

    def _run(self) -> None:
        self._attempt(self._make_ready)  # at once: opening a lake takes time
        while not self._ending.wait(self._flush_s):
            self._attempt(self._flush)
        self._attempt(self._write_waiting)
        while self._waiting and not self._given_up.wait(min(self._flush_s, _AGAIN_S)):
            self._attempt(self._write_waiting)

    def _flush(self) -> None:
        with self._taking:
            # An end has taken the last one; and what a lake that fails keeps waiting has a
            # bound: the next batch has what this one would have had.
            if not self._ending.is_set() and len(self._waiting) < _MOST_WAITING:
                self._take_one()
        self._write_waiting()

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the thread's edge: nothing may end it
            if self.trouble is None:
                _log.warning("session.lake_fails", error=str(error), kept=self.unwritten)
            self.trouble = str(error)
        else:
            self.trouble = None

    def _make_ready(self) -> None:
        if not self._prepared:
            self._prepare()
            self._prepared = True

    def _write_waiting(self) -> None:
        self._make_ready()
        while self._waiting:
            batch = self._waiting[0]
            self._write(batch)
            self._waiting.popleft()
            self.written += 1
            self._tell(batch)

    def _tell(self, batch: Batch) -> None:
        try:
            self._on_written(batch)
        except Exception as error:  # noqa: BLE001 - theirs, and no reason to write less
            _log.warning("session.flush_unheard", error=str(error))
