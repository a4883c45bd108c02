"""The counters of a strategy: what its cycles brought, by currency, and what came last.

Exact, pure, and small enough to be written with every cycle's end. A day is a calendar day
of the strategy's zone; it goes back where whoever keeps the book says what that day has brought.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

_ZERO = Decimal(0)
#: Names of the checks that pause; what ``forgiven`` may begin anew.
LOSSES, DAILY_LOSS, DRAWDOWN = "losses", "daily_loss", "drawdown"


@dataclass(frozen=True, slots=True)
class RiskBook:
    """What counts against the limits that pause; amounts by start currency.

    ``in_a_row`` are losses since the last profit. ``today`` is the realised profit of ``day``,
    ``day_base`` what of it is measured from: zero, or what it was when a pause was lifted.
    ``profit`` is that of all cycles, ``peak`` its highest since the measure began. ``lifted`` is
    the day of that last pause, ``lifted_at`` the profit then.
    """

    day: date
    in_a_row: int = 0
    today: Mapping[str, Decimal] = field(default_factory=dict)
    day_base: Mapping[str, Decimal] = field(default_factory=dict)
    profit: Mapping[str, Decimal] = field(default_factory=dict)
    peak: Mapping[str, Decimal] = field(default_factory=dict)
    cycles: int = 0
    lifted: date | None = None
    lifted_at: Mapping[str, Decimal] = field(default_factory=dict)

    def on_day(self, day: date) -> RiskBook:
        """Begin a new day; a day that is over does not come back."""
        return self if day <= self.day else replace(self, day=day, today={}, day_base={})

    def set_back(self, day: date, today: Mapping[str, Decimal]) -> RiskBook:
        """Go on at a day that had been over, since the clock was ahead.

        ``today`` is what that day has brought, and what the clock counted later. What has been
        forgiven of it stays forgiven.
        """
        if self.lifted is None or self.lifted < day:
            return replace(self, day=day, today=today, day_base={})
        base = {
            of: by - self.profit.get(of, _ZERO) + self.lifted_at.get(of, _ZERO)
            for of, by in today.items()
        }
        return replace(self, day=day, today=today, day_base=base, lifted=day)

    def on_result(self, currency: str, profit: Decimal, day: date) -> RiskBook:
        """Count a cycle that has ended; one that brought nothing is no loss, and ends no row."""
        return replace(
            self.on_correction(currency, profit, day),
            in_a_row=0 if profit > 0 else self.in_a_row + (profit < 0),
            cycles=self.cycles + 1,
        )

    def on_correction(self, currency: str, by: Decimal, day: date) -> RiskBook:
        """Count what became known of a cycle after its end; the row stays as it was."""
        book = self.on_day(day)
        total = book.profit.get(currency, _ZERO) + by
        return replace(
            book,
            today={**book.today, currency: book.today.get(currency, _ZERO) + by},
            profit={**book.profit, currency: total},
            peak={**book.peak, currency: max(book.peak.get(currency, _ZERO), total)},
        )

    def forgiven(self, checks: Collection[str]) -> RiskBook:
        """Begin the measures of these checks anew; what was earned and lost stays counted."""
        book, profit = self, dict(self.profit)
        if DAILY_LOSS in checks:
            book = replace(self, day_base=dict(self.today), lifted=self.day, lifted_at=profit)
        return replace(
            book,
            in_a_row=0 if LOSSES in checks else self.in_a_row,
            peak=profit if DRAWDOWN in checks else self.peak,
        )

    def lost_today(self, currency: str) -> Decimal:
        """What the day has lost since its measure began; below zero if it has earned."""
        return self.day_base.get(currency, _ZERO) - self.today.get(currency, _ZERO)

    def below_peak(self, currency: str) -> Decimal:
        """How far profit is below its peak."""
        return self.peak.get(currency, _ZERO) - self.profit.get(currency, _ZERO)
