"""KuCoin's books, kept: level-2 with snapshot and sequence, or tops as the venue sends them whole.

A connection that was lost loses every book with it, also the quiet ones that show no gap. A
symbol whose book the venue refuses, since it has been delisted, shows none any more; the
others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import numpy as np
import structlog

from arb_pipelines.clock import NS_PER_MS, steady_ns
from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.market.book import Ladder
from arb_pipelines.trading.events import Book, Floats
from arb_pipelines.venues.conflation import LatestWins
from arb_pipelines.venues.kucoin import rest
from arb_pipelines.venues.kucoin.codec import (
    BestOffer,
    DepthBook,
    Frame,
    FullBook,
    Level2Update,
    PriceSize,
    Reader,
)
from arb_pipelines.venues.kucoin.level2 import NOTHING, Level2Books
from arb_pipelines.venues.kucoin.listing import ask_trading
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.streams import SYMBOLS_A_CONNECTION, Stream, topics_of
from arb_pipelines.venues.retry import RECONNECT, Patience, retrying
from arb_pipelines.venues.tasks import worst_error

_UPDATE = Reader(Level2Update, "a level-2 update")
_FULL = Reader(FullBook, "a full book")
_DEPTH = Reader(DepthBook, "a book")
_BEST = Reader(BestOffer, "a best offer")
_SNAPSHOTS_AT_ONCE = 4
_PATIENCE = Patience()
_log = structlog.get_logger()


class Channel(StrEnum):
    """Which stream of books; a member's value is its topic."""

    LEVEL2 = "/market/level2"  # every change, as it happens: needs a key for the snapshots
    DEPTH50 = "/spotMarket/level2Depth50"  # every 100 ms
    DEPTH5 = "/spotMarket/level2Depth5"  # every 100 ms
    LEVEL1 = "/spotMarket/level1"  # every 10 ms


