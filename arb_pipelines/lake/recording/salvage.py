"""Recordings that a dead recorder left unfinished: made whole, and given their name.

A recorder writes into ``NAME.part`` and holds a lock on it, so one that nobody holds is a
dead recorder's. Only what was flushed is kept, which is what the format promises.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from arb_pipelines.errors import DataError
from arb_pipelines.lake.recording.frames import CorruptError, Frames

UNFINISHED = ".part"
_STATE = b'\n{"s":"'
#: An empty file may be one that its recorder is about to lock.
_YOUNG_S = 60.0


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A file that was left over: what it is called now, and how many torn bytes were cut off.

    ``path`` is ``None`` where it held no state and was removed; ``error`` tells why it was
    left as it is.
    """

    part: Path
    path: Path | None = None
    cut: int = 0
    error: str | None = None


def salvage(folder: Path) -> list[Salvaged]:
    """Finish what dead recorders left in ``folder``; files in use are left alone."""
    found = [_salvage(part) for part in sorted(folder.glob(f"*{UNFINISHED}"))]
    return [one for one in found if one is not None]


def _salvage(part: Path) -> Salvaged | None:
    with _held(part) as file:
        if file is None:
            return None
        try:
            return _finish(part, file)
        except (CorruptError, DataError) as error:
            return Salvaged(part, error=str(error))


def _finish(part: Path, file: BinaryIO) -> Salvaged | None:
    """Cut off what is torn and give the rest its name; without any state it is removed."""
    frames = Frames(file)
    for _ in frames.parts():
        pass
    if frames.whole_end == 0 and time.time() - part.stat().st_mtime < _YOUNG_S:
        return None
    cut = file.seek(0, os.SEEK_END) - frames.whole_end
    file.truncate(frames.whole_end)
    if not _has_states(file):
        part.unlink()
        return Salvaged(part, cut=cut)
    path = part.with_name(part.name.removesuffix(UNFINISHED))
    if path.exists():
        raise DataError(f"cannot be called {path.name}: there is such a file", source=str(part))
    return Salvaged(part, part.rename(path), cut)


def _has_states(file: BinaryIO) -> bool:
    """Whether a recording has a state, as our writer lays it out."""
    file.seek(0)
    text = b""
    for piece in Frames(file).text():
        text = text[-len(_STATE) :] + piece
        if _STATE in text:
            return True
    return False


@contextmanager
def _held(part: Path) -> Iterator[BinaryIO | None]:
    """Open a file that nobody writes, and keep others off it; ``None`` if somebody does."""
    try:
        file = part.open("r+b")
    except FileNotFoundError:  # another recorder has just finished it
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file if part.exists() else None
