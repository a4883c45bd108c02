"""The recorder format, as `arb record` and `arb generate` write it.

Streams: memory is bounded by a block of text and one batch, whatever the size
of the file. The format itself is in ``lake/recording`` and
``docs/recording-format.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.base import BOOK_ROWS, Batch, Gap, ReadOptions, Rejected
from arb_pipelines.lake.recording.format import BookGap, BookState, Header, SymbolList
from arb_pipelines.lake.recording.frames import CorruptError, Frames
from arb_pipelines.lake.recording.gaps import OpenGaps
from arb_pipelines.lake.recording.lines import read_line
from arb_pipelines.lake.recording.parse import parse_lines
from arb_pipelines.lake.recording.rows import (
    CODED_ROWS,
    encoded,
    rows_of_columns,
    rows_of_states,
)

_BLOCK_BYTES = 8 << 20
#: Longest line taken; a symbol list of 1,300 symbols has about 1 MB.
_LINE_BYTES_MAX = 64 << 20
#: Text of one batch at most, so that wide books do not make it large.
_BATCH_BYTES = 256 << 20


def read_recording(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Read a recording; rows are numbered by line, the header being line 0.

    What a killed writer flushed is read and the rest is one rejected row 'torn
    tail'; a line that is none of the format's is rejected as 'bad line'.

    Raises:
        DataError: empty file, no or another header, unknown version, damage in
            the middle.
    """
    reading = _Reading(path)
    for text in _blocks(reading):
        reading.take(text)
        if reading.rows >= options.batch_rows or reading.bytes >= _BATCH_BYTES:
            yield reading.batch()
    reading.end()
    yield reading.batch()


def read_header(path: Path) -> tuple[Header, SymbolList | None]:
    """Read a recording's header and the symbol list it carries, if it does.

    Looks at the first block of text only: a list stands right after the header.

    Raises:
        DataError: as ``read_recording``.
    """
    reading = _Reading(path)
    for text in _blocks(reading):
        first, *others = text.split(b"\n", 2)
        reading.expect_header(first)
        carried = read_line(others[0]) if others else None
        return reading.known_header, carried if isinstance(carried, SymbolList) else None
    reading.end()
    raise AssertionError("a recording without text is refused by end()")


