"""Recording a venue's books into the landing folder, until told to stop.

The feed is never held up by the disk: states wait in memory until the writer's thread
takes them, every second. Where the feed itself shows the newest state only, so does the
recording (docs/recording.md). Where books come from is in ``recording_sources``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson

from arb_pipelines.clock import day_of, now_ns
from arb_pipelines.errors import VenueError
from arb_pipelines.lake.recording.format import BookGap, BookState, Side, SymbolList
from arb_pipelines.lake.recording.hourly import HourlyFiles
from arb_pipelines.research.recording_sources import RecordedSource
from arb_pipelines.trading.events import Book, Floats
from arb_pipelines.venues.tasks import worst_error

#: What was received reaches the disk after so long, seconds.
_FLUSH_S = 1.0
#: States that wait for the disk at most; beyond them the feed conflates, and counts.
_MOST_WAITING = 50_000


@dataclass(frozen=True, slots=True)
class Recorded:
    """How far a recording is. ``dropped`` states were overtaken before they could be written."""

    venue: str
    symbols: int
    states: int
    gaps: int
    dropped: int
    files: tuple[Path, ...]
    writing: Path | None


class Recorder:
    """Writes the books of one source into hourly files."""

    def __init__(
        self,
        source: RecordedSource,
        landing: Path,
        *,
        flush_s: float = _FLUSH_S,
        wall_ns: Callable[[], int] = now_ns,
    ) -> None:
        self._source, self._landing = source, landing / source.header.venue
        self._flush_s, self._wall_ns = flush_s, wall_ns
        self._files = HourlyFiles(self._landing / "recording", source.header)
        self._lines: list[BookState | BookGap] = []
        self._last: dict[str, int | None] = {}
        self._in_gap: set[str] = set()
        self._full, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._listed: date | None = None
        self._on_flush: Callable[[Recorded], None] = lambda _: None
        self._disk = ThreadPoolExecutor(1, "recorder")

    @property
    def so_far(self) -> Recorded:
        """How far it is."""
        files = self._files
        return Recorded(
            self._source.header.venue,
            len(self._source.header.symbols),
            files.states,
            files.gaps,
            sum(self._source.feed.dropped.values()),
            tuple(files.finished),
            files.writing,
        )

    async def run(self, stop: asyncio.Event, on_flush: Callable[[Recorded], None]) -> Recorded:
        """Record until ``stop`` is set. ``on_flush`` is told after each write to the disk.

        Raises:
            Rejected, Fatal, ProtocolViolation: the venue's feed ended.
            OSError: the disk takes no more. What was flushed is a file of its own.
        """
        self._on_flush = on_flush
        try:
            try:
                with worst_error():
                    async with asyncio.TaskGroup() as tasks:
                        working = [
                            tasks.create_task(self._source.run()),
                            tasks.create_task(self._gather()),
                            tasks.create_task(self._write_on()),
                        ]
                        await stop.wait()
                        for task in working:
                            task.cancel()
            except VenueError:
                await self._end()
                raise
            await self._end()
        finally:
            self._disk.shutdown()
            self._files.give_up()
        return self.so_far

    async def _gather(self) -> None:
        while True:
            await self._room.wait()
            for book in await self._source.feed.changed():
                line = self._line(book)
                if line is not None:
                    self._lines.append(line)
            if len(self._lines) >= _MOST_WAITING:
                self._room.clear()
                self._full.set()

    def _line(self, book: Book) -> BookState | BookGap | None:
        """Put a book into the recording's words; a gap is told once."""
        symbol = self._source.names[book.symbol]
        update_id = self._source.update_id(book.symbol)
        if len(book.bid_px) or len(book.ask_px) or update_id is not None:
            self._in_gap.discard(symbol)
            self._last[symbol] = update_id
            bids, asks = _side(book.bid_px, book.bid_sz), _side(book.ask_px, book.ask_sz)
            return BookState(symbol, book.ts_recv, bids, asks, book.ts_event, update_id)
        if symbol in self._in_gap or symbol not in self._last:
            return None
        self._in_gap.add(symbol)
        return BookGap(symbol, book.ts_recv, self._last[symbol])

    async def _write_on(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._flush_s):
                    await self._full.wait()
            await self._store()

    async def _store(self) -> None:
        today = day_of(self._wall_ns())
        if self._listed != today:
            await self._list_symbols(today)
        lines, self._lines = self._lines, []
        self._full.clear()
        self._room.set()
        await self._on_disk(self._files.put, lines)
        self._on_flush(self.so_far)

    async def _end(self) -> None:
        await self._store()
        await self._on_disk(self._files.finish)

    async def _list_symbols(self, today: date) -> None:
        """Get the day's symbol list, for the files and beside them; else an earlier one holds."""
        self._listed = today
        try:
            listed = await self._source.symbol_list()
        except VenueError:
            return
        self._files.symbol_list = listed
        await self._on_disk(_land, listed, self._landing, today)

    async def _on_disk(self, work: Callable[..., None], *arguments: object) -> None:
        """Run one thing after the other beside the loop; what was begun is never given up."""
        loop = asyncio.get_running_loop()
        await asyncio.shield(loop.run_in_executor(self._disk, work, *arguments))


def _land(listed: SymbolList, landing: Path, day: date) -> None:
    """Put the day's symbol list where the pipeline looks for it, unless there is one."""
    folder = landing / f"symbols_{listed.shape}"
    path = folder / f"{day}.json"
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{day}.{id(listed)}.part"
    part.write_bytes(orjson.dumps(listed.document))
    part.replace(path)


def _side(prices: Floats, sizes: Floats) -> Side:
    return list(zip(prices.tolist(), sizes.tolist(), strict=True))
