"""Where words that only the environment may know can be read: a home's lake and files, and more.

Raw bytes are not enough: Parquet and what Dagster stores are compressed, and SQLite tears long
texts into pages. So whatever can be opened is read as its owner reads it, too.
"""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

import duckdb

from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings

#: A text, or a file's bytes, and the place where it is read.
Text = tuple[str, str | bytes]

_SQLITE = b"SQLite format 3\0"
_PARQUET = b"PAR1"
#: A word of fewer letters is found by chance, in pictures for one.
_LEAST_LETTERS = 8


def leaks(words: Mapping[str, str], home: Path, told: Iterable[Text] = ()) -> list[str]:
    """Name each place where one of ``words`` is read, such as ``key: table live_legs, error``.

    Looks at every column of the lake's tables and of its Parquet files, which still have the
    rows that were replaced, every file of ``home`` as it is, every value of its SQLite
    databases, and what was ``told`` elsewhere: ``(place, text)``. The words themselves are
    called by their names. Nobody may be writing in ``home``.
    """
    found = leaks_in(chain(told, _texts_of_files(home)), words)
    return sorted({*found, *_in_tables(words, home), *_in_parquet(words, home)})


def leaks_in(texts: Iterable[Text], words: Mapping[str, str]) -> list[str]:
    """Name each place among ``(place, text)`` where one of ``words`` is read."""
    for name, word in words.items():
        assert len(word) >= _LEAST_LETTERS, f"{name} is too short to look for"
    found = {
        f"{name}: {place}"
        for place, text in texts
        for name, word in words.items()
        if (word in text if isinstance(text, str) else word.encode() in text)
    }
    return sorted(found)


def _in_tables(words: Mapping[str, str], home: Path) -> Iterator[str]:
    if not (home / "catalog.sqlite").exists():
        return
    lake = Lake(load_settings(home=home), read_only=True)
    with lake.reading() as connection:
        tables = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake'"
        ).fetchall()
        for (table,) in tables:
            # to look into every column of a table that has no row takes as long as of others
            if connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone() is not None:
                yield from _in_columns(connection, f'"{table}"', f"table {table}", words)


def _in_parquet(words: Mapping[str, str], home: Path) -> Iterator[str]:
    with duckdb.connect() as connection:
        for file in _files(home):
            if file.read_bytes().startswith(_PARQUET):
                relation = f"read_parquet('{file}', hive_partitioning = false)"
                yield from _in_columns(connection, relation, f"file {_name(file, home)}", words)


def _in_columns(
    connection: duckdb.DuckDBPyConnection, relation: str, place: str, words: Mapping[str, str]
) -> Iterator[str]:
    """Look into every column as text; lists, structs and blobs are shown as DuckDB shows them."""
    columns = [row[0] for row in connection.execute(f"DESCRIBE FROM {relation}").fetchall()]
    places = [(name, word, column) for name, word in words.items() for column in columns]
    looks = ", ".join(
        f'coalesce(bool_or(contains(CAST("{column}" AS VARCHAR), ?)), false)'
        for _, _, column in places
    )
    hits = connection.execute(f"SELECT {looks} FROM {relation}", [word for _, word, _ in places])
    row = hits.fetchone()
    assert row is not None
    yield from (
        f"{name}: {place}, {column}"
        for (name, _, column), hit in zip(places, row, strict=True)
        if hit
    )


def _files(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


def _name(file: Path, home: Path) -> str:
    return str(file.relative_to(home))


def _texts_of_files(home: Path) -> Iterator[Text]:
    """Each file as it is and by its name, and each value of those that are databases."""
    for file in _files(home):
        content, place = file.read_bytes(), f"file {_name(file, home)}"
        yield f"{place}, its name", str(file)
        yield place, content
        if content.startswith(_SQLITE):
            yield from _values(file, place)


def _values(file: Path, place: str) -> Iterator[Text]:
    """Each value of a SQLite database; a blob that is compressed is yielded plain, too."""
    address = f"{file.as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=30)) as database:
        database.text_factory = bytes
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            rows = database.execute(f'SELECT * FROM "{table.decode()}"')
            names = [column[0] for column in rows.description]
            for row in rows:
                for name, value in zip(names, row, strict=True):
                    if not isinstance(value, bytes):
                        continue
                    at = f"{place}, {table.decode()}.{name}"
                    yield at, value
                    with contextlib.suppress(zlib.error):
                        yield at, zlib.decompress(value)
