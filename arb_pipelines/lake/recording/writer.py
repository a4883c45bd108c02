"""Write a recording so that a kill at any moment leaves all that was flushed readable."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import orjson
import zstandard

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.recording.format import (
    BookGap,
    BookState,
    Header,
    SymbolList,
    decode_header,
    encode_gap,
    encode_header,
    encode_state,
    encode_symbol_list,
)
from arb_pipelines.lake.recording.frames import CorruptError, Frames


class RecordingWriter:
    """Append book states to one recording; a context manager.

    Each flush compresses what was buffered into one whole Zstandard frame with
    a checksum, so a reader sees every flush that reached the file and at worst
    one torn tail. A flush happens when ``flush_bytes`` of text are buffered,
    when ``flush_ns`` of receive time have passed (None: never), and when
    ``flush`` is called: a live recorder calls it on a timer too, since a quiet
    feed passes no time. With ``fsync`` a flush also survives a power cut.

    An existing recording of the same venue is continued: a torn tail is cut
    off, and a new header line tells the symbols of this session.

    Raises:
        ConfigError: another process is writing this file.
        DataError: the existing file is no recording, is damaged, or is of
            another venue.
    """

    def __init__(
        self,
        path: Path,
        header: Header,
        *,
        symbol_list: SymbolList | None = None,
        flush_bytes: int = 1 << 20,
        flush_ns: int | None = NS_PER_S,
        fsync: bool = True,
        level: int = 3,
    ) -> None:
        self.path = path
        self.states = self.gaps = 0
        self._flush_bytes, self._flush_ns, self._fsync = flush_bytes, flush_ns, fsync
        self._compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
        self._lines: list[bytes] = []
        self._buffered = 0
        self._first_ts: int | None = None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("a+b", buffering=0)
        try:
            _lock(self._file, path)
            self._append(encode_header(header))
            if symbol_list is not None:
                self._append(encode_symbol_list(symbol_list))
            opening = self._compressor.compress(self._take_buffer())
            self._resume(header.venue, len(opening))
            self._write_frame(opening)
            if fsync:
                _sync_folder(path.parent)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, state: BookState) -> None:
        """Buffer one state, and flush when it is time."""
        self._append(encode_state(state))
        self.states += 1
        self._flush_if_due(state.ts_recv)

    def write_gap(self, gap: BookGap) -> None:
        """Buffer the news that a book is not known any more."""
        self._append(encode_gap(gap))
        self.gaps += 1
        self._flush_if_due(gap.ts_recv)

    def write_lines(self, lines: Iterable[bytes]) -> None:
        """Append encoded states, each text one or more whole book lines ending in a newline."""
        for text in lines:
            self._append(text)
            self.states += text.count(b"\n")
            if self._buffered >= self._flush_bytes:
                self.flush()

    def flush(self) -> None:
        """Bring everything buffered into the file as one frame."""
        if self._lines:
            self._write_frame(self._compressor.compress(self._take_buffer()))

    def close(self) -> None:
        """Flush and close; closing twice is no error."""
        if not self._file.closed:
            try:
                self.flush()
            finally:
                self._file.close()

    def abandon(self) -> None:
        """Close without a flush, after a write that failed: what was flushed before stays."""
        self._lines = []
        self._file.close()

    def _flush_if_due(self, ts_recv: int) -> None:
        if self._first_ts is None:
            self._first_ts = ts_recv
        waited = ts_recv - self._first_ts
        due = self._flush_ns is not None and waited >= self._flush_ns
        if due or self._buffered >= self._flush_bytes:
            self.flush()

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._buffered += len(line)

    def _take_buffer(self) -> bytes:
        text = b"".join(self._lines)
        self._lines, self._buffered, self._first_ts = [], 0, None
        return text

    def _write_frame(self, frame: bytes) -> None:
        left = memoryview(frame)
        try:
            while left:
                left = left[self._file.write(left) :]
            if self._fsync:
                os.fsync(self._file.fileno())
        except OSError as error:  # which does not know the file's name
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def _resume(self, venue: str, opening_bytes: int) -> None:
        """Check what the file already holds and cut off a torn tail.

        A writer killed at its very start leaves less than its opening frame.
        More than that without one whole frame is somebody else's file, and is
        not cut off.
        """
        self._file.seek(0)
        frames = Frames(self._file)
        first: list[bytes] = []
        first_ended = False
        try:
            for part, ends_frame in frames.parts():
                if not first_ended:
                    first.append(part)
                    first_ended = ends_frame
            if first_ended:
                _expect_venue(b"".join(first), venue)
            elif self._file.tell() > opening_bytes:
                raise ValueError("it holds no whole frame")
        except (CorruptError, ValueError, zstandard.ZstdError) as error:
            reason = f"cannot be continued: {error}; choose another file"
            raise DataError(reason, source=str(self.path)) from None
        self._file.truncate(frames.whole_end)


def _expect_venue(frame: bytes, venue: str) -> None:
    """Refuse, by a ValueError, a first frame that is not that of a recording of ``venue``."""
    text = zstandard.ZstdDecompressor().decompressobj().decompress(frame)
    header = decode_header(orjson.loads(text.partition(b"\n")[0]))
    if header is None:
        raise ValueError("it is no recording")
    if header.venue != venue:
        raise ValueError(f"it is of venue {header.venue!r}, not {venue!r}")


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep a second writer out for as long as the file is open; readers are not affected."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            "another process is recording into this file; stop it or choose another file",
            source=str(path),
        ) from None


def _sync_folder(folder: Path) -> None:
    """Make the file's name itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
