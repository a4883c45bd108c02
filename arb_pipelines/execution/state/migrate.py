"""Bringing a state file to this version's form: the SQL files of ``migrations`` by number.

``PRAGMA user_version`` says how many were applied. A step that was released is never edited.
"""

from __future__ import annotations

import secrets
import sqlite3
from importlib.resources import files
from pathlib import Path

from arb_pipelines.errors import ConfigError


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Apply what is missing, each step whole or not at all.

    Raises:
        ConfigError: the file is of a later version, or is no state file.
    """
    steps = sorted(
        (step for step in files(__package__).joinpath("migrations").iterdir()
         if step.name.endswith(".sql")),
        key=lambda step: step.name,
    )  # fmt: skip
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    if done > len(steps):
        raise ConfigError(
            f"is of version {done}, and this release knows {len(steps)}; run the newer release",
            source=str(path),
        )
    if not done and connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone():
        raise ConfigError("is a database of something else, no state file", source=str(path))
    for number, step in enumerate(steps[done:], done + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{step.read_text()}\nPRAGMA user_version = {number};\nCOMMIT;"
        )
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('engine', ?)", (secrets.token_hex(3),))
