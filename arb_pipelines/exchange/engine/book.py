"""The book of one symbol: price levels in which clients' orders and the feed's liquidity queue.

Within a level who came first trades first. What a feed shows at a price is one place
in the queue, kept for as long as it stays there. What clients took of it stays gone
until the feed shows the level with another size, or shows the book without it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from arb_pipelines.exchange.engine.events import BookChanged, LevelChange
from arb_pipelines.exchange.engine.money import ZERO
from arb_pipelines.exchange.engine.orders import Side, WorkingOrder

#: Key of the feed's place in a level's queue; orders are numbered from 1.
FEED = 0

Level = tuple[Decimal, Decimal]


@dataclass(slots=True)
class FeedLiquidity:
    """What a feed shows at a price, and what is left of it."""

    shown: Decimal
    remaining: Decimal


@dataclass(slots=True)
class Queue:
    """One price: who waits there, first come first, and how much in all."""

    size: Decimal = ZERO
    waiting: dict[int, WorkingOrder | FeedLiquidity] = field(default_factory=dict)


class BookSide:
    """Bids or asks. Keys are prices, negated for asks, so that the best is always the last."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._queues: dict[Decimal, Queue] = {}
        self._keys: list[Decimal] = []
        self._feed: dict[Decimal, FeedLiquidity] = {}
        self._before: dict[Decimal, Decimal] = {}

    def best(self) -> Decimal | None:
        """Give the best price, if there is any."""
        return self._price(self._keys[-1]) if self._keys else None

    def levels(self, depth: int | None = None) -> list[Level]:
        """List (price, size), best first."""
        keys = self._keys if depth is None else self._keys[-depth:] if depth else []
        return [(price := self._price(key), self._queues[price].size) for key in reversed(keys)]

    def first(self) -> tuple[WorkingOrder | None, Decimal]:
        """Give who trades next and how much: an order, or the feed (``None``).

        The side must not be empty.
        """
        queue = self._queues[self._price(self._keys[-1])]
        waiting = next(iter(queue.waiting.values()))
        return (None if isinstance(waiting, FeedLiquidity) else waiting), waiting.remaining

    def queues(self) -> Iterator[tuple[Decimal, Queue]]:
        """Walk the levels, best first. The side must not change meanwhile."""
        for key in reversed(self._keys):
            price = self._price(key)
            yield price, self._queues[price]

    def join(self, order: WorkingOrder) -> None:
        """Let a limit order wait at the end of its price's queue."""
        assert order.request.price is not None
        queue = self._queue(order.request.price)
        queue.waiting[order.number] = order
        queue.size += order.remaining

    def lessen(self, order: WorkingOrder, size: Decimal) -> None:
        """Take ``size`` of a waiting order out of the book; it keeps its place while any is left.

        The order's own figures must already tell what remains.
        """
        assert order.request.price is not None
        gone = order.remaining <= ZERO
        self._reduce(order.request.price, order.number, size, gone)

    def remove(self, order: WorkingOrder) -> None:
        """Take a waiting order, and all that remains of it, out of the book."""
        assert order.request.price is not None
        self._reduce(order.request.price, order.number, order.remaining, True)

    def take_feed(self, price: Decimal, size: Decimal) -> None:
        """Take ``size`` of what the feed shows at ``price``."""
        feed = self._feed[price]
        feed.remaining -= size
        self._reduce(price, FEED, size, feed.remaining <= ZERO)

    def show(self, levels: Sequence[Level]) -> None:
        """Replace the feed's liquidity with ``levels``, where the size they show is new."""
        shown = {price: size for price, size in levels if size > ZERO}
        for price in [price for price in self._feed if price not in shown]:
            feed = self._feed.pop(price)
            if feed.remaining > ZERO:
                self._reduce(price, FEED, feed.remaining, True)
        for price, size in shown.items():
            known = self._feed.get(price)
            if known is None or known.shown != size:
                self._refresh(price, known, size)

    def changed(self) -> list[Level]:
        """List what levels show now that showed something else at the last call."""
        changes = []
        for price, before in self._before.items():
            queue = self._queues.get(price)
            size = ZERO if queue is None else queue.size
            if size != before:
                changes.append((price, size))
        self._before.clear()
        return changes

    def _refresh(self, price: Decimal, known: FeedLiquidity | None, size: Decimal) -> None:
        queue = self._queue(price)
        if known is None:
            known = self._feed[price] = FeedLiquidity(size, ZERO)
        queue.size += size - known.remaining
        known.shown = known.remaining = size
        queue.waiting.setdefault(FEED, known)

    def _key(self, price: Decimal) -> Decimal:
        return price if self.side is Side.BUY else -price

    _price = _key

    def _queue(self, price: Decimal) -> Queue:
        queue = self._queues.get(price)
        if queue is None:
            queue = self._queues[price] = Queue()
            insort(self._keys, self._key(price))
        self._before.setdefault(price, queue.size)
        return queue

    def _reduce(self, price: Decimal, place: int, size: Decimal, gone: bool) -> None:
        queue = self._queue(price)
        queue.size -= size
        if gone:
            del queue.waiting[place]
            if not queue.waiting:
                del self._queues[price]
                del self._keys[bisect_left(self._keys, self._key(price))]


class Book:
    """Both sides of a symbol, and the sequence of what it published."""

    def __init__(self, symbol: str, sequence: int = 0) -> None:
        self.symbol, self.sequence = symbol, sequence
        self.bids, self.asks = BookSide(Side.BUY), BookSide(Side.SELL)

    def side(self, side: Side) -> BookSide:
        """Give the side on which an order of ``side`` waits."""
        return self.bids if side is Side.BUY else self.asks

    def opposite(self, side: Side) -> BookSide:
        """Give the side from which an order of ``side`` takes."""
        return self.asks if side is Side.BUY else self.bids

    def publish(self, now_ns: int) -> BookChanged | None:
        """Number what changed since the last time; ``None`` if nothing did."""
        changes: list[LevelChange] = []
        start = self.sequence + 1
        for side in (self.asks, self.bids):
            for price, size in side.changed():
                self.sequence += 1
                changes.append(LevelChange(side.side, price, size, self.sequence))
        if not changes:
            return None
        return BookChanged(self.symbol, tuple(changes), start, self.sequence, now_ns)
