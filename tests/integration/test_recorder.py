"""The recorder on a feed that does as it is told: gaps, ends, new days."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from arb_pipelines.clock import NS_PER_DAY, NS_PER_S, day_start_ns
from arb_pipelines.errors import Fatal, Transient
from arb_pipelines.lake.readers.base import Gap, ReadOptions
from arb_pipelines.lake.readers.recording import read_header, read_recording
from arb_pipelines.lake.recording.format import Header, SymbolList
from arb_pipelines.research.recording import Recorded, Recorder
from arb_pipelines.research.recording_sources import RecordedSource
from arb_pipelines.trading.events import Book

START = day_start_ns(date(2026, 1, 6)) - 30 * NS_PER_S
NAMES = {"BTC-USDT": "btcusdt", "ETH-USDT": "ethusdt"}
HEADER = Header("demo", {"btcusdt": ("BTC", "USDT"), "ethusdt": ("ETH", "USDT")})


def book(symbol: str, ts_recv: int, levels: int = 1) -> Book:
    """A book of so many levels a side."""
    prices = np.arange(1.0, levels + 1.0)
    return Book(symbol, ts_recv, 10.0 - prices, prices, 10.0 + prices, prices, ts_recv - 5)


class ScriptedFeed:
    """Shows what a test hands it, and ends as the test says."""

    def __init__(self) -> None:
        self.shown: asyncio.Queue[list[Book]] = asyncio.Queue()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.dropped: Mapping[str, int] = Counter({"BTC-USDT": 3})

    async def run(self) -> None:
        await self.over

    async def changed(self) -> list[Book]:
        return await self.shown.get()


class Recording:
    """A recorder of a scripted feed that runs, and the clock it goes by."""

    def __init__(self, landing: Path, numbers: Mapping[str, int | None] | None = None) -> None:
        self.feed, self.now, self.lists = ScriptedFeed(), START, 0
        self.refuse_lists = False
        known = numbers or {}
        source = RecordedSource(
            HEADER, self.feed, self.feed.run, NAMES, known.get, self._symbol_list
        )
        self.recorder = Recorder(source, landing, flush_s=0.01, wall_ns=lambda: self.now)
        self.stop = asyncio.Event()
        self._flushed: asyncio.Queue[Recorded] = asyncio.Queue()
        self.running = asyncio.create_task(self.recorder.run(self.stop, self._flushed.put_nowait))

    async def _symbol_list(self) -> SymbolList:
        if self.refuse_lists:
            raise Transient("no answer")
        self.lists += 1
        return SymbolList("kucoin", {"number": self.lists})

    async def on_disk(self, states: int) -> Recorded:
        """Wait until so many states are flushed."""
        while (recorded := await self._flushed.get()).states < states:
            pass
        return recorded

    async def end(self) -> Recorded:
        """Stop it."""
        self.stop.set()
        return await self.running


def read(path: Path) -> tuple[list[tuple[str, int, int | None]], list[Gap]]:
    """Symbol, time and number of each state, and the gaps."""
    batches = list(read_recording(path, ReadOptions()))
    rows = [row for batch in batches for row in batch.rows.to_pylist()]
    states = [(row["symbol"], row["ts_recv"], row["update_id"]) for row in rows]
    return states, [gap for batch in batches for gap in batch.gaps]


def test_a_book_that_nobody_knows_is_a_gap_once_it_was_known(tmp_path: Path) -> None:
    """Told once for as long as it lasts, and not of a book that has not come yet."""

    async def body() -> None:
        recording = Recording(tmp_path)
        show = recording.feed.shown.put_nowait
        show([book("BTC-USDT", START, 0), book("ETH-USDT", START + 1)])
        show([book("ETH-USDT", START + 2, 0)])
        show([book("ETH-USDT", START + 3, 0), book("BTC-USDT", START + 4, 2)])
        show([book("ETH-USDT", START + 5)])
        await recording.on_disk(3)
        told = await recording.end()
        (path,) = told.files
        states, gaps = read(path)
        assert states == [
            ("ethusdt", START + 1, None),
            ("btcusdt", START + 4, None),
            ("ethusdt", START + 5, None),
        ]
        assert gaps == [Gap("ethusdt", START + 2, 0, 0, START + 5)]
        assert (told.states, told.gaps, told.dropped) == (3, 1, 3)

    asyncio.run(body())


def test_a_numbered_book_may_be_empty(tmp_path: Path) -> None:
    """A venue that vouches for a book without offers has a market without offers."""

    async def body() -> None:
        recording = Recording(tmp_path, {"BTC-USDT": 7})
        recording.feed.shown.put_nowait([book("BTC-USDT", START, 0)])
        await recording.on_disk(1)
        (path,) = (await recording.end()).files
        assert read(path) == ([("btcusdt", START, 7)], [])

    asyncio.run(body())


def test_a_new_day_has_a_list_of_its_own(tmp_path: Path) -> None:
    """In the file, and beside it for the pipeline; else the earlier one holds."""

    async def body() -> None:
        recording = Recording(tmp_path)
        for day in range(3):
            recording.now = START + day * NS_PER_DAY
            recording.refuse_lists = day == 2
            recording.feed.shown.put_nowait([book("BTC-USDT", recording.now)])
            await recording.on_disk(day + 1)
        files = (await recording.end()).files
        lists = [read_header(path)[1] for path in files]
        assert [listed.document for listed in lists if listed] == [
            {"number": 1},
            {"number": 2},
            {"number": 2},
        ]
        landed = sorted(path.name for path in (tmp_path / "demo" / "symbols_kucoin").iterdir())
        assert landed == ["2026-01-05.json", "2026-01-06.json"]

    asyncio.run(body())


def test_what_came_before_the_venue_turned_us_away_is_kept(tmp_path: Path) -> None:
    """The error is told after the file is whole."""

    async def body() -> None:
        recording = Recording(tmp_path)
        recording.feed.shown.put_nowait([book("BTC-USDT", START)])
        await recording.on_disk(1)
        recording.feed.shown.put_nowait([book("BTC-USDT", START + 1)])
        while not recording.feed.shown.empty():
            await asyncio.sleep(0)
        recording.feed.over.set_exception(Fatal("keys"))
        with pytest.raises(Fatal, match="keys"):
            await recording.running
        (path,) = recording.recorder.so_far.files
        assert read(path)[0] == [("btcusdt", START, None), ("btcusdt", START + 1, None)]

    asyncio.run(body())
