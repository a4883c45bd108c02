"""Room taken on the disk in time, to be given up when the disk is full."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Reserve:
    """A file that takes ``size`` bytes; where the file system promises none, there is none."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        with suppress(OSError):
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, size)
            finally:
                os.close(file)

    def give_up(self) -> bool:
        """Take the file away; whether it was there."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


@contextmanager
def reserved(path: Path, size: int) -> Iterator[Reserve]:
    """Keep a reserve within the block."""
    reserve = Reserve(path, size)
    try:
        yield reserve
    finally:
        reserve.give_up()
