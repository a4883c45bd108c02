"""Bringing the write-ahead log into the state file, by a thread beside the loop.

SQLite would do it within a commit, flushing the disk while an order waits. A thread with a
connection of its own does it instead, and the log begins anew when all of it is in the file.
Beginning anew costs the next commit a flush, so it is not done more often than it has to be.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import structlog

from arb_pipelines.errors import ArbError
from arb_pipelines.execution.state.database import Database

#: Once in so many commits, some 16 MiB of log.
_COMMITS = 1_000
#: What is written meanwhile is brought in by another try, which has less to do.
_TRIES = 4
#: With more pages than this in the log (64 MiB) a writer that never rests has to wait for once.
_MOST_PAGES = 16_384

_log = structlog.get_logger()


class Checkpoints:
    """Works within its ``with`` block; ``wrote`` counts a commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._commits = 0
        self._ring, self._stop = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="state-checkpoints", daemon=True)

    def __enter__(self) -> Checkpoints:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop = True
        self._ring.set()
        self._thread.join()

    def wrote(self) -> None:
        """Count a commit."""
        self._commits += 1
        if self._commits % _COMMITS == 0:
            self._ring.set()

    def _run(self) -> None:
        try:
            connection = self._database.connect()
        except ArbError as error:  # it is in order where the engine reads it, which it says
            _log.warning("state.no_checkpoints", error=str(error))
            return
        with closing(connection):
            while True:
                self._ring.wait()
                self._ring.clear()
                if self._stop:  # whoever closes the file last brings the rest into it
                    return
                try:
                    _bring_in(connection)
                except connection.OperationalError as error:  # a full disk: the log stays longer
                    _log.warning("state.checkpoint_failed", error=str(error))


def _bring_in(connection: sqlite3.Connection) -> None:
    """Bring the log into the file, all of it if the writer rests for a moment."""
    pages = -1
    for _ in range(_TRIES):
        before = pages
        _, pages, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages == before:
            return
    if pages > _MOST_PAGES:
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
