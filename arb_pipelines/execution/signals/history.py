"""What a session remembers to judge signals from outside by: books seen, trades, ids accepted."""

from __future__ import annotations

from collections import deque

from arb_pipelines.containers.bus import EventBus
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import Approved, Book, CycleSignal, Ended

#: Accepted signals whose ids are remembered, so that one sent twice is traded once.
_REMEMBERED = 10_000


class SignalHistory:
    """Follows one session on its bus."""

    def __init__(self, traded: TradedCycles, shelf: BookShelf, bus: EventBus) -> None:
        self._traded, self._shelf = traded, shelf
        self._seen: dict[str, int] = {}
        self._traded_until: dict[int, int] = {}
        self._flying: list[int] = []
        self._accepted: dict[str, int] = {}
        self._oldest: deque[str] = deque()
        bus.subscribe(Book, self._on_book)
        bus.subscribe(Approved, self._on_approved)
        bus.subscribe(Ended, self._on_ended)

    def known_ns(self, symbol: str) -> int:
        """The venue's time of the newest book, or our receipt where the venue told none."""
        updated = int(self._shelf.updated[self._traded.number[symbol]])
        return self._seen.get(symbol, updated)

    def note_book(self, book: Book) -> None:
        """Remember a book that the bus does not tell of."""
        self._on_book(book)

    def traded_until(self, cycle: int) -> int | None:
        """When the last execution over the same symbols ended, ns."""
        return self._traded_until.get(int(self._traded.symbol_set[cycle]))

    def is_isolated(self, cycle: int) -> bool:
        """Whether the gate keeps a cycle apart from one in flight by their symbols."""
        rules, sets = self._traded.rules, self._traded.symbol_set
        symbols = {symbol for symbol, _ in self._traded.legs[cycle]}
        return any(
            (rules.apart_triangle and sets[other] == sets[cycle])
            or (rules.apart_symbol and symbols.intersection(s for s, _ in self._traded.legs[other]))
            for other in self._flying
        )

    def execution_of(self, correlation_id: str) -> int | None:
        """The execution that a signal of this id was accepted as, if it was."""
        return self._accepted.get(correlation_id)

    def note_accepted(self, correlation_id: str, execution: int) -> None:
        """Remember an id, and forget the oldest."""
        self._accepted[correlation_id] = execution
        self._oldest.append(correlation_id)
        if len(self._oldest) > _REMEMBERED:
            del self._accepted[self._oldest.popleft()]

    def _on_book(self, book: Book) -> None:
        if book.ts_event is not None:
            self._seen[book.symbol] = book.ts_event
        else:
            self._seen.pop(book.symbol, None)

    def _on_approved(self, approved: Approved) -> None:
        if isinstance(approved.signal, CycleSignal):
            self._flying.append(approved.signal.cycle)

    def _on_ended(self, ended: Ended) -> None:
        signal = ended.approved.signal
        if isinstance(signal, CycleSignal):
            self._flying.remove(signal.cycle)
            if ended.declined is None:
                self._traded_until[int(self._traded.symbol_set[signal.cycle])] = ended.ts
