"""The journal of one search: every trial that ended, on disk before anything is made of it.

A text file: one line of JSON a record, each behind its checksum, the first saying
which search it is, the last that it is over. A search that was interrupted, by
whatever, is continued from it. What a record means belongs to ``trials``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import filelock

from arb_pipelines.clock import iso, now_ns
from arb_pipelines.errors import ArbError, DataError

Record = dict[str, Any]
_OVER = {"over": True}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a journal holds; ``size`` is its length in bytes without a torn last line."""

    header: Record
    records: tuple[Record, ...]
    over: bool
    size: int


def read_journal(path: Path) -> Recorded | None:
    """Read a journal; None if there is none, or not even its first line is whole.

    A last line that was cut off by a crash is left out.

    Raises:
        DataError: a line before the last is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    records: list[Record] = []
    size = 0
    lines = content.splitlines(keepends=True)
    for row, line in enumerate(lines):
        record = _parse(line)
        if record is None:
            if row < len(lines) - 1:
                raise DataError(
                    "is damaged; --fresh begins the search anew", source=str(path), row=row
                )
            break
        records.append(record)
        size += len(line)
    if not records:
        return None
    header, *rest = records
    over = bool(rest) and rest[-1] == _OVER
    return Recorded(header, tuple(rest[:-1] if over else rest), over, size)


class Journal:
    """A journal open for appending."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._file = path, path.open("r+b")
        self._file.truncate(size)
        self._file.seek(size)

    @classmethod
    def begin(cls, path: Path, header: Mapping[str, Any]) -> Self:
        """Begin a new journal in place of any old one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        journal = cls(path, 0)
        journal.append([header])
        return journal

    @classmethod
    def resume(cls, path: Path, recorded: Recorded) -> Self:
        """Continue the journal that was read."""
        return cls(path, recorded.size)

    def append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Add records; they are on disk when this returns.

        Raises:
            ArbError: the disk is full, or fails; all that was added before is there.
        """
        try:
            self._file.write(b"".join(map(_line, records)))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):  # it would try to write the rest again
                self._file.close()
            raise ArbError(
                f"{self._path}: cannot be written: {error.strerror}; free some space, or set "
                "ARB_HOME to a larger disk"
            ) from None

    def finish(self) -> None:
        """Note that the search is over."""
        self.append([_OVER])

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@contextlib.contextmanager
def only_search(path: Path, name: str) -> Iterator[None]:
    """Hold the lock file of a search; ``name`` says which it is.

    The lock ends with its holder, also when that is killed.

    Raises:
        ArbError: another process, or this one, is at it; says which and since when.
    """
    holder = path.with_suffix(".holder")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ArbError(
            f"{name} is being searched already, by {_read(holder)}; wait for it or end it"
        ) from None
    try:
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()} since {iso(now_ns())}")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _read(holder: Path) -> str:
    try:
        return holder.read_text() or "another process"
    except OSError:  # it is just beginning or ending
        return "another process"


def _line(record: Mapping[str, Any]) -> bytes:
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _parse(line: bytes) -> Record | None:
    """Give the record of a line; None if it is torn or damaged."""
    checksum, space, text = line[:8], line[8:9], line[9:-1]
    if space != b" " or line[-1:] != b"\n" or checksum != b"%08x" % zlib.crc32(text):
        return None
    record: Record = json.loads(text)
    return record
