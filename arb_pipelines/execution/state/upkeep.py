"""What a person does with a state file: backup, restore, encryption, clean-up.

Backup and clean-up go on beside the engine that writes it; for the rest nobody may.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from pathlib import Path
from time import sleep

from pydantic import SecretStr

from arb_pipelines.clock import compact, now_ns
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.execution.locks import held
from arb_pipelines.execution.state.database import Database, check_whole, encrypting_driver

#: What one transaction of a clean-up takes away, of ended cycles and of seen balances; an engine
#: waits for it, so it is milliseconds of work.
_CYCLES_AT_ONCE, _BALANCES_AT_ONCE = 20, 1_000
#: Rest after one: SQLite has no queue, so who waits has to find the file free when it looks.
_REST_S = 0.01


def back_up(source: Database, to: Path) -> None:
    """Copy a state file as it is at one moment, while its engine goes on; encrypted as it is.

    Raises:
        ConfigError: ``to`` is there, or the key does not open the file.
        DataError: there is no such file, or it is damaged.
    """
    _check_new(to)
    _check_there(source)
    copy = Database(to.with_name(f"{to.name}.part"), source.key)
    copy.path.unlink(missing_ok=True)
    with closing(source.connect(read_only=True)) as reading, closing(copy.connect()) as writing:
        check_whole(reading, source)
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode = DELETE").fetchone()
        check_whole(writing, copy)
    _put(copy.path, to)


def restore(database: Database, backup: Path) -> Path | None:
    """Put a backup in a state file's place; give where what was there has been put, if it was.

    What happened since the backup is at the venue, and is asked for at the next start.

    Raises:
        ConfigError: an engine writes the file, or the key does not open the backup.
        DataError: the backup is not there, or damaged.
    """
    path, source = database.path, Database(backup, database.key)
    _check_there(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    with held(path.parent, path.name, "a restore"):
        with closing(source.connect(read_only=True)) as reading:
            check_whole(reading, source)
            copy = Database(path.with_name(f"{path.name}.part"), database.key)
            copy.path.unlink(missing_ok=True)
            with closing(copy.connect()) as writing:
                reading.backup(writing)
                writing.execute("DELETE FROM meta WHERE name = 'lease'")
        aside = _set_aside(path)
        _put(copy.path, path)
    return aside


def encrypt(path: Path, key: SecretStr) -> None:
    """Have a plain state file encrypted; ``key`` opens it from now on.

    Raises:
        ConfigError: an engine writes it, it is encrypted, or what encrypts is not installed.
        DataError: there is none, or it is damaged.
    """
    _convert(Database(path), Database(path.with_name(f"{path.name}.part"), key))


def decrypt(path: Path, key: SecretStr) -> None:
    """Have an encrypted state file plain again.

    Raises:
        ConfigError: an engine writes it, or the key does not open it.
        DataError: there is none, or it is damaged.
    """
    _convert(Database(path, key), Database(path.with_name(f"{path.name}.part")))


def clean_up(database: Database, before_ns: int, only: Collection[str] | None = None) -> int:
    """Delete cycles that ended before, with their orders, fills and transitions; count them.

    With ``only``, those among them. An engine that writes the file goes on. The last that was
    seen of each balance stays.

    Raises:
        ConfigError: the key does not open the file.
        DataError: there is no such file, or it cannot be written.
    """
    _check_there(database)
    with closing(database.connect()) as db:
        try:
            ended = db.execute(
                "SELECT id FROM cycles WHERE ended_ns < ? ORDER BY ended_ns", (before_ns,)
            ).fetchall()
            ids = [row["id"] for row in ended if only is None or row["id"] in only]
            for first in range(0, len(ids), _CYCLES_AT_ONCE):
                _delete(db, ids[first : first + _CYCLES_AT_ONCE])
                sleep(_REST_S)
            _thin_balances(db, before_ns)
        except db.DatabaseError as error:
            raise DataError(f"cannot be cleaned up: {error}", source=str(database.path)) from None
    return len(ids)


def _delete(db: sqlite3.Connection, cycles: Sequence[str]) -> None:
    """Delete a few in one transaction: their history goes with a clean-up alone, and after them."""
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO meta VALUES ('clean_up', ?)", (str(len(cycles)),))
    for cycle in cycles:
        db.execute("DELETE FROM cycles WHERE id = ?", (cycle,))
        db.execute("DELETE FROM transitions WHERE cycle = ?", (cycle,))
    db.execute("DELETE FROM meta WHERE name = 'clean_up'")
    db.execute("COMMIT")


def _thin_balances(db: sqlite3.Connection, before_ns: int) -> None:
    """Delete what was seen of balances before, but the last of each, a part at a time."""
    last = db.execute(
        "SELECT max(ts_ns) AS ts_ns, currency FROM balances_seen WHERE ts_ns < ? GROUP BY currency",
        (before_ns,),
    )
    kept = {(row["ts_ns"], row["currency"]) for row in last}
    reached = (-1, "")
    while part := db.execute(
        "SELECT ts_ns, currency FROM balances_seen WHERE ts_ns < ? AND (ts_ns, currency) > (?, ?) "
        "ORDER BY ts_ns, currency LIMIT ?",
        (before_ns, *reached, _BALANCES_AT_ONCE),
    ).fetchall():
        seen = [(row["ts_ns"], row["currency"]) for row in part]
        reached = seen[-1]
        if gone := [one for one in seen if one not in kept]:
            db.execute("BEGIN IMMEDIATE")
            db.executemany("DELETE FROM balances_seen WHERE ts_ns = ? AND currency = ?", gone)
            db.execute("COMMIT")
            sleep(_REST_S)


def _convert(source: Database, made: Database) -> None:
    """Write a file anew with another key, or none, and put it in its own place."""
    _check_there(source)
    encrypting_driver()
    # SQLCipher's own connection copies: one with an empty key is a plain file to it
    opener = source if source.key is not None else made
    other = made if source.key is not None else source
    with held(source.path.parent, source.path.name, "a conversion"):
        with closing(source.connect()) as whole:
            check_whole(whole, source)
            (version,) = whole.execute("PRAGMA user_version").fetchone()
            whole.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        made.path.unlink(missing_ok=True)
        with closing(opener.connect()) as db:
            other.attach(db, "other")
            names = ("other", "main") if source.key is not None else ("main", "other")
            db.execute("SELECT sqlcipher_export(?, ?)", names).fetchone()
            db.execute(f"PRAGMA {names[0]}.user_version = {version}")
        with closing(made.connect()) as db:
            check_whole(db, made)
        _put(made.path, source.path)


def _check_there(database: Database) -> None:
    if not database.path.is_file():
        raise DataError("is not there", source=str(database.path))


def _check_new(path: Path) -> None:
    if path.exists():
        raise ConfigError("is there already; name a file that is not", source=str(path))
    if not path.parent.is_dir():
        raise ConfigError("is no folder", source=str(path.parent))


def _set_aside(path: Path) -> Path | None:
    """Rename a file and its log, which belong together."""
    if not path.exists():
        return None
    aside = path.with_name(f"{path.stem}.{compact(now_ns())}.aside")
    for end in ("-wal", "-shm"):
        log = path.with_name(f"{path.name}{end}")
        if log.exists():
            log.rename(aside.with_name(f"{aside.name}{end}"))
    return path.rename(aside)


def _put(made: Path, to: Path) -> None:
    """Put a finished file in its place, on the disk for good."""
    for place in (made, None):
        file = os.open(place or to.parent, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
        if place is not None:
            made.replace(to)
