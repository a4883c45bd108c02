"""KuCoin's level-2 books, pure: which of them can be trusted, and which lack a snapshot.

Who brings them messages and snapshots is ``books.BookFeed``.

Source: https://www.kucoin.com/docs-new/3470221w0 (level-2 increments)
"""

from __future__ import annotations

from collections.abc import Iterable

from arb_pipelines.market.book import Delta, Ladder, SequencedBook, Snapshot, Taken

NOTHING: Ladder = ([], [])


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
            return NOTHING, NOTHING
        return sequenced.book.bids.top(depth), sequenced.book.asks.top(depth)

    def sequence(self, symbol: str) -> int | None:
        """Number of the last change in the book; ``None`` if it cannot be trusted."""
        sequenced = self._books[symbol]
        return sequenced.sequence if sequenced.live else None
