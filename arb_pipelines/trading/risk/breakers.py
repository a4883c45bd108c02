"""The checks that pause a strategy by its book, and what ends such a pause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from arb_pipelines.clock import NS_PER_S, next_day_ns
from arb_pipelines.trading.risk.book import DAILY_LOSS, DRAWDOWN, LOSSES, RiskBook
from arb_pipelines.trading.risk.parameters import Clears, RiskRules

#: The check's name of a pause that a person asked for.
BY_PERSON = "paused"


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing begins, and why: ``check`` is what was breached, or ``paused`` by a person.

    ``until_ns`` is when it ends by itself; a pause without one ends by a person.
    """

    check: str
    why: str
    since_ns: int
    until_ns: int | None = None

    @property
    def by(self) -> str:
        """Who or what paused it, in words."""
        return "a person" if self.check == BY_PERSON else self.check


class Breaker(Protocol):
    """One bound on what has come of a strategy's cycles."""

    name: ClassVar[str]

    @property
    def clears(self) -> Clears:
        """What ends the pause."""
        ...

    def review(self, book: RiskBook) -> str | None:
        """Say in words what is breached; ``None`` if nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class LossesInARow:
    """So many losses, one after the other, in whatever currency."""

    name: ClassVar[str] = LOSSES
    most: int
    clears: Clears

    def review(self, book: RiskBook) -> str | None:
        """Breach at the bound."""
        if book.in_a_row < self.most:
            return None
        return f"{book.in_a_row} cycles in a row ended with a loss; the limit is {self.most}"


@dataclass(frozen=True, slots=True)
class LostToday:
    """So much lost on a calendar day, in any one start currency."""

    name: ClassVar[str] = DAILY_LOSS
    most: Mapping[str, float]
    clears: Clears

    def review(self, book: RiskBook) -> str | None:
        """Breach at the bound."""
        for currency, most in self.most.items():
            lost = book.lost_today(currency)
            if lost >= most:
                return f"{lost:f} {currency} lost on {book.day}; the limit is {most:g}"
        return None


@dataclass(frozen=True, slots=True)
class BelowPeak:
    """So far below the highest realised profit; ``capital`` is what percentages begin from."""

    name: ClassVar[str] = DRAWDOWN
    most: Mapping[str, float]
    percent: float | None
    capital: Mapping[str, float]
    clears: Clears

    def review(self, book: RiskBook) -> str | None:
        """Breach at the bound."""
        for currency, capital in self.capital.items():
            below, most = book.below_peak(currency), self.most.get(currency)
            if most is not None and below >= most:
                return f"{below:f} {currency} below the peak; the limit is {most:g}"
            highest = capital + float(book.peak.get(currency, 0))
            if self.percent is not None and float(below) * 100.0 >= self.percent * highest:
                return (
                    f"{below:f} {currency} below the peak of {highest:.8g}; "
                    f"the limit is {self.percent:g} %"
                )
        return None


def breakers_of(rules: RiskRules, capital: Mapping[str, float]) -> tuple[Breaker, ...]:
    """Give those that are set; ``capital`` are the strategy's start currencies in hand."""
    found: list[Breaker] = []
    if rules.losses is not None:
        found.append(LossesInARow(rules.losses.in_a_row, rules.losses.clears))
    if rules.daily_loss is not None:
        found.append(LostToday(rules.daily_loss.most, rules.daily_loss.clears))
    if rules.drawdown is not None:
        fall = rules.drawdown
        found.append(BelowPeak(fall.most, fall.percent, capital, fall.clears))
    return tuple(found)


def pause_of(breaker: Breaker, why: str, now_ns: int, zone: str) -> Pause:
    """Make the pause that a breach brings."""
    match breaker.clears:
        case "person":
            until = None
        case "next_day":
            until = next_day_ns(now_ns, zone)
        case after:
            until = now_ns + round(after.after.minutes * 60 * NS_PER_S)
    return Pause(breaker.name, why, now_ns, until)
