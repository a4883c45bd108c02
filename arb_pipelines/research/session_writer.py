"""Bringing a session's records to the lake from a thread of its own.

The session's loop never waits for the lake. What could not be written is kept and tried
again, in order; a lake that fails stops no session, and the journal has everything.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import structlog

from arb_pipelines.execution.records import Batch

_log = structlog.get_logger()


class SessionWriter:
    """Takes a batch each ``flush_s``, and writes what waits; ``written`` counts the batches.

    ``take`` and ``write`` are called in its thread alone, ``on_written`` after each write. At
    the end it takes a last one, so stop it when nothing more happens.
    """

    def __init__(
        self,
        take: Callable[[], Batch],
        write: Callable[[Batch], object],
        flush_s: float,
        *,
        first: Callable[[], object] = lambda: None,
        on_written: Callable[[Batch], object] = lambda batch: None,
    ) -> None:
        self._take, self._write, self._flush_s = take, write, flush_s
        self._first, self._on_written = first, on_written
        self._waiting: deque[Batch] = deque()
        self._prepared = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lake-writer", daemon=True)
        self.written = 0
        self.trouble: str | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def finish(self, within_s: float) -> int:
        """Write what is left, for ``within_s`` at most; give how many batches were not written."""
        self._stop.set()
        self._thread.join(within_s)
        return len(self._waiting)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stop.wait(self._flush_s)
            self._waiting.append(self._take())
            self._write_waiting()

    def _write_waiting(self) -> None:
        try:
            if not self._prepared:
                self._first()
                self._prepared = True
            while self._waiting:
                batch = self._waiting[0]
                self._write(batch)
                self._waiting.popleft()
                self.written += 1
                self._on_written(batch)
        except Exception as error:  # noqa: BLE001 - the thread's edge: nothing may end it
            if self.trouble is None:
                _log.warning("session.lake_fails", error=str(error), kept=len(self._waiting))
            self.trouble = str(error)
        else:
            self.trouble = None
