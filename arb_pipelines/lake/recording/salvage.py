"""Recordings that a dead recorder left unfinished: made whole, and given their name.

A recorder writes into ``NAME.part`` and holds a lock on it, so one that nobody holds is a
dead recorder's. Only what was flushed is kept, which is what the format promises.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.base import ReadOptions
from arb_pipelines.lake.readers.recording import read_recording
from arb_pipelines.lake.recording.frames import CorruptError, Frames

UNFINISHED = ".part"
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


def finish(part: Path) -> Path | None:
    """Give a whole recording its name; one without any state is removed instead.

    Raises:
        DataError: it is damaged, or its name is taken.
    """
    if not any(len(batch.rows) for batch in read_recording(part, ReadOptions())):
        part.unlink()
        return None
    path = part.with_name(part.name.removesuffix(UNFINISHED))
    if path.exists():
        raise DataError(f"cannot be called {path.name}: there is such a file", source=str(part))
    return part.rename(path)


def _salvage(part: Path) -> Salvaged | None:
    with _held(part) as file:
        if file is None:
            return None
        frames = Frames(file)
        try:
            for _ in frames.parts():
                pass
            if frames.whole_end == 0:
                if time.time() - part.stat().st_mtime < _YOUNG_S:
                    return None
                part.unlink()
                return Salvaged(part)
            cut = file.seek(0, 2) - frames.whole_end
            file.truncate(frames.whole_end)
            return Salvaged(part, finish(part), cut)
        except (CorruptError, DataError) as error:
            return Salvaged(part, error=str(error))


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