class _Reading:
    """One pass over one file: where it is, and what waits for the next batch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 0
        self.torn = False
        self.rows = self.bytes = 0
        self._header: Header | None = None
        self._codes: dict[str, int] = {}
        self._pairs: dict[str, tuple[str, str]] = {}
        self._blocks: list[pa.Table] = []
        self._rejected: list[Rejected] = []
        self._gaps: list[Gap] = []
        self._open_gaps = OpenGaps()
        self._silent = 0

    @property
    def known_header(self) -> Header:
        assert self._header is not None
        return self._header

    def error(self, reason: str, line: int) -> DataError:
        return DataError(reason, source=str(self.path), row=line)

    def expect_header(self, line: bytes) -> None:
        try:
            header = read_line(line)
        except ValueError as error:
            raise self.error(str(error), 0) from None
        if not isinstance(header, Header):
            raise self.error("this is no recording: the first line is not its header", 0)
        self._meet(header, 0)

    def take(self, text: bytes) -> None:
        """Parse whole lines."""
        if self._header is None:
            self.expect_header(text[: text.index(b"\n")])
        columns = parse_lines(np.frombuffer(text, np.uint8))
        others = [
            self._other(int(line), text[start:end])
            for line, (start, end) in zip(
                columns.slow_line.tolist(), columns.slow.tolist(), strict=True
            )
        ]
        names = [text[start:end].decode() for start, end in columns.symbol_at.tolist()]
        table = rows_of_columns(columns, [self._code(name) for name in names], self.line)
        if states := [found for found in others if found is not None]:
            codes = [self._code(state.symbol) for _, state in states]
            table = pa.concat_tables([table, rows_of_states(states, codes)])
            table = table.take(pc.sort_indices(table["row"]))
        self._gaps += self._open_gaps.close(table, self._codes)
        self._blocks.append(table)
        self.rows += len(table)
        self.bytes += len(text)
        self.line += len(columns.line) + len(columns.slow_line)

    def end(self) -> None:
        """Judge how the file ended."""
        if self._header is None:
            raise self.error(
                "the file is torn before its first line" if self.torn else "the file is empty", 0
            )
        if self.torn:
            self._rejected.append(Rejected(self.line, "torn tail"))
        self._gaps += self._open_gaps.rest()

    def batch(self) -> Batch:
        """Hand over what has been parsed since the last batch."""
        pairs = [self._pairs.get(name, (None, None)) for name in self._codes]
        values: dict[str, list[str | None]] = {
            "symbol": list(self._codes),
            "base": [base for base, _ in pairs],
            "quote": [quote for _, quote in pairs],
        }
        table = pa.concat_tables(self._blocks) if self._blocks else CODED_ROWS.empty_table()
        columns = [
            encoded(table["symbol"], values[name]) if name in values else table[name]
            for name in BOOK_ROWS.names
        ]
        rows = pa.table(columns, schema=BOOK_ROWS)
        batch = Batch(rows, self._rejected, self._gaps, self._silent)
        self._blocks, self._rejected, self._gaps, self._silent = [], [], [], 0
        self.rows = self.bytes = 0
        return batch

    def _other(self, number: int, line: bytes) -> tuple[int, BookState] | None:
        """Take a line that the kernel left alone; give it back when it is a state."""
        number += self.line
        try:
            found = read_line(line)
        except ValueError as error:
            raise self.error(str(error), number) from None
        if isinstance(found, BookState):
            return number, found
        if found is None:
            self._rejected.append(Rejected(number, "bad line", detail=_shown(line)))
        else:
            self._silent += 1
            if isinstance(found, Header):
                self._meet(found, number)
            elif isinstance(found, BookGap):
                self._open_gaps.add(number, found)
        return None

    def _meet(self, header: Header, line: int) -> None:
        """Take a header's symbols; a recording that was continued has several headers."""
        if self._header is None:
            self._header = header
        elif header.venue != self._header.venue:
            raise self.error(
                f"the header of {header.venue!r} in a recording of {self._header.venue!r}", line
            )
        self._pairs.update(header.symbols)

    def _code(self, symbol: str) -> int:
        return self._codes.setdefault(symbol, len(self._codes))


def _blocks(reading: _Reading) -> Iterator[bytes]:
    """Cut the text into blocks of whole lines; note where and how it ended."""
    with reading.path.open("rb") as file:
        frames = Frames(file)
        waiting: list[bytes] = []
        size = 0
        try:
            for piece in frames.text():
                waiting.append(piece)
                size += len(piece)
                if size >= _BLOCK_BYTES and b"\n" in piece:
                    text = b"".join(waiting)
                    cut = text.rindex(b"\n") + 1
                    yield text[:cut]
                    waiting, size = [text[cut:]], len(text) - cut
                elif size > _LINE_BYTES_MAX:
                    raise reading.error("a line is longer than 64 MiB", _line_at(reading, waiting))
        except CorruptError as error:
            at = _line_at(reading, waiting)
            raise reading.error(f"damaged file: {error}", at) from None
        reading.torn = frames.torn
        text = b"".join(waiting)
        whole = text.rfind(b"\n") + 1
        if not frames.torn and whole < len(text):
            text, whole = text + b"\n", len(text) + 1
        if whole:
            yield text[:whole]


def _line_at(reading: _Reading, waiting: list[bytes]) -> int:
    """Number of the line that the text waiting to be parsed ends in."""
    return reading.line + sum(piece.count(b"\n") for piece in waiting)


def _shown(line: bytes) -> str:
    """The start of a bad line, fit to be stored."""
    text = line[:80].decode("utf-8", "backslashreplace")
    return text if len(line) <= 80 else text + "…"
