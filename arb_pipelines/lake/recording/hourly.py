"""Recordings as they land: a file an hour, whole when it appears under its name.

A file is ``VENUE-<time of its first line>-N.jsonl.zst``; while it is written it has
``.part`` after that, which nobody ingests. ``N`` keeps recorders apart that start in the
same second.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from arb_pipelines.clock import NS_PER_S, compact
from arb_pipelines.lake.recording.format import BookGap, BookState, Header, SymbolList
from arb_pipelines.lake.recording.salvage import UNFINISHED, salvage
from arb_pipelines.lake.recording.writer import RecordingWriter

_NS_PER_HOUR = 3600 * NS_PER_S


@dataclass(slots=True)
class HourlyFiles:
    """Writes lines into ``folder``; a new file begins with each hour of receipt, UTC.

    ``symbol_list`` goes into each file that is begun from then on. ``finished`` are the
    files that bear their name by now. Not safe in two threads at once.
    """

    folder: Path
    header: Header
    symbol_list: SymbolList | None = None
    finished: list[Path] = field(default_factory=list)
    states: int = 0
    gaps: int = 0
    _writer: RecordingWriter | None = None
    _hour: int = -1

    @property
    def writing(self) -> Path | None:
        """The file that is being written."""
        return self._writer.path if self._writer else None

    def put(self, lines: Sequence[BookState | BookGap]) -> None:
        """Write lines, in order of receipt, and bring them into the file.

        Raises:
            OSError: the disk takes no more; what was flushed before can be read.
        """
        try:
            for line in lines:
                self._write(line)
            if self._writer is not None:
                self._writer.flush()
        except OSError:
            self.give_up()
            raise

    def finish(self) -> None:
        """Give the file that is being written its name; one without any state is removed."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.flush()
            # Renamed while it is locked: another recorder would take it for a dead one's.
            if writer.states:
                name = writer.path.name.removesuffix(UNFINISHED)
                self.finished.append(writer.path.rename(writer.path.with_name(name)))
            else:
                writer.path.unlink()
        finally:
            writer.close()

    def give_up(self) -> None:
        """After an error: leave what was flushed as a whole file, and write nothing more."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.abandon()
            self.finished += [one.path for one in salvage(self.folder) if one.path is not None]

    def _write(self, line: BookState | BookGap) -> None:
        hour = line.ts_recv // _NS_PER_HOUR
        if self._writer is None or hour > self._hour:
            self.finish()
            self._writer, self._hour = self._begin(line.ts_recv), hour
        if isinstance(line, BookState):
            self._writer.write(line)
            self.states += 1
        else:
            self._writer.write_gap(line)
            self.gaps += 1

    def _begin(self, ts_ns: int) -> RecordingWriter:
        part = _reserve(self.folder, f"{self.header.venue}-{compact(ts_ns)}")
        try:
            return RecordingWriter(part, self.header, symbol_list=self.symbol_list, flush_ns=None)
        except OSError:
            part.unlink()
            raise


def _reserve(folder: Path, stem: str) -> Path:
    """Make an empty file that no other recorder takes."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        path = folder / f"{stem}-{number}.jsonl.zst"
        part = path.with_name(path.name + UNFINISHED)
        if path.exists():
            continue
        try:
            os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
        except FileExistsError:
            continue
        return part
    raise AssertionError("numbers do not end")