class BookFeed:
    """Books of ``symbols`` from one channel, the best ``depth`` levels of each (``MarketData``)."""

    def __init__(
        self,
        client: Rest,
        symbols: Sequence[str],
        *,
        channel: Channel = Channel.LEVEL2,
        depth: int = 20,
        patience: Patience = RECONNECT,
        wall_ns: Callable[[], int] = steady_ns,
    ) -> None:
        self._client, self._symbols, self._channel = client, tuple(symbols), channel
        self._depth, self._patience, self._wall_ns = depth, patience, wall_ns
        self.level2 = Level2Books(symbols)
        self._whole: dict[str, tuple[Ladder, Ladder]] = dict.fromkeys(symbols, (NOTHING, NOTHING))
        #: Symbol -> our time of receipt and the venue's time, ns.
        self._changes: LatestWins[str, tuple[int, int | None]] = LatestWins()
        self._lacking = asyncio.Event()
        #: Symbols whose books the venue refuses, each with its words.
        self.refused: dict[str, str] = {}

    @property
    def dropped(self) -> Mapping[str, int]:
        """States by symbol that were overtaken before anybody took them."""
        return self._changes.dropped

    async def run(self) -> None:
        """Keep the books until cancelled.

        Raises:
            Rejected: the venue refuses every book, or a topic of symbols that trade.
            Fatal: the keys do not do.
            ProtocolViolation: a message without sense.
        """
        size = SYMBOLS_A_CONNECTION
        groups = [self._symbols[at : at + size] for at in range(0, len(self._symbols), size)]
        with worst_error():
            async with asyncio.TaskGroup() as tasks:
                for group in groups:
                    tasks.create_task(self._follow(group))
                if self._channel is Channel.LEVEL2:
                    for _ in range(_SNAPSHOTS_AT_ONCE):
                        tasks.create_task(self._heal())

    async def changed(self) -> list[Book]:
        """Wait for change; give the newest book of each symbol that changed since the last call."""
        changes = await self._changes.take()
        return [self._book(symbol, *times) for symbol, times in changes.items()]

    async def _follow(self, group: Sequence[str]) -> None:
        """Keep a connection in service, without what the venue has taken out of trade."""
        while group:
            try:
                await self._stream(group).run()
            except Rejected as error:  # it does not tell for which of its symbols
                async for attempt in retrying(_PATIENCE):
                    with attempt:
                        trading = await ask_trading(self._client)
                gone = [symbol for symbol in group if symbol not in trading]
                if not gone:
                    raise
                for symbol in gone:
                    self._refuse(symbol, error)
                group = [symbol for symbol in group if symbol in trading]

    def _stream(self, group: Sequence[str]) -> Stream:
        on_message = {
            Channel.LEVEL2: self._on_update,
            Channel.LEVEL1: self._on_best,
        }.get(self._channel, self._on_depth)
        return Stream(
            self._client,
            list(topics_of(self._channel, group)),
            private=False,
            on_message=on_message,
            on_up=lambda: self._on_up(group),
            on_down=lambda: self._on_down(group),
            patience=self._patience,
            wall_ns=self._wall_ns,
        )

    def _on_up(self, group: Sequence[str]) -> None:
        if self._channel is Channel.LEVEL2:
            self.level2.want(group)
            self._lacking.set()

    def _on_down(self, group: Sequence[str]) -> None:
        self.level2.forget(group)
        now = self._wall_ns()
        for symbol in group:
            self._whole[symbol] = (NOTHING, NOTHING)
            self._changes.put(symbol, (now, None))

    def _on_update(self, frame: Frame, ts_recv: int) -> None:
        update = _UPDATE.read(frame.data)
        if self.level2.take(update.symbol, update.delta()):
            self._changes.put(update.symbol, (ts_recv, event_ns(update.time)))
        self._lacking.set()

    def _on_depth(self, frame: Frame, ts_recv: int) -> None:
        book = _DEPTH.read(frame.data)
        self._replace(frame, book.bids, book.asks, (ts_recv, event_ns(book.timestamp)))

    def _on_best(self, frame: Frame, ts_recv: int) -> None:
        best = _BEST.read(frame.data)
        self._replace(frame, *best.sides(), (ts_recv, event_ns(best.timestamp)))

    def _replace(
        self,
        frame: Frame,
        bids: list[PriceSize],
        asks: list[PriceSize],
        times: tuple[int, int | None],
    ) -> None:
        symbol = frame.topic.partition(":")[2]
        if symbol in self._whole:
            self._whole[symbol] = (ladder(bids), ladder(asks))
            self._changes.put(symbol, times)

    async def _heal(self) -> None:
        """Fetch snapshots for the books that lack one, for as long as there are such."""
        failures = 0
        while True:
            wanted = self.level2.next_lacking()
            if wanted is None:
                self._lacking.clear()
                await self._lacking.wait()
                continue
            symbol, epoch = wanted
            snapshot, pause_s = None, None
            try:
                answer = await self._client.call(rest.FULL_BOOK, query={"symbol": symbol})
                snapshot, failures = _FULL.read(answer).snapshot(), 0
            except Transient as error:
                failures += 1
                pause_s = self._patience.wait_s(failures, error.retry_after_s)
            except Rejected as error:
                self.level2.refuse(symbol, epoch)
                self._refuse(symbol, error)
                continue
            if self.level2.load(symbol, epoch, snapshot):
                self._changes.put(symbol, (self._wall_ns(), None))
                self.refused.pop(symbol, None)
            elif pause_s is None:
                pause_s = self._patience.wait_s(1, None)  # older than the messages: a moment later
            if pause_s is not None:
                await asyncio.sleep(pause_s)

    def _refuse(self, symbol: str, error: Rejected) -> None:
        """Go on without a symbol, unless it was the last."""
        if symbol not in self.refused:
            _log.error("kucoin.book_refused", symbol=symbol, reason=str(error))
        self.refused[symbol] = str(error)
        if len(self.refused) == len(self._symbols):
            raise error

    def _book(self, symbol: str, ts_recv: int, ts_event: int | None) -> Book:
        if self._channel is Channel.LEVEL2:
            bids, asks = self.level2.top(symbol, self._depth)
        else:
            bids, asks = self._whole[symbol]
        return whole_book(symbol, bids, asks, ts_recv, ts_event)


def whole_book(symbol: str, bids: Ladder, asks: Ladder, ts_recv: int, ts_event: int | None) -> Book:
    """Make a book of levels, best first; times in ns."""
    sides = (_floats(bids[0]), _floats(bids[1]), _floats(asks[0]), _floats(asks[1]))
    return Book(symbol, ts_recv, *sides, ts_event)


def event_ns(time_ms: int | None) -> int | None:
    """The venue's time of a message, where it tells it."""
    return None if time_ms is None else time_ms * NS_PER_MS


def ladder(levels: list[PriceSize]) -> Ladder:
    """Prices and sizes apart."""
    return [price for price, _ in levels], [size for _, size in levels]


def _floats(values: list[float]) -> Floats:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array
