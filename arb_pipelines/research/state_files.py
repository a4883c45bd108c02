"""The state files of an installation: which there are, and how they are read while one is written.

A state file belongs to the engine that trades on its account; here it is only looked at. What
is told of cycles is in ``state_reports``, what goes to the lake in ``state_tables``.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.state.database import Database
from arb_pipelines.execution.state.files import account_name, state_file
from arb_pipelines.execution.state.reader import reading
from arb_pipelines.settings import Settings

_NAME = re.compile(r"(?P<venue>.+)-(?P<account>[0-9a-f]{16})(?P<tested>-tested)?")


@dataclass(frozen=True, slots=True)
class StateFile:
    """One account's state; ``account`` is its fingerprint, which tells nothing of it.

    The orders of a ``tested`` one were only tested at the venue, never placed.
    """

    venue: str
    account: str
    database: Database
    tested: bool = False

    @property
    def name(self) -> str:
        """What people call it by: ``kucoin-0123456789abcdef``."""
        return self.database.path.stem


def account_state(settings: Settings, venue: str, account_id: str, *, tested: bool) -> StateFile:
    """Give the state file of an account, or that of its orders that are only tested."""
    path = state_file(settings.state, venue, account_id, tested=tested)
    return StateFile(venue, account_name(account_id), Database(path, settings.state_key), tested)


def named_state(settings: Settings, name: str) -> Path:
    """Give the path of the state file of a name, be it there or not.

    Raises:
        ConfigError: no state file can have that name.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name of a state file, as kucoin-6b86b273ff34fce1 is; `arb state list` "
            "says it where the account was traded",
            source="--of",
        )
    return settings.state / f"{name}.sqlite"


def state_files(settings: Settings, venue: str | None = None) -> list[StateFile]:
    """List the state files there are, of all venues or one, in order of their names."""
    found = []
    for path in sorted(settings.state.glob("*.sqlite")):
        named = _NAME.fullmatch(path.stem)
        if named and venue in (None, named["venue"]):
            database = Database(path, settings.state_key)
            found.append(
                StateFile(named["venue"], named["account"], database, bool(named["tested"]))
            )
    return found


def traded_venues(settings: Settings) -> list[str]:
    """Name the venues at which orders of an engine were placed, in order."""
    return sorted({file.venue for file in state_files(settings) if not file.tested})


@contextmanager
def reading_state(file: StateFile) -> Iterator[sqlite3.Connection]:
    """Open a state file for queries, all of one moment; the engine that writes waits for nothing.

    Raises:
        ConfigError: it is encrypted, and the key of the settings does not open it.
        DataError: it is not there, or cannot be read.
    """
    with reading(file.database) as connection:
        yield connection
