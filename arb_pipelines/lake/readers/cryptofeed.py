"""Reader of raw wire recordings as cryptofeed writes them: KuCoin, Binance, Kraken level 2.

A row is one level-2 message. Everything else on the socket (acknowledgements,
tickers, trades, candles) is silent. See ``cryptofeed_files`` for the files and
``level2`` for how books are rebuilt from the messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from arb_pipelines.clock import parse_epoch_seconds
from arb_pipelines.lake.readers.base import Batch, ReadOptions, Rejected
from arb_pipelines.lake.readers.builder import BatchBuilder
from arb_pipelines.lake.readers.cryptofeed_files import (
    CONTROL,
    find_recording,
    lines,
    requests,
    venue_of,
)
from arb_pipelines.lake.readers.level2 import make_feed
from arb_pipelines.lake.readers.level2.messages import MALFORMED


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a socket. ``ts_recv`` is that of the line before where it has none."""

    row: int
    ts_recv: int
    body: bytes
    received: bool


def read_cryptofeed(path: Path, options: ReadOptions) -> Iterator[Batch]:
    """Rebuild the books of a recording, state by state.

    ``path`` is as in ``find_recording``. ``row`` is the line, counted from 0
    through the parts of the socket's file. States come in order of receipt: held
    updates that follow a snapshot come when the snapshot did.

    Raises:
        DataError: a file is missing, empty, cut off or of another kind.
    """
    recording = find_recording(path)
    builder = BatchBuilder(options.batch_rows)
    answers = (
        (str(file), row, request) for file in recording.answers for row, request in requests(file)
    )
    feed = make_feed(venue_of(recording), builder, options.depth, answers)
    for line in _socket_lines(recording.parts):
        feed.advance(line.ts_recv)
        if not line.received:
            _judge_other(line, builder)
            continue
        try:
            feed.take(line.row, line.ts_recv, line.body)
        except MALFORMED as error:
            detail = f"{type(error).__name__}: {error}"[:200]
            builder.rejected.append(Rejected(line.row, "bad line", None, detail, line.ts_recv))
        if builder.full:
            yield builder.take()
    feed.finish()
    yield builder.take()


def _judge_other(line: _Line, builder: BatchBuilder) -> None:
    if not line.body or any(mark in line.body for mark in CONTROL):
        builder.silent += 1
        return
    detail = line.body[:200].decode(errors="replace")
    builder.rejected.append(Rejected(line.row, "bad line", None, detail, line.ts_recv or None))


def _socket_lines(parts: tuple[Path, ...]) -> Iterator[_Line]:
    ts_recv = 0
    for row, text in enumerate(chain.from_iterable(map(lines, parts))):
        time, _, body = text.partition(b": ")
        try:
            ts_recv = parse_epoch_seconds(time.decode())
        except ValueError:
            yield _Line(row, ts_recv, text, received=False)
        else:
            yield _Line(row, ts_recv, body, received=True)
