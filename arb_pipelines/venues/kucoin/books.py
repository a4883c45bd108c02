"""KuCoin's books, kept: level-2 with snapshot and sequence, or tops as the venue sends them whole.

``Level2Books`` is pure: it knows which books can be trusted and which lack a snapshot.
``BookFeed`` brings it messages and snapshots. A connection that was lost loses every book
with it, also the quiet ones that show no gap. A symbol whose book the venue refuses, since
it has been delisted, shows none any more; the others go on.

Source: https://www.kucoin.com/docs-new/3470221w0 (level-2 increments)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum

import numpy as np
import structlog

from arb_pipelines.clock import NS_PER_MS, steady_ns
from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.market.book import Delta, Ladder, SequencedBook, Snapshot, Taken
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
_NOTHING: Ladder = ([], [])
_log = structlog.get_logger()


class Channel(StrEnum):
    """Which stream of books; a member's value is its topic."""

    LEVEL2 = "/market/level2"  # every change, as it happens: needs a key for the snapshots
    DEPTH50 = "/spotMarket/level2Depth50"  # every 100 ms
    DEPTH5 = "/spotMarket/level2Depth5"  # every 100 ms
    LEVEL1 = "/spotMarket/level1"  # every 10 ms


class Level2Books:
    """The books of some symbols, and which of them lack a snapshot.

    ``take`` and ``load`` tell whether what a reader sees has changed; a book that
    broke has: it shows nothing until a snapshot heals it.
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        self._books = {symbol: SequencedBook() for symbol in symbols}
        self._epochs = dict.fromkeys(self._books, 0)
        self._lacking: dict[str, None] = {}
        self._asked: set[str] = set()
        self._refused: set[str] = set()

    def forget(self, symbols: Iterable[str]) -> None:
        """Trust none of these books any more: their messages may have been lost."""
        for symbol in symbols:
            self._books[symbol] = SequencedBook()
            self._epochs[symbol] += 1
            self._lacking.pop(symbol, None)
            self._refused.discard(symbol)

    def want(self, symbols: Iterable[str]) -> None:
        """Ask for a snapshot of these: their messages come from now on."""
        self._lacking.update(dict.fromkeys(symbols))

    def next_lacking(self) -> tuple[str, int] | None:
        """A symbol to fetch a snapshot for, and the epoch to load it with; ``None`` if all do."""
        for symbol in self._lacking:
            if symbol not in self._asked:
                del self._lacking[symbol]
                self._asked.add(symbol)
                return symbol, self._epochs[symbol]
        return None

    def take(self, symbol: str, delta: Delta) -> bool:
        """Take the next message of ``symbol``; one that was not asked for changes nothing."""
        book = self._books.get(symbol)
        if book is None:
            return False
        was_live = book.live
        taken, _ = book.push(delta)
        if not book.live and symbol not in self._asked and symbol not in self._refused:
            self._lacking[symbol] = None
        return taken is Taken.APPLIED or (was_live and not book.live)

    def load(self, symbol: str, epoch: int, snapshot: Snapshot | None) -> bool:
        """Take the snapshot fetched for ``symbol``, or ``None`` where that failed.

        One from before the connection was lost says nothing about the book of now.
        """
        self._asked.discard(symbol)
        book, current = self._books[symbol], epoch == self._epochs[symbol]
        if current and snapshot is not None:
            book.load(snapshot)
        if current and not book.live:
            self._lacking[symbol] = None
        return current and book.live

    def refuse(self, symbol: str, epoch: int) -> None:
        """Ask for no snapshot of ``symbol`` until its connection has been lost: there is none."""
        self._asked.discard(symbol)
        if epoch == self._epochs[symbol]:
            self._refused.add(symbol)

    def top(self, symbol: str, depth: int) -> tuple[Ladder, Ladder]:
        """Bids and asks, best first; none of a book that cannot be trusted."""
        sequenced = self._books[symbol]
        if not sequenced.live:
            return _NOTHING, _NOTHING
        return sequenced.book.bids.top(depth), sequenced.book.asks.top(depth)

    def sequence(self, symbol: str) -> int | None:
        """Number of the last change in the book; ``None`` if it cannot be trusted."""
        sequenced = self._books[symbol]
        return sequenced.sequence if sequenced.live else None


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
        self._whole: dict[str, tuple[Ladder, Ladder]] = dict.fromkeys(symbols, (_NOTHING, _NOTHING))
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
            self._whole[symbol] = (_NOTHING, _NOTHING)
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
