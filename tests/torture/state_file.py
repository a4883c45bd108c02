"""The engine's state file, read as it lies on the disk; and its last page torn.

It is copied before it is read, so that whoever has it open is not disturbed, and read by plain
SQL, since what is under test must not say what it wrote.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

#: A change of a cycle's state: from, and to; one that begins comes from nothing.
Step = tuple[str | None, str]
_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24


@dataclass(frozen=True, slots=True)
class KeptOrder:
    """An order in the state file; ``leg`` is ``None`` for one that brings something home."""

    client_id: str
    cycle: str
    leg: int | None
    status: str
    filled: Decimal
    funds: Decimal
    fee: Decimal


@dataclass(frozen=True, slots=True)
class KeptCycle:
    """A cycle in the state file; the legs of one ``together`` left all at once."""

    id: str
    state: str
    outcome: str | None
    start: str
    initial: Decimal
    changes: Mapping[str, Decimal]
    ended: bool
    together: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What a state file says; ``steps`` are all changes of state that its cycles made.

    ``logged`` are orders whose intents are in the log beside it.
    """

    cycles: Sequence[KeptCycle] = ()
    orders: Sequence[KeptOrder] = ()
    steps: frozenset[Step] = frozenset()
    logged: frozenset[str] = frozenset()

    @property
    def open(self) -> list[str]:
        """Ids of the cycles that have not ended."""
        return [cycle.id for cycle in self.cycles if not cycle.ended]


def find_state(home: Path) -> Path | None:
    """Find the state file of the only account of a home."""
    return next(iter((home / "state").glob("*.sqlite")), None)


def read_state(home: Path) -> Kept:
    """Read the state file; nothing if there is none yet."""
    file = find_state(home)
    if file is None:
        return Kept()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "state.sqlite"
        for _ in range(20):
            shutil.copyfile(file, copy)
            log = _log_of(file)
            if log.exists():
                shutil.copyfile(log, _log_of(copy))
            try:
                return replace(_read(copy), logged=_logged(file.with_suffix(".intents")))
            except sqlite3.DatabaseError:  # copied while it was written: once more
                _log_of(copy).unlink(missing_ok=True)
        return _read(copy)


def tear(home: Path) -> bool:
    """Cut the last frame of the write-ahead log in half; whether there was one.

    Frames behind the last with the header's salt are of an earlier round of the log.
    """
    file = find_state(home)
    log = None if file is None else _log_of(file)
    if log is None or not log.exists():
        return False
    content = log.read_bytes()
    if len(content) <= _HEADER_BYTES:
        return False
    page_bytes, salt = int.from_bytes(content[8:12], "big"), content[16:24]
    frame_bytes, at, last = _FRAME_HEADER_BYTES + page_bytes, _HEADER_BYTES, None
    while at + frame_bytes <= len(content) and content[at + 8 : at + 16] == salt:
        last, at = at, at + frame_bytes
    if last is None:
        return False
    with log.open("r+b") as torn:
        torn.truncate(last + frame_bytes // 2)
    return True


def _log_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _read(file: Path) -> Kept:
    with closing(sqlite3.connect(file)) as db:
        db.row_factory = sqlite3.Row
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'cycles'").fetchone():
            return Kept()
        cycles = [
            KeptCycle(
                id=row["id"],
                state=row["state"],
                outcome=row["outcome"],
                start=row["start_currency"],
                initial=Decimal(row["initial_amount"]),
                changes={of: Decimal(by) for of, by in json.loads(row["changes"]).items()},
                ended=row["ended_ns"] is not None,
                together=bool(json.loads(row["metadata"]).get("together")),
            )
            for row in db.execute("SELECT * FROM cycles ORDER BY started_ns")
        ]
        orders = [
            KeptOrder(
                client_id=row["client_id"],
                cycle=row["cycle"],
                leg=row["leg"],
                status=row["status"],
                filled=Decimal(row["filled"]),
                funds=Decimal(row["funds_filled"]),
                fee=Decimal(row["fee"]),
            )
            for row in db.execute("SELECT * FROM orders ORDER BY intended_ns")
        ]
        steps = db.execute("SELECT DISTINCT before, after FROM transitions").fetchall()
    passed = frozenset((row["before"], row["after"]) for row in steps)
    return Kept(cycles, orders, passed)


def _logged(log: Path) -> frozenset[str]:
    """Read whose intents are beside the file, where its engine died before it had them."""
    found, content, at = set(), log.read_bytes() if log.exists() else b"", 0
    while len(content) >= at + 8:
        length, checksum = struct.unpack_from("<II", content, at)
        record = content[at + 8 : at + 8 + length]
        if not length or zlib.crc32(record) != checksum:
            break
        found.add(json.loads(record)["order"]["client_id"])
        at += 8 + length
    return frozenset(found)
