"""Keeps one strategy's pauses: made by a breach or a person, ended by time or a person.

All of it is in the state file before it is told, so a restart finds a strategy as paused as
it was. The file is read when something happens, never for a signal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from arb_pipelines.errors import Transient
from arb_pipelines.execution.risk.pauses import (
    Standing,
    pause_strategy,
    resume_strategy,
    standing,
)
from arb_pipelines.execution.state.risk import RiskEvent, RiskTables
from arb_pipelines.trading.risk.book import RiskBook
from arb_pipelines.trading.risk.breakers import Pause, breakers_of, pause_of
from arb_pipelines.trading.risk.parameters import RiskRules

#: Who pauses and clears where no person does.
ENGINE = "engine"


class RiskKeeper:
    """The pauses of a strategy that trades; ``capital`` are its start currencies in hand.

    ``tell`` hears of every pause and of its end. What a crash left unjudged is judged at once.
    """

    def __init__(
        self,
        strategy: str,
        rules: RiskRules,
        capital: Mapping[str, float],
        tables: RiskTables,
        *,
        wall_ns: Callable[[], int],
        tell: Callable[[RiskEvent], object],
    ) -> None:
        self._strategy, self._zone = strategy, rules.zone
        self._breakers = breakers_of(rules, capital)
        self._tables, self._wall_ns, self._tell = tables, wall_ns, tell
        self._pauses: tuple[Pause, ...] = ()
        with tables.together():
            self._judge(tables.open_book(strategy, rules.zone))
        self._hears = self._judge
        tables.follow(strategy, self._hears)

    @property
    def pause(self) -> Pause | None:
        """What keeps anything from beginning, the oldest of several; ``None`` if nothing does.

        Pauses whose time is over end here.
        """
        if not self._pauses:
            return None
        now = self._wall_ns()
        over = [p for p in self._pauses if p.until_ns is not None and p.until_ns <= now]
        if over:
            with suppress(Transient):  # a pause whose end cannot be written goes on
                self._clear(over, now)
        return self._pauses[0] if self._pauses else None

    def close(self) -> None:
        """Judge no more; what ends later counts, and is judged by the next who begins."""
        self._tables.unfollow(self._strategy, self._hears)

    def standing(self) -> Standing:
        """Say how the strategy stands."""
        return standing(self._tables, self._strategy)

    def pause_by(self, who: str, reason: str) -> None:
        """Begin nothing until a person resumes.

        Raises:
            ConfigError: no reason is given.
        """
        now = self._wall_ns()
        event = pause_strategy(self._tables, self._strategy, who=who, reason=reason, now_ns=now)
        self._note_told(event)

    def resume_by(self, who: str, reason: str) -> None:
        """End every pause.

        Raises:
            ConfigError: no reason is given, or nothing is paused.
        """
        now = self._wall_ns()
        event = resume_strategy(self._tables, self._strategy, who=who, reason=reason, now_ns=now)
        self._note_told(event)

    def _judge(self, book: RiskBook) -> None:
        """Pause where the book breaches what no pause stands for yet."""
        self._pauses = self._tables.pauses(self._strategy)
        standing_for = {pause.check for pause in self._pauses}
        now = self._wall_ns()
        for breaker in self._breakers:
            why = None if breaker.name in standing_for else breaker.review(book)
            if why is not None:
                pause = pause_of(breaker, why, now, self._zone)
                event = RiskEvent(
                    self._strategy, now, "paused", pause.check, why, ENGINE, pause.until_ns
                )
                self._tables.note(event)
                self._note_told(event)

    def _clear(self, over: list[Pause], now: int) -> None:
        why = "its time is over"
        events = [RiskEvent(self._strategy, now, "cleared", p.check, why, ENGINE) for p in over]
        with self._tables.together():
            for event in events:
                self._tables.note(event)
            self._tables.forgive(self._strategy, {pause.check for pause in over})
        for event in events:
            self._note_told(event)

    def _note_told(self, event: RiskEvent) -> None:
        self._pauses = self._tables.pauses(self._strategy)
        self._tell(event)
