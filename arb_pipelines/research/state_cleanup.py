"""Removing old cycles from the state files: those that have ended and are in the lake.

An engine that trades on the account goes on: a few cycles go at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import orjson

from arb_pipelines.clock import NS_PER_DAY
from arb_pipelines.errors import DataError
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.state_files import StateFile
from arb_pipelines.research.state_tables import ended_before

#: Cycles a transaction; an engine waits for it.
_AT_ONCE = 20
_NAMED = "(SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What would go from a state file: ids of cycles the lake has; ``stay`` are not in it."""

    file: StateFile
    go: Sequence[str]
    stay: Sequence[str]


def plan_cleanup(lake: Lake, files: Sequence[StateFile], days: float, now_ns: int) -> list[Cleanup]:
    """Find what may go: cycles that ended more than ``days`` ago, as the lake has them.

    Raises:
        DataError: a state file cannot be read.
    """
    before_ns = now_ns - int(days * NS_PER_DAY)
    return [Cleanup(file, *ended_before(lake, file, before_ns)) for file in files]


def carry_out(plan: Cleanup) -> int:
    """Remove what may go, with its orders and history; return how many cycles went.

    Raises:
        ConfigError: the key does not open the file.
        DataError: it cannot be written.
    """
    database = plan.file.database
    with closing(database.connect()) as connection:
        try:
            return sum(
                _remove(connection, plan.go[first : first + _AT_ONCE])
                for first in range(0, len(plan.go), _AT_ONCE)
            )
        except connection.DatabaseError as error:
            raise DataError(f"cannot be cleaned up: {error}", source=str(database.path)) from None


def _remove(connection: sqlite3.Connection, cycles: Sequence[str]) -> int:
    """Remove a few in one transaction; the history goes only with a clean-up, and its cycle."""
    ids = (orjson.dumps([*cycles]).decode(),)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO meta VALUES ('clean_up', 'by arb monitor')")
    ended = f"DELETE FROM cycles WHERE ended_ns IS NOT NULL AND id IN {_NAMED}"
    gone = connection.execute(ended, ids).rowcount
    connection.execute(f"DELETE FROM transitions WHERE cycle IN {_NAMED}", ids)
    connection.execute("DELETE FROM meta WHERE name = 'clean_up'")
    connection.execute("COMMIT")
    return gone
