"""The loop of one session: books and news in, orders out, until it is stopped.

One task group owns everything that runs, and every step of the desk happens on its loop,
synchronously: what is decided between two awaits is decided on one state of the world.
Market data is latest-wins; news of orders is never dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from arb_pipelines.containers.desk import Desk, Outgoing
from arb_pipelines.errors import VenueError
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.orders.own_trades import OwnTrades
from arb_pipelines.execution.orders.protocols import SessionBroker
from arb_pipelines.trading.events import Book, BrokerEvent, Cancel, Cancelled, OrderFill, Signal
from arb_pipelines.venues.base import MarketData
from arb_pipelines.venues.tasks import worst_error

#: While it settles, how soon a session notices that it is to hurry.
_LOOK_AGAIN_S = 0.2
#: Longest wait for what is still to be heard of the last orders when all has settled.
_LAST_WORDS_S = 1.0


class LiveSession:
    """Drives a desk by a venue's books and the news of its orders.

    ``own`` keeps the books from telling the desk what its orders have told.
    """

    def __init__(
        self,
        desk: Desk,
        broker: SessionBroker,
        feed: MarketData,
        own: OwnTrades,
        controls: Controls,
        *,
        settle_s: float,
        in_flight: Callable[[], int],
    ) -> None:
        self._desk, self._broker, self._feed = desk, broker, feed
        self._own, self._controls = own, controls
        self._settle_s, self._in_flight = settle_s, in_flight
        self._symbols: dict[str, str] = {}
        self._idle = asyncio.Event()
        self._failure: VenueError | None = None
        self.books = 0

    async def run(self) -> bool:
        """Trade until the controls say stop, then settle; whether nothing is left in flight.

        A feed that fails stops it like the controls do, and is told when all has settled.

        Raises:
            VenueError: the venue turns us away, or makes no sense.
            InvariantBroken: our books do not add up.
        """
        with worst_error():
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(work)
                    for work in (
                        self._broker.run(),
                        self._follow_books(),
                        self._take_books(),
                        self._take_news(),
                    )
                ]
                await self._controls.stopping.wait()
                await self._settle()
                for task in running:
                    task.cancel()
        if self._failure is not None:
            raise self._failure
        return not self._in_flight()

    @property
    def open_orders(self) -> tuple[str, ...]:
        """Client ids of the orders whose end is not known."""
        return tuple(order.client_id for order in self._desk.open_orders)

    def on_signals(self, signals: Iterable[Signal]) -> None:
        """Take in signals from outside; each is answered on the desk's bus."""
        self._hand_over(self._desk.on_signals(signals))

    def take_back(self, id_prefix: str) -> None:
        """Take back what rests of the orders whose client ids begin with ``id_prefix``."""
        for order in self._desk.open_orders:
            if order.client_id.startswith(id_prefix):
                self._broker.cancel(order.client_id, order.ts)

    def on_book(self, book: Book) -> None:
        """Take in a book, if it is news."""
        self.books += 1
        news = self._own.admit(book)
        if news is not None:
            self._hand_over(self._desk.on_market(news))

    async def on_news(self, news: BrokerEvent) -> None:
        """Take in what became of an order; then the book that waited for it.

        What follows from the news is on its way before that book is looked at.
        """
        self._hand_over(self._desk.on_broker(news))
        if isinstance(news, Cancelled) or (isinstance(news, OrderFill) and news.final):
            await asyncio.sleep(0)
            waited = self._own.ended(self._symbols.pop(news.client_id))
            if waited is not None:
                # known from now on: decided by it is nothing before what it waited for
                known = replace(waited, ts_recv=max(waited.ts_recv, news.ts + 1))
                self._hand_over(self._desk.on_market(known))
            self._idle.set()

    async def _settle(self) -> None:
        """Wait for what is in flight, as long as rules and controls allow."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._broker.hurry()
        while self._in_flight():
            left_s = min(self._settle_s, self._controls.settle_s) + began - loop.time()
            if left_s <= 0:
                return
            self._idle.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, _LOOK_AGAIN_S)):
                    await self._idle.wait()
        left_s = min(self._settle_s, self._controls.settle_s) + began - loop.time()
        await self._broker.finish(max(0.0, min(left_s, _LAST_WORDS_S)))

    async def _follow_books(self) -> None:
        try:
            await self._feed.run()
        except VenueError as failure:
            self._failure = failure
            self._controls.stop(f"its books failed: {failure}")

    async def _take_books(self) -> None:
        while True:
            for book in await self._feed.changed():
                self.on_book(book)

    async def _take_news(self) -> None:
        while True:
            await self.on_news(await self._broker.next_event())

    def _hand_over(self, outgoing: Iterable[Outgoing]) -> None:
        for step in outgoing:
            if isinstance(step, Cancel):
                self._broker.cancel(step.client_id, step.ts)
            else:
                self._symbols[step.client_id] = step.symbol
                self._own.sent(step.symbol)
                self._broker.submit(step)
