"""Which reader reads which format.

A line a format: its name, where its reader is, what its files are called. A
reader's module is imported when the format is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.base import Reader

_READERS = "arb_pipelines.lake.readers"
_CSV = (".csv", ".csv.gz")


@dataclass(frozen=True, slots=True)
class Format:
    """A format of recorded books.

    ``reader`` is the ``module:function`` of its reader. ``suffixes`` are the
    names' ends for which a folder is searched; empty for all files. ``files``
    names, where one recording has several files, the function that gives them
    all for any of them, the one to read first; None where a file is a recording.
    ``belongs`` names the function that tells whether a file has books of a
    venue; None where a file does not tell.
    """

    reader: str
    suffixes: tuple[str, ...] = ()
    files: str | None = None
    belongs: str | None = None

    def load(self) -> Reader:
        """Import the reader."""
        reader: Reader = _load(self.reader)
        return reader

    def recording(self, path: Path) -> tuple[Path, ...]:
        """All files of the recording that ``path`` belongs to, the one to read first."""
        if self.files is None:
            return (path,)
        files: tuple[Path, ...] = _load(self.files)(path)
        return files

    def has_books_of(self, path: Path, venue: str) -> bool:
        """Whether ``path`` holds books of ``venue``, as far as the format can tell."""
        return self.belongs is None or bool(_load(self.belongs)(path, venue))


READERS: Mapping[str, Format] = {
    "depth5": Format(f"{_READERS}.parquet_books:read_depth", (".parquet",)),
    "l1": Format(f"{_READERS}.parquet_books:read_l1", (".parquet",)),
    "recording": Format(f"{_READERS}.recording:read_recording", (".jsonl.zst",)),
    "cryptofeed": Format(
        f"{_READERS}.cryptofeed:read_cryptofeed",
        files=f"{_READERS}.cryptofeed_files:recording_files",
        belongs=f"{_READERS}.cryptofeed_files:holds_books",
    ),
    "tardis": Format(f"{_READERS}.tardis:read_tardis", _CSV),
    "tardis_quotes": Format(f"{_READERS}.tardis:read_quotes", _CSV),
    "tardis_book_snapshot_5": Format(f"{_READERS}.tardis:read_book_snapshot_5", _CSV),
    "tardis_book_snapshot_25": Format(f"{_READERS}.tardis:read_book_snapshot_25", _CSV),
    "tardis_incremental_book_L2": Format(f"{_READERS}.tardis:read_incremental_book_l2", _CSV),
}


def format_named(name: str) -> Format:
    """Look up a format.

    Raises:
        DataError: there is none of that name; lists those there are.
    """
    try:
        return READERS[name]
    except KeyError:
        raise DataError(f"unknown format {name!r}; the formats are {', '.join(READERS)}") from None


def _load(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    loaded: Callable[..., Any] = getattr(import_module(module), function)
    return loaded
