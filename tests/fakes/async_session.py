"""A session on asyncio: a feed, a trader and a venue that answers later, in virtual time.

The stand-in for a live session. The venue is scripted: it answers an order with the
news recorded for its client id, each piece at the time it is stamped with, by a task
of its own. Nothing sleeps: time moves on when every task waits for it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from arb_pipelines.backtest.brokers.passthrough import PassThroughBroker
from arb_pipelines.containers.desk import Desk, hand_over
from arb_pipelines.trading.events import Book, BrokerEvent, Order

#: What is due at the same nanosecond: books first, then news, in the order of the orders.
BOOK, NEWS = range(2)
Due = tuple[int, int, int, int]


class VirtualTime:
    """Wakes who waits, earliest first, as soon as nobody has anything else to do."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Due, asyncio.Future[None]]] = []

    def at(self, due: Due) -> asyncio.Future[None]:
        """Give what to await for a moment."""
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (due, future))
        return future

    async def run(self, work: asyncio.Queue[Book | None]) -> None:
        """Let time pass until nobody waits for it."""
        await _settle(work)
        while self._waiting:
            heapq.heappop(self._waiting)[1].set_result(None)
            await _settle(work)


async def _settle(work: asyncio.Queue[Book | None]) -> None:
    for _ in range(3):  # the woken task, the trader, and the tasks it began
        await asyncio.sleep(0)
        await work.join()


class ScriptedVenue:
    """A sink whose news comes by tasks, some time after the order was sent."""

    def __init__(
        self,
        script: Mapping[str, Sequence[BrokerEvent]],
        time: VirtualTime,
        tasks: asyncio.TaskGroup,
        ring: Callable[[], None],
    ) -> None:
        self._script, self._time, self._tasks, self._ring = script, time, tasks, ring
        self._inbox: deque[BrokerEvent] = deque()
        self.sent: list[Order] = []

    def send(self, order: Order) -> None:
        number = len(self.sent)
        self.sent.append(order)
        for step, news in enumerate(self._script[order.client_id]):
            due = self._time.at((news.ts, NEWS, number, step))
            self._tasks.create_task(self._deliver(news, due))

    async def _deliver(self, news: BrokerEvent, due: asyncio.Future[None]) -> None:
        await due
        self._inbox.append(news)
        self._ring()

    def cancel(self, client_id: str, ts: int) -> None:
        raise AssertionError(f"a cycle's order {client_id} does not rest; nobody takes it back")

    def heard(self) -> Iterator[BrokerEvent]:
        while self._inbox:
            yield self._inbox.popleft()

    def end(self) -> Iterator[BrokerEvent]:
        return self.heard()


async def run_session(
    desk: Desk, books: Iterable[Book], script: Mapping[str, Sequence[BrokerEvent]]
) -> list[Order]:
    """Trade a day of books against a scripted venue; gives the orders that were sent."""
    work: asyncio.Queue[Book | None] = asyncio.Queue()
    time = VirtualTime()

    async def feed() -> None:
        for book in books:
            await time.at((book.ts_recv, BOOK, 0, 0))
            work.put_nowait(book)

    async def trade() -> None:
        while True:
            book = await work.get()
            if book is not None:
                hand_over(desk.on_market(book), broker)
            else:
                for news in broker.heard():
                    hand_over(desk.on_broker(news), broker)
            work.task_done()

    async with asyncio.TaskGroup() as tasks:
        venue = ScriptedVenue(script, time, tasks, lambda: work.put_nowait(None))
        broker = PassThroughBroker(venue)
        tasks.create_task(feed())
        trader = tasks.create_task(trade())
        await time.run(work)
        trader.cancel()
    return venue.sent
