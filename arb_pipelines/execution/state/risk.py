"""The state file's part about risk: each strategy's book, what its cycles brought, its pauses.

A cycle's result is counted in the transaction that ends it, whoever ends it: its desk, a
recovery, a panic sell. What a breach of the counters brings is for ``execution.risk``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import orjson

from arb_pipelines.clock import day_in, now_ns
from arb_pipelines.execution.state.values import Cycle
from arb_pipelines.trading.risk.book import RiskBook
from arb_pipelines.trading.risk.breakers import Pause

#: The currencies' amounts of a book.
_AMOUNTS = ("today", "day_base", "profit", "peak", "lifted_at")
_Step = Callable[[RiskBook, str, Decimal, date], RiskBook]


@dataclass(frozen=True, slots=True)
class RiskEvent:
    """A pause, or the end of one or of all; ``who`` is a person, or the engine itself.

    ``check`` names what was breached, ``paused`` where a person paused; a resumption ends all
    that stands. Told on the strategy's bus, too.
    """

    strategy: str
    ts_ns: int
    what: Literal["paused", "cleared", "resumed"]
    check: str | None
    why: str
    who: str
    until_ns: int | None = None


class RiskTables:
    """Books, results and pauses by strategy; part of a ``StateStore``, whose steps these are."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        together: Callable[[], AbstractContextManager[None]],
        wall_ns: Callable[[], int],
    ) -> None:
        self._db, self.together, self._wall_ns = connection, together, wall_ns
        self._followers: dict[str, Callable[[RiskBook], object]] = {}

    def follow(self, strategy: str, hear: Callable[[RiskBook], object]) -> None:
        """Have ``hear`` called with a strategy's book when a result is counted, in its step."""
        self._followers[strategy] = hear

    def unfollow(self, strategy: str, hear: Callable[[RiskBook], object]) -> None:
        """Call ``hear`` no more, unless somebody follows the strategy in its place already."""
        if self._followers.get(strategy) is hear:
            del self._followers[strategy]

    def open_book(self, strategy: str, zone: str) -> RiskBook:
        """Give a strategy's book, whose days are of ``zone`` from now on."""
        with self.together():
            today = day_in(self._wall_ns(), zone)
            book = self._on_day(strategy, self.book(strategy) or RiskBook(today), today)
            self._save(strategy, book, zone)
        return book

    def book(self, strategy: str) -> RiskBook | None:
        """Give a strategy's book; ``None`` if it never had one."""
        row = self._db.execute(
            "SELECT book FROM risk_books WHERE strategy = ?", (strategy,)
        ).fetchone()
        return None if row is None else _book_of(row[0])

    def strategies(self) -> list[str]:
        """Name the strategies that have traded, or were paused."""
        rows = self._db.execute(
            "SELECT strategy FROM risk_books UNION SELECT strategy FROM risk_events ORDER BY 1"
        )
        return [row[0] for row in rows]

    def count(self, cycle: Cycle) -> None:
        """Count what a cycle brought, as it ends: a cycle ends once."""
        assert cycle.profit is not None, "a cycle that has ended has a profit"
        self._add(cycle.strategy, cycle.start, cycle.profit, RiskBook.on_result, cycles=1)

    def correct(self, strategy: str, currency: str, by: Decimal) -> None:
        """Count what became known of a cycle after its end."""
        if by:
            self._add(strategy, currency, by, RiskBook.on_correction, cycles=0)

    def _add(self, strategy: str, currency: str, by: Decimal, step: _Step, cycles: int) -> None:
        now = self._wall_ns()
        with self.together():
            row = self._db.execute(
                "SELECT zone, book FROM risk_books WHERE strategy = ?", (strategy,)
            ).fetchone()
            zone = "UTC" if row is None else row[0]
            today = day_in(now, zone)
            before = RiskBook(today) if row is None else _book_of(row[1])
            book = step(self._on_day(strategy, before, today), currency, by, today)
            self._save(strategy, book, zone)
            self._add_to_day(strategy, str(book.day), currency, by, cycles)
            if strategy in self._followers:
                self._followers[strategy](book)

    def forgive(self, strategy: str, checks: set[str]) -> None:
        """Begin the measures of these checks anew."""
        with self.together():
            row = self._db.execute(
                "SELECT zone, book FROM risk_books WHERE strategy = ?", (strategy,)
            ).fetchone()
            if row is not None:
                self._save(strategy, _book_of(row[1]).forgiven(checks), row[0])

    def note(self, event: RiskEvent) -> None:
        """Write down a pause, or the end of one."""
        with self.together():
            self._db.execute(
                'INSERT INTO risk_events (strategy, ts_ns, what, "check", why, who, until_ns) '
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    event.strategy, event.ts_ns, event.what, event.check, event.why, event.who,
                    event.until_ns,
                ),
            )  # fmt: skip

    def pauses(self, strategy: str) -> tuple[Pause, ...]:
        """Give the pauses that stand, the oldest first, at most one a check."""
        rows = self._db.execute(
            'SELECT what, "check", why, ts_ns, until_ns FROM risk_events WHERE strategy = ? '
            "AND number > (SELECT coalesce(max(number), 0) FROM risk_events "
            "WHERE strategy = ? AND what = 'resumed') ORDER BY number",
            (strategy, strategy),
        )
        standing: dict[str, Pause] = {}
        for what, check, why, ts_ns, until_ns in rows:
            if what == "paused":
                standing.setdefault(check, Pause(check, why, ts_ns, until_ns))
            else:
                standing.pop(check, None)
        return tuple(standing.values())

    def events(self, strategy: str, last: int) -> list[RiskEvent]:
        """Give what was paused, cleared and resumed, the newest first."""
        rows = self._db.execute(
            'SELECT strategy, ts_ns, what, "check", why, who, until_ns FROM risk_events '
            "WHERE strategy = ? ORDER BY number DESC LIMIT ?",
            (strategy, last),
        )
        return [RiskEvent(*row) for row in rows]

    def profit_by_day(self, strategy: str) -> dict[tuple[str, str], Decimal]:
        """Give the realised profit of each day and currency."""
        rows = self._db.execute(
            "SELECT day, currency, profit FROM risk_days WHERE strategy = ? ORDER BY day, currency",
            (strategy,),
        )
        return {(day, currency): Decimal(profit) for day, currency, profit in rows}

    def _on_day(self, strategy: str, book: RiskBook, day: date) -> RiskBook:
        """Give the book of a day: what a clock that was ahead counted later counts to it."""
        if day >= book.day:
            return book.on_day(day)
        after = "FROM risk_days WHERE strategy = ? AND day > ?", (strategy, str(day))
        later = self._db.execute(f"SELECT currency, profit, cycles {after[0]}", after[1]).fetchall()
        self._db.execute(f"DELETE {after[0]}", after[1])
        for currency, profit, cycles in later:
            self._add_to_day(strategy, str(day), currency, Decimal(profit), cycles)
        by_day = self.profit_by_day(strategy)
        return book.set_back(day, {of: by for (on, of), by in by_day.items() if on == str(day)})

    def _add_to_day(
        self, strategy: str, day: str, currency: str, profit: Decimal, cycles: int
    ) -> None:
        named = (strategy, day, currency)
        row = self._db.execute(
            "SELECT profit, cycles FROM risk_days WHERE strategy = ? AND day = ? AND currency = ?",
            named,
        ).fetchone()
        before, ended = (Decimal(0), 0) if row is None else (Decimal(row[0]), row[1])
        self._db.execute(
            "INSERT OR REPLACE INTO risk_days VALUES (?, ?, ?, ?, ?)",
            (*named, f"{before + profit:f}", ended + cycles),
        )

    def _save(self, strategy: str, book: RiskBook, zone: str) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO risk_books VALUES (?, ?, ?, ?)",
            (strategy, zone, _document(book), self._wall_ns()),
        )


def risk_read(connection: sqlite3.Connection) -> RiskTables:
    """Give the tables of a state file that is open to be read."""
    return RiskTables(connection, nullcontext, now_ns)


def _document(book: RiskBook) -> str:
    amounts = {
        name: {currency: f"{by:f}" for currency, by in getattr(book, name).items()}
        for name in _AMOUNTS
    }
    plain = {name: getattr(book, name) for name in ("day", "in_a_row", "cycles", "lifted")}
    return orjson.dumps(plain | amounts).decode()


def _book_of(text: str) -> RiskBook:
    told: dict[str, Any] = orjson.loads(text)
    amounts = {
        name: {currency: Decimal(by) for currency, by in told.get(name, {}).items()}
        for name in _AMOUNTS
    }
    return RiskBook(
        day=date.fromisoformat(told["day"]),
        in_a_row=told["in_a_row"],
        cycles=told["cycles"],
        lifted=date.fromisoformat(told["lifted"]) if told.get("lifted") else None,
        **amounts,
    )
