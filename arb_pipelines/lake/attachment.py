"""How a lake is attached: extensions, connection strings, and errors without secrets in them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import duckdb

from arb_pipelines.errors import ArbError, ConfigError, DataError
from arb_pipelines.settings import Settings

_PASSWORD = re.compile(r"(password\s*=\s*)('[^']*'|[^\s'\"]+)", re.IGNORECASE)
_POSTGRES = re.compile(r"postgres:(?!//)\s*\S")
_URL_PASSWORD = re.compile(r"(://[^:/@\s]*:)\S*@")


def sql_text(text: str) -> str:
    """``text`` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def extension(name: str) -> Path:
    """Path of a signed DuckDB extension that came as a wheel; nothing is downloaded."""
    package = import_module(f"duckdb_extension_{name}")
    found = sorted(
        Path(package.__path__[0]).glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension")
    )
    if not found:
        raise ConfigError(
            f"extension {name} for DuckDB {duckdb.__version__} is not installed; run make again"
        )
    return found[0]


def catalog(settings: Settings) -> str:
    """DuckLake's connection string, secrets included: never log it."""
    if settings.lake_catalog is not None:
        given = settings.lake_catalog.get_secret_value()
        # DuckLake takes any other text for a file or a secret, and says it aloud in its errors
        if not _POSTGRES.match(given):
            raise ConfigError(
                "must be a Postgres connection string such as 'postgres:dbname=lake host=db "
                "user=arb' or 'postgres:postgresql://arb@db/lake'",
                source="ARB_LAKE_CATALOG",
            )
        return f"ducklake:{given}"
    return f"ducklake:sqlite:{settings.root / 'catalog.sqlite'}"


def data_folder(settings: Settings) -> str:
    """Folder or object store of a lake made here."""
    return settings.lake_data or str(settings.root / "lake")


def open_engine(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A DuckDB instance with the extensions for the settings' catalog, nothing attached."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.lake_memory,
        "temp_directory": str(settings.root / "spill"),
        # DuckDB hashes 70 MB of extensions to check their signatures, 0.3 s. pip has
        # checked these two files already; for any other the check is back in force.
        "allow_unsigned_extensions": True,
    }
    if settings.lake_threads:
        config["threads"] = settings.lake_threads
    database = duckdb.connect(config=config)
    scanner = "sqlite_scanner" if settings.lake_catalog is None else "postgres_scanner"
    for name in ("ducklake", scanner):
        database.execute(f"LOAD {sql_text(str(extension(name)))}")
    database.execute("SET allow_unsigned_extensions = false")
    return database


def attach(settings: Settings, database: duckdb.DuckDBPyConnection, *options: str) -> None:
    """Attach the lake as ``lake``; ``options`` are DuckLake's."""
    given = [*options]
    if settings.lake_catalog is None:
        # The folder may have been moved since the catalog wrote down its name.
        given += ["META_JOURNAL_MODE 'WAL'", "META_BUSY_TIMEOUT 10000"]
        given += [f"DATA_PATH {sql_text(data_folder(settings))}", "OVERRIDE_DATA_PATH true"]
    database.execute(
        f"ATTACH {sql_text(catalog(settings))} AS lake ({', '.join(dict.fromkeys(given))})"
    )


def attach_statements(settings: Settings) -> str:
    """The two statements with which any DuckDB client reads the lake; a password is masked."""
    where = ""
    if settings.lake_catalog is None:
        where = f"DATA_PATH {sql_text(data_folder(settings))}, OVERRIDE_DATA_PATH true, "
    attach = f"ATTACH {sql_text(_masked(catalog(settings)))} AS lake ({where}READ_ONLY)"
    return f"{attach};\nUSE lake;\n"


@contextlib.contextmanager
def own_errors() -> Iterator[None]:
    """Turn DuckDB's errors about the lake itself into ours, without secrets.

    An error in a query's own text passes as it is.
    """
    try:
        yield
    except duckdb.Error as error:
        text = _masked(str(error))
        if "No snapshot found" in text:
            raise DataError(
                f"{text.split(': ', 1)[-1]}; maintenance has expired it, or it never was",
                source="lake",
            ) from None
        if isinstance(error, duckdb.ConstraintException):
            raise DataError(text, source="lake") from None
        if _is_the_lakes(error) or text != str(error):
            raise ArbError(f"the lake failed: {_with_advice(error, text)}") from None
        raise


def _is_the_lakes(error: duckdb.Error) -> bool:
    """Whether the disk, the memory, the catalog or a data file failed, not a statement."""
    if isinstance(error, duckdb.InvalidInputException):
        return ".parquet" in str(error)  # a damaged file
    # what an extension reports about the catalog is of the base class
    return type(error) is duckdb.Error or isinstance(
        error, duckdb.IOException | duckdb.OutOfMemoryException
    )


def _with_advice(error: duckdb.Error, text: str) -> str:
    first = text.split("\n\n")[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return f"{first}; raise ARB_LAKE_MEMORY"
    if "not a database" in first or "malformed" in first:
        return (
            f"{first}; the catalog is damaged: restore catalog.sqlite in ARB_HOME from a copy, or "
            "set ARB_HOME to a new folder and ingest again"
        )
    return first


def _masked(text: str) -> str:
    """``text`` without the passwords of connection strings in it."""
    return _URL_PASSWORD.sub(r"\1***@", _PASSWORD.sub(r"\1***", text))
