"""Opening a state file's database, plain or encrypted, and saying what is wrong with it.

The one place that knows of two drivers: ``sqlite3``, and ``sqlcipher3`` (the same interface,
pages encrypted by SQLCipher) where a key is set. Its errors are found on the connection
(``connection.DatabaseError``), so nobody else needs to know which it is.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from arb_pipelines.errors import ArbError, ConfigError, DataError

_PLAIN = b"SQLite format 3\x00"
#: Longest wait for a lock; writers hold theirs for about a millisecond.
_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Database:
    """A state file, and the key that opens it where it is encrypted."""

    path: Path
    key: SecretStr | None = None

    def connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        """Connect, and make the file if there is none and it is to be written.

        Rows are by name, transactions are begun by ``BEGIN``.

        Raises:
            ConfigError: key and file do not fit each other, or what encrypts is not installed.
            DataError: the file cannot be opened or read.
        """
        driver = self._driver()
        mode = "ro" if read_only else "rw"
        try:
            if not read_only and not self.path.exists():
                os.close(os.open(self.path, os.O_CREAT, 0o600))  # ours alone, like its log
            connection: sqlite3.Connection = driver.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=_PATIENCE_S,
                isolation_level=None,
                cached_statements=256,
            )
        except (driver.Error, OSError) as error:
            raise DataError(f"cannot be opened: {error}", source=str(self.path)) from None
        try:
            self._unlock(connection)
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except driver.DatabaseError as error:
            connection.close()
            raise self._explained(error) from None
        connection.row_factory = driver.Row
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    @property
    def size_bytes(self) -> int:
        """What the file and the log beside it take on the disk."""
        log = self.path.with_name(f"{self.path.name}-wal")
        return sum(part.stat().st_size for part in (self.path, log) if part.exists())

    def damaged(self, what: object) -> DataError:
        """Say that the file is damaged, and what to do."""
        return DataError(
            f"is damaged: {' '.join(str(what).split())}; restore its backup by `arb state restore`",
            source=str(self.path),
        )

    def attach(self, connection: sqlite3.Connection, name: str) -> None:
        """Attach the file to another one's connection, which SQLCipher has opened."""
        key = "" if self.key is None else self.key.get_secret_value()
        connection.execute(f"ATTACH DATABASE ? AS {name} KEY ?", (str(self.path), key))

    def _driver(self) -> Any:
        if self.key is None:
            return sqlite3
        return encrypting_driver()

    def _unlock(self, connection: sqlite3.Connection) -> None:
        if self.key is None:
            return
        connection.execute("PRAGMA cipher_log_level = NONE")  # what is wrong is told below
        quoted = self.key.get_secret_value().replace("'", "''")
        connection.execute(f"PRAGMA key = '{quoted}'")

    def _explained(self, error: Exception) -> ArbError:
        """Tell a wrong key from a damaged file.

        Looks into the file, which lets go of this process's locks on it: a file that does not
        open is not open in this process.
        """
        if "not a database" not in str(error):
            return self.damaged(error)
        with self.path.open("rb") as file:
            plain = file.read(len(_PLAIN)) == _PLAIN
        if self.key is None:
            if plain:
                return self.damaged(error)
            reason = "is encrypted, or no state file; set ARB_STATE_KEY to its key"
        elif plain:
            reason = (
                "is not encrypted, and ARB_STATE_KEY is set; encrypt it by `arb state encrypt`, or "
                "unset the key"
            )
        else:
            reason = "does not open with ARB_STATE_KEY; set the key that it was written with"
        return ConfigError(reason, source=str(self.path))


def encrypting_driver() -> Any:
    """Import what encrypts.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import sqlcipher3.dbapi2 as driver
    except ImportError:
        raise ConfigError(
            "encrypts the state by SQLCipher, which is not installed: "
            "pip install 'arb-pipelines[encryption]'",
            source="ARB_STATE_KEY",
        ) from None
    return driver


def check_whole(connection: sqlite3.Connection, database: Database) -> None:
    """Read every page once.

    Raises:
        DataError: the file is damaged.
    """
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except connection.DatabaseError as error:
        raise database.damaged(error) from None
    if found != "ok":
        raise database.damaged(found)
