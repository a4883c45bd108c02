"""A file that only grows, in whole lines, until it is large enough to begin another."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

#: Writes bytes to a file descriptor, some of them at least; ``os.write``, or a test's disk.
Write = Callable[[int, bytes], int]


class RollingFile:
    """Appends lines to ``path``; beyond ``max_bytes`` they go on in a new file of that name.

    The full ones are kept beside it as ``<stem>.000001<suffix>`` and on. Any thread may
    append; each call's bytes stay together. Readable by its owner alone.
    """

    def __init__(self, path: Path, max_bytes: int, *, write: Write = os.write) -> None:
        self._path, self._max_bytes, self._write = path, max_bytes, write
        self._lock = threading.Lock()
        self._open()
        self._torn = self._size > 0 and not self._ends_whole()

    def append(self, lines: bytes) -> None:
        """Write whole lines through to the system, or nothing of them.

        Raises:
            OSError: the disk is full, or fails.
        """
        with self._lock:
            if self._size >= self._max_bytes:
                self._roll()
            left = b"\n" + lines if self._torn else lines
            before = self._size
            try:
                while left:
                    written = self._write(self._file, left)
                    self._size += written
                    left = left[written:]
            except OSError:
                self._take_back(before)
                raise
            self._torn = False

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            os.close(self._file)

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._file).st_size

    def _ends_whole(self) -> bool:
        """Whether whoever wrote last, perhaps before being killed, ended its line."""
        return os.pread(self._file, 1, self._size - 1) == b"\n"

    def _take_back(self, size: int) -> None:
        """Cut off the part of a line that found room; what cannot be cut off is ended later."""
        if self._size == size:
            return
        self._torn = True
        with suppress(OSError):
            os.ftruncate(self._file, size)
            self._size, self._torn = size, False

    def _roll(self) -> None:
        with suppress(OSError):  # without room for another the file grows on
            if self._path.exists():  # else it was renamed, and nothing could be opened then
                self._path.rename(_next_name(self._path))
            old = self._file
            self._open()
            os.close(old)


def rolled_files(path: Path) -> list[Path]:
    """Give the full files that were begun at ``path``, oldest first."""
    return sorted(path.parent.glob(f"{path.stem}.[0-9][0-9][0-9][0-9][0-9][0-9]{path.suffix}"))


def _next_name(path: Path) -> Path:
    numbers = [int(full.name.split(".")[-2]) for full in rolled_files(path)]
    return path.with_name(f"{path.stem}.{max(numbers, default=0) + 1:06d}{path.suffix}")
