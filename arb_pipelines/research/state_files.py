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

from arb_pipelines.errors import DataError
from arb_pipelines.settings import Settings

_NAME = re.compile(r"(?P<venue>.+)-(?P<account>[0-9a-f]{16})(?P<tested>-tested)?")
#: Longest wait for a lock of the file, which readers need only while it is opened or recovered.
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class StateFile:
    """One account's state; ``account`` is its fingerprint, which tells nothing of it.

    The orders of a ``tested`` one were only tested at the venue, never placed.
    """

    venue: str
    account: str
    path: Path
    tested: bool = False

    @property
    def name(self) -> str:
        """What people call it by: ``kucoin-0123456789abcdef``."""
        return self.path.stem


def state_files(settings: Settings, venue: str | None = None) -> list[StateFile]:
    """List the state files there are, of all venues or one, in order of their names."""
    found = []
    for path in sorted((settings.root / "state").glob("*.sqlite")):
        named = _NAME.fullmatch(path.stem)
        if named and venue in (None, named["venue"]):
            found.append(StateFile(named["venue"], named["account"], path, bool(named["tested"])))
    return found


@contextmanager
def reading_state(file: StateFile) -> Iterator[sqlite3.Connection]:
    """Open a state file to read one snapshot of it; the engine that writes it waits for nothing.

    Raises:
        DataError: it cannot be read.
    """
    try:
        connection = sqlite3.connect(
            f"{file.path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=_PATIENCE_S,
            isolation_level=None,
        )
    except sqlite3.Error as error:
        raise DataError(f"cannot be opened: {error}", source=str(file.path)) from None
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        yield connection
    except sqlite3.DatabaseError as error:
        raise DataError(f"cannot be read: {error}", source=str(file.path)) from None
    finally:
        connection.close()
