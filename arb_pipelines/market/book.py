"""A level-2 book of one symbol, kept from a snapshot and numbered deltas.

``Book`` holds levels and knows nothing of sequences. ``SequencedBook`` decides
which deltas may touch it: those before the snapshot are held, a break in the
numbers makes the book unusable until a snapshot heals it. What a message looks
like belongs to the venue's parser; what a state is worth belongs to the scanner.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

#: Price and size, both finite and not negative.
Level = tuple[float, float]
#: Prices and sizes of one side, best level first.
Ladder = tuple[list[float], list[float]]


class Top(NamedTuple):
    """Best prices of a symbol, quote per base; 0 where nobody offers."""

    bid: float
    ask: float


class BookSide:
    """One side of a book: sizes by price, and the prices in order.

    Asks are kept by their negated price, so that the best level of either side
    is the last of ``_keys`` and an update near the top moves few elements.
    """

    __slots__ = ("_keys", "_sign", "_sizes")

    def __init__(self, *, bids: bool) -> None:
        self._sign = 1.0 if bids else -1.0
        self._keys: list[float] = []
        self._sizes: dict[float, float] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def set(self, price: float, size: float) -> None:
        """Set the size at ``price``; 0 removes the level, known or not."""
        key = self._sign * price
        if size:
            if key not in self._sizes:
                insort(self._keys, key)
            self._sizes[key] = size
        elif self._sizes.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def replace(self, levels: Iterable[Level]) -> None:
        """Forget every level and take ``levels``, in any order, empty ones left out."""
        self._sizes = {self._sign * price: size for price, size in levels if size}
        self._keys = sorted(self._sizes)

    def truncate(self, depth: int) -> None:
        """Drop the levels beyond the best ``depth``."""
        if len(self._keys) > depth:
            for key in self._keys[:-depth]:
                del self._sizes[key]
            del self._keys[:-depth]

    def top(self, depth: int) -> Ladder:
        """Return up to ``depth`` levels, best first."""
        keys = self._keys[: -depth - 1 : -1]
        sizes = self._sizes
        return [self._sign * key for key in keys], [sizes[key] for key in keys]


class Book:
    """Bids and asks of one symbol by price. A crossed book is kept as it is: others judge it."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(bids=True)
        self.asks = BookSide(bids=False)

    def replace(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Take a snapshot in place of all that was known."""
        self.bids.replace(bids)
        self.asks.replace(asks)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set absolute sizes, in order. Price 0 means that no level changed."""
        for price, size in bids:
            if price:
                self.bids.set(price, size)
        for price, size in asks:
            if price:
                self.asks.set(price, size)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole book as it stood after update number ``sequence``."""

    sequence: int
    bids: Sequence[Level]
    asks: Sequence[Level]


@dataclass(frozen=True, slots=True)
class Delta:
    """Absolute sizes set by the updates numbered ``first`` to ``last``, both included."""

    first: int
    last: int
    bids: Sequence[Level]
    asks: Sequence[Level]


@dataclass(frozen=True, slots=True)
class Break:
    """Updates that never came: ``expected`` was due, ``got`` arrived."""

    expected: int
    got: int


class Taken(Enum):
    """What a delta did to a ``SequencedBook``."""

    APPLIED = auto()  #: the book moved to the delta's last number
    COVERED = auto()  #: a snapshot already contains it
    HELD = auto()  #: kept until a snapshot comes
    REPEATED = auto()  #: the stream had passed this number before


class SequencedBook:
    """A book that is usable (``live``) only while no update is missing.

    The rules are KuCoin's and Binance's, which are the same: hold deltas until
    the snapshot, drop those it covers, then take each only if it continues the
    last. A delta that overlaps the snapshot is applied whole: sizes are
    absolute, so the latest of a price wins.

    Source: https://www.kucoin.com/docs-new/3470221w0 (level-2 increments) and
    https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
    (how to manage a local order book correctly).
    """

    __slots__ = ("_held", "_seen", "book", "live", "sequence")

    def __init__(self) -> None:
        self.book = Book()
        self.live = False
        self.sequence = -1
        self._seen: int | None = None
        self._held: list[tuple[Delta, bool]] = []  # and whether its break was told

    def push(self, delta: Delta) -> tuple[Taken, Break | None]:
        """Take the next delta of the stream.

        A break in the stream is told once, with the delta that shows it, also
        while the book waits for its snapshot. That delta and those after it are
        held, since the snapshot that heals the book may be older than they.
        """
        due = None if self._seen is None else self._seen + 1
        if due is not None and delta.last < due:
            return Taken.REPEATED, None
        self._seen = delta.last
        broken = Break(due, delta.first) if due is not None and delta.first > due else None
        if self.live and delta.last <= self.sequence:
            return Taken.COVERED, broken
        if self.live and delta.first <= self.sequence + 1:
            self._apply(delta)
            return Taken.APPLIED, broken
        if self.live and broken is None:
            broken = Break(self.sequence + 1, delta.first)
        self.live = False
        self._held.append((delta, broken is not None))
        return Taken.HELD, broken

    def load(self, snapshot: Snapshot) -> tuple[list[tuple[Delta, Taken]], Break | None]:
        """Take a snapshot; return what became of the held deltas, in order.

        A snapshot behind a live book says nothing new and is ignored. One that
        the held deltas do not continue leaves the book unusable and those deltas
        held; that break is returned unless ``push`` has told it.
        """
        if self.live and snapshot.sequence <= self.sequence:
            return [], None
        self.book.replace(snapshot.bids, snapshot.asks)
        self.sequence, self.live = snapshot.sequence, True
        done: list[tuple[Delta, Taken]] = []
        for position, (delta, told) in enumerate(self._held):
            if delta.last <= self.sequence:
                done.append((delta, Taken.COVERED))
            elif delta.first <= self.sequence + 1:
                self._apply(delta)
                done.append((delta, Taken.APPLIED))
            else:
                self.live = False
                self._held = [(delta, True), *self._held[position + 1 :]]
                return done, None if told else Break(self.sequence + 1, delta.first)
        self._held = []
        return done, None

    def forget_held(self) -> None:
        """Let the held deltas go, where it is known that no snapshot will come."""
        self._held = []

    def _apply(self, delta: Delta) -> None:
        self.book.apply(delta.bids, delta.asks)
        self.sequence = delta.last
