"""Books kept whole by the numbers of their updates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from arb_pipelines.lake.readers.base import Gap, Rejected
from arb_pipelines.lake.readers.builder import BatchBuilder
from arb_pipelines.lake.readers.level2.messages import Update
from arb_pipelines.market.book import Break, Delta, SequencedBook, Snapshot, Taken


@dataclass(slots=True)
class _Stream:
    """What is known of one symbol. ``held`` runs beside the deltas its book holds."""

    sequenced: SequencedBook = field(default_factory=SequencedBook)
    started: bool = False
    held: list[tuple[int, int, int | None]] = field(default_factory=list)
    open_gaps: list[Gap] = field(default_factory=list)


class SequencedFeed:
    """Rebuilds books from numbered updates and REST snapshots, joined by time of receipt.

    An applied delta is one state. Deltas that a symbol's first snapshot covers
    are silent. After a gap nothing is a state until a snapshot heals the book;
    held deltas that follow the snapshot become states received when *it* was. By
    then all of them were known, so each shows the book after the last of them.
    """

    def __init__(
        self,
        builder: BatchBuilder,
        depth: int,
        parse: Callable[[bytes], Update | None],
        snapshots: Sequence[tuple[int, str, Snapshot]],
    ) -> None:
        self._builder, self._depth, self._parse = builder, depth, parse
        self._snapshots = sorted(snapshots, key=lambda entry: entry[0], reverse=True)
        self._coming = Counter(symbol for _, symbol, _ in snapshots)
        self._streams: dict[str, _Stream] = {}

    def advance(self, ts_recv: int) -> None:
        """Load the snapshots received up to ``ts_recv``."""
        while self._snapshots and self._snapshots[-1][0] <= ts_recv:
            self._load(*self._snapshots.pop())

    def take(self, row: int, ts_recv: int, message: bytes) -> None:
        """Take one message; what is no level-2 update is silent."""
        update = self._parse(message)
        if update is None:
            self._builder.silent += 1
            return
        symbol, delta = update.symbol, update.delta
        stream = self._streams.setdefault(symbol, _Stream())
        taken, broken = stream.sequenced.push(delta)
        if broken:
            self._open_gap(stream, symbol, ts_recv, broken)
        if taken is Taken.APPLIED:
            self._emit(stream, symbol, delta, row, update.ts_event, ts_recv)
        elif taken is Taken.COVERED:
            self._builder.silent += 1
        elif taken is Taken.REPEATED:
            numbers = f"{delta.first}..{delta.last}"
            self._builder.rejected.append(
                Rejected(row, "repeated sequence", symbol, numbers, ts_recv)
            )
        else:
            stream.held.append((row, ts_recv, update.ts_event))
            if not self._coming[symbol]:
                self._refuse_held(stream, symbol)
        if stream.sequenced.live:
            self._close_gaps(stream, ts_recv)

    def finish(self) -> None:
        """Load the snapshots received after the last message and give up the open gaps."""
        while self._snapshots:
            self._load(*self._snapshots.pop())
        for stream in self._streams.values():
            self._builder.gaps += stream.open_gaps

    def _load(self, ts_recv: int, symbol: str, snapshot: Snapshot) -> None:
        stream = self._streams.setdefault(symbol, _Stream())
        self._coming[symbol] -= 1
        done, broken = stream.sequenced.load(snapshot)
        for (delta, taken), (row, ts_delta, ts_event) in zip(done, stream.held, strict=False):
            if taken is Taken.APPLIED:
                self._emit(stream, symbol, delta, row, ts_event, max(ts_recv, ts_delta))
            elif stream.started:
                self._refuse(symbol, row, ts_delta, "sequence gap")
            else:
                self._builder.silent += 1
        del stream.held[: len(done)]
        stream.started = True
        if broken:
            self._open_gap(stream, symbol, stream.held[0][1], broken)
        if stream.sequenced.live:
            self._close_gaps(stream, ts_recv)
        elif not self._coming[symbol]:
            self._refuse_held(stream, symbol)

    def _emit(
        self,
        stream: _Stream,
        symbol: str,
        delta: Delta,
        row: int,
        ts_event: int | None,
        ts_recv: int,
    ) -> None:
        book = stream.sequenced.book
        bids, asks = book.bids.top(self._depth), book.asks.top(self._depth)
        self._builder.add(row, symbol, ts_event, ts_recv, delta.last, bids, asks)

    def _open_gap(self, stream: _Stream, symbol: str, ts_recv: int, broken: Break) -> None:
        stream.open_gaps.append(Gap(symbol, ts_recv, broken.expected, broken.got))

    def _close_gaps(self, stream: _Stream, ts_recv: int) -> None:
        if stream.open_gaps:
            self._builder.gaps += [replace(gap, resynced_ts=ts_recv) for gap in stream.open_gaps]
            stream.open_gaps = []

    def _refuse_held(self, stream: _Stream, symbol: str) -> None:
        stream.sequenced.forget_held()
        reason = "sequence gap" if stream.started else "no snapshot"
        for row, ts_recv, _ in stream.held:
            self._refuse(symbol, row, ts_recv, reason)
        stream.held = []

    def _refuse(self, symbol: str, row: int, ts_recv: int, reason: str) -> None:
        self._builder.rejected.append(Rejected(row, reason, symbol, None, ts_recv))
