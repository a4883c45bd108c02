"""Books of any exchange through ccxt: watched where its class has a stream, else polled.

How a book is kept whole is ccxt's business, exchange by exchange; not every class notices
a lost message. What it does notice, and any loss of the connection, shows the book empty
until it is back; so does a symbol that the exchange refuses, while the others go on. ccxt
hands out the newest state only, and does not count what it skips.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import structlog

from arb_pipelines.clock import NS_PER_MS, steady_ns
from arb_pipelines.errors import ProtocolViolation, Rejected, Transient
from arb_pipelines.market.book import Top
from arb_pipelines.trading.events import Book, Floats
from arb_pipelines.venues.ccxt_any.failures import asking
from arb_pipelines.venues.conflation import LatestWins
from arb_pipelines.venues.retry import RECONNECT, Patience
from arb_pipelines.venues.tasks import worst_error

_LONGEST_SILENCE_S = 300.0
#: So often in a row may the market have moved in a stream's silence: a subscription counts
#: only some time after it was asked for.
_MISSED = 2
#: What may tell the best prices of all symbols, by ccxt's name of the ability; the first it has.
_CALLS_FOR_TOPS = {"fetchBidsAsks": "fetch_bids_asks", "fetchTickers": "fetch_tickers"}
_log = structlog.get_logger()


class CcxtFeed:
    """Books of ``symbols``, by our name and ccxt's, the best ``depth`` levels (``MarketData``).

    An exchange without a stream is asked every ``poll_s``, symbol by symbol. One with a
    stream is asked at the start, and when the stream is silent for ``quiet_s``, and then
    twice as long each time: ccxt does not tell when a subscription began to count.
    """

    def __init__(
        self,
        client: Any,
        symbols: Mapping[str, str],
        *,
        depth: int = 20,
        poll_s: float = 1.0,
        quiet_s: float = 10.0,
        patience: Patience = RECONNECT,
        wall_ns: Callable[[], int] = steady_ns,
    ) -> None:
        self._client, self._symbols, self._depth = client, dict(symbols), depth
        self._poll_s, self._quiet_s = poll_s, quiet_s
        self._patience, self._wall_ns = patience, wall_ns
        self._streams = bool(client.has.get("watchOrderBook"))
        self._changes: LatestWins[str, Book] = LatestWins()
        self._best: dict[str, list[list[float]]] = {}
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        #: Symbols whose books the exchange refuses, each with why.
        self.refused: dict[str, str] = {}

    @property
    def dropped(self) -> Mapping[str, int]:
        """States by symbol that were overtaken before anybody took them, those of ccxt not."""
        return self._changes.dropped

    async def run(self) -> None:
        """Keep the books until cancelled.

        Raises:
            Rejected: the exchange refuses every book.
            Fatal: it turns us away.
            ProtocolViolation: a book without sense.
        """
        try:
            with worst_error():
                async with asyncio.TaskGroup() as tasks:
                    for symbol, name in self._symbols.items():
                        tasks.create_task(self._follow(symbol, name))
        finally:
            for waiting in self._waiting.values():
                waiting.cancel()

    async def changed(self) -> list[Book]:
        """Wait for change; give the newest book of each symbol that changed since the last call."""
        return list((await self._changes.take()).values())

    async def _follow(self, symbol: str, name: str) -> None:
        failures, missed, silence_s = 0, 0, 0.0
        while True:
            try:
                with asking(f"book of {name}", acts=False):
                    told = await self._heard(name, silence_s) if silence_s else None
                    book = told or await self._client.fetch_order_book(name)
                moved = self._show(symbol, book["bids"], book["asks"], book.get("timestamp"))
            except (Transient, Rejected) as lost:
                failures, missed, silence_s = failures + 1, 0, 0.0
                self._show(symbol, [], [], None)
                if isinstance(lost, Rejected):
                    self._refuse(symbol, lost)
                asked_s = lost.retry_after_s if isinstance(lost, Transient) else None
                await asyncio.sleep(self._patience.wait_s(failures, asked_s))
                continue
            failures = 0
            self.refused.pop(symbol, None)
            missed = missed + moved if silence_s and not told else 0
            if missed >= _MISSED:
                await self._hang_up()
            if not self._streams:
                await asyncio.sleep(self._poll_s)
            elif told or not silence_s:
                silence_s = self._quiet_s
            else:
                silence_s = min(2 * silence_s, _LONGEST_SILENCE_S)

    def _refuse(self, symbol: str, error: Rejected) -> None:
        """Go on without a symbol, unless it was the last; it is asked for again now and then."""
        if symbol not in self.refused:
            _log.error("ccxt.book_refused", symbol=symbol, reason=str(error))
        self.refused[symbol] = str(error)
        if len(self.refused) == len(self._symbols):
            raise error

    async def _hang_up(self) -> None:
        """Make ccxt forget its streams, which do not tell what happens; all begin anew.

        KuCoin's class keeps a token for ever, and hears nothing once it has expired.
        """
        self._client.options.pop("urls", None)
        with asking("closing of streams", acts=False):
            await self._client.close_ws_clients()

    async def _heard(self, name: str, silence_s: float) -> Any:
        """Wait for the stream's next book; ``None`` after ``silence_s`` of a quiet market.

        What waits goes on waiting then: ccxt shares it, and to cancel it would harm others.
        """
        if name not in self._waiting:
            self._waiting[name] = asyncio.ensure_future(self._client.watch_order_book(name))
        done, _ = await asyncio.wait([self._waiting[name]], timeout=silence_s)
        return await self._waiting.pop(name) if done else None

    def _show(self, symbol: str, bids: Any, asks: Any, time_ms: Any) -> bool:
        """Show a book; tell whether its best offers are others than before."""
        book = _book(symbol, bids, asks, time_ms, self._depth, self._wall_ns())
        self._changes.put(symbol, book)
        before = self._best.get(symbol)
        sides = book.bid_px, book.bid_sz, book.ask_px, book.ask_sz
        self._best[symbol] = best = [side[:1].tolist() for side in sides]
        return best != before


async def ask_book(client: Any, symbol: str, name: str, depth: int) -> Book:
    """Ask once for the book of ``symbol``, which ccxt calls ``name``.

    Raises:
        VenueError: no answer, or none that makes sense.
    """
    with asking(f"book of {name}", acts=False):
        told = await client.fetch_order_book(name)
        sides = told["bids"], told["asks"], told.get("timestamp")
    return _book(symbol, *sides, depth, steady_ns())


async def ask_tops(client: Any, names: Mapping[str, str]) -> dict[str, Top]:
    """Ask once for the best prices of all symbols; ``names`` are ours by ccxt's.

    Raises:
        Rejected: ccxt knows of no such call.
        VenueError: no answer, or none that makes sense.
    """
    asked = next((call for call in _CALLS_FOR_TOPS if client.has.get(call)), None)
    if asked is None:
        raise Rejected(f"ccxt knows no call for the prices of all symbols of {client.id}")
    with asking(f"tickers of {client.id}", acts=False):
        told = await getattr(client, _CALLS_FOR_TOPS[asked])()
        return {
            names[name]: Top(_price(ticker["bid"]), _price(ticker["ask"]))
            for name, ticker in told.items()
            if name in names
        }


def _book(symbol: str, bids: Any, asks: Any, time_ms: Any, depth: int, ts_recv: int) -> Book:
    sides = *_side(bids, depth), *_side(asks, depth)
    return Book(symbol, ts_recv, *sides, None if time_ms is None else int(time_ms) * NS_PER_MS)


def _price(told: Any) -> float:
    """A best price; 0 where there is none."""
    price = 0.0 if told is None else float(told)
    return price if 0.0 < price < float("inf") else 0.0


def _side(levels: Any, depth: int) -> tuple[Floats, Floats]:
    """Prices and sizes of up to ``depth`` levels, copied: ccxt changes its lists in place."""
    table = np.array([level[:2] for level in levels[:depth]], np.float64).reshape(-1, 2)
    if not (np.isfinite(table).all() and (table >= 0.0).all()):
        raise ProtocolViolation("a book with a price or size that is none")
    table = table[table[:, 1] > 0.0]
    table.setflags(write=False)
    return table[:, 0], table[:, 1]
