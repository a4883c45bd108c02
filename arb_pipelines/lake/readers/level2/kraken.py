"""Kraken's books: snapshots in the stream, a checksum instead of numbers."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from arb_pipelines.clock import parse_epoch_seconds
from arb_pipelines.lake.readers.base import Gap, Rejected
from arb_pipelines.lake.readers.builder import BatchBuilder
from arb_pipelines.lake.readers.level2.messages import levels
from arb_pipelines.market.book import Book, Level


@dataclass(slots=True)
class _KrakenBook:
    """A book and, for the checksum, each level as the venue wrote it."""

    book: Book = field(default_factory=Book)
    live: bool = False
    bid_text: dict[float, str] = field(default_factory=dict)
    ask_text: dict[float, str] = field(default_factory=dict)
    open_gap: Gap | None = None

    def checksum(self) -> int:
        """CRC-32 of the ten best asks, then bids: price and size without point and leading zeros.

        Source: https://docs.kraken.com/api/docs/guides/spot-ws-book-v1
        """
        asks, bids = self.book.asks.top(10)[0], self.book.bids.top(10)[0]
        text = "".join([self.ask_text[p] for p in asks] + [self.bid_text[p] for p in bids])
        return zlib.crc32(text.encode())


class KrakenFeed:
    """Rebuilds Kraken's books (v1 ``book`` channel): snapshots in the stream, no numbers.

    ``[1360,{"as":[["0.0000229","13355.8","1618678123.481570"]],"bs":[…]},"book-1000","ADA/XBT"]``
    then ``[1360,{"a":[["0.0000230","0.0","1618678134.1"]]},{"b":[…],"c":"2583817756"},
    "book-1000","ADA/XBT"]``. ``c`` is a checksum of the ten best levels a side after the
    message: a wrong one is a gap, with the checksums as ``expected`` and ``got``, and the
    book is unusable until the next snapshot. A loss below the tenth level shows late or never.
    """

    def __init__(self, builder: BatchBuilder, depth: int) -> None:
        self._builder, self._depth = builder, depth
        self._books: dict[str, _KrakenBook] = {}

    def advance(self, ts_recv: int) -> None:
        """Nothing is due: snapshots come in the stream."""

    def take(self, row: int, ts_recv: int, message: bytes) -> None:
        """Take one message; what is not of the ``book`` channel is silent."""
        document = orjson.loads(message)
        if not isinstance(document, list) or not str(document[-2]).startswith("book"):
            self._builder.silent += 1
            return
        channel, symbol = str(document[-2]), str(document[-1])
        payload: dict[str, Any] = {}
        for part in document[1:-2]:
            payload |= part
        raw_bids = payload.get("bs") or payload.get("b") or []
        raw_asks = payload.get("as") or payload.get("a") or []
        bids, asks = levels(raw_bids), levels(raw_asks)
        times = [parse_epoch_seconds(entry[2]) for entry in (*raw_bids, *raw_asks)]
        kept = int(channel.partition("-")[2] or 10)
        expected = int(payload["c"]) if "c" in payload else None

        state = self._books.setdefault(symbol, _KrakenBook())
        if "as" in payload or "bs" in payload:
            state.book.replace((), ())
            state.bid_text.clear()
            state.ask_text.clear()
            state.live = True
        elif not state.live:
            reason = "checksum mismatch" if state.open_gap else "no snapshot"
            self._builder.rejected.append(Rejected(row, reason, symbol, None, ts_recv))
            return
        self._apply(state, bids, asks, raw_bids, raw_asks, kept)
        if expected is not None and (got := state.checksum()) != expected:
            state.live = False
            state.open_gap = Gap(symbol, ts_recv, expected, got)
            detail = f"expected {expected}, got {got}"
            self._builder.rejected.append(
                Rejected(row, "checksum mismatch", symbol, detail, ts_recv)
            )
            return
        if state.open_gap:
            self._builder.gaps.append(replace(state.open_gap, resynced_ts=ts_recv))
            state.open_gap = None
        book = state.book
        tops = book.bids.top(self._depth), book.asks.top(self._depth)
        self._builder.add(row, symbol, max(times, default=None), ts_recv, None, *tops)

    def finish(self) -> None:
        """Give up the gaps that no snapshot healed."""
        self._builder.gaps += [book.open_gap for book in self._books.values() if book.open_gap]

    @staticmethod
    def _apply(
        state: _KrakenBook,
        bids: list[Level],
        asks: list[Level],
        raw_bids: Sequence[Sequence[str]],
        raw_asks: Sequence[Sequence[str]],
        kept: int,
    ) -> None:
        state.book.apply(bids, asks)
        for parsed, raw, text in (
            (bids, raw_bids, state.bid_text),
            (asks, raw_asks, state.ask_text),
        ):
            for (price, _), entry in zip(parsed, raw, strict=True):
                text[price] = "".join(part.replace(".", "").lstrip("0") for part in entry[:2])
        state.book.bids.truncate(kept)
        state.book.asks.truncate(kept)
