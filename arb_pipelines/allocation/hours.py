"""When the stock market is open: holidays, early closes, time zones, daylight saving.

A pure function of a time. The calendars are those of ``exchange_calendars``; they
are slow to build (up to half a second) and are built once a process.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Protocol

from arb_pipelines.clock import day_of, day_start_ns
from arb_pipelines.errors import ConfigError, DataError

#: Days known in advance. Holidays decided later (days of mourning) need a newer library.
FIRST_DAY, LAST_DAY = date(2005, 1, 1), date(2035, 12, 31)


class Hours(Protocol):
    """Tells market hours."""

    def is_open(self, ts_ns: int) -> bool:
        """Whether the stock market trades at ``ts_ns``."""
        ...


@dataclass(frozen=True, slots=True)
class MarketHours:
    """The regular sessions of one market: open from each opening up to, not at, its close.

    A break within a session (lunch) is closed. ``opens`` and ``closes`` are ns,
    ascending, of the same length; ``first_ns`` and ``end_ns`` bound what is known.
    """

    calendar: str
    first_ns: int
    end_ns: int
    opens: tuple[int, ...] = field(repr=False)
    closes: tuple[int, ...] = field(repr=False)

    def is_open(self, ts_ns: int) -> bool:
        """Whether the market trades at ``ts_ns``.

        Raises:
            DataError: the time is outside the calendar's days.
        """
        session = self._session(ts_ns)
        return session >= 0 and ts_ns < self.closes[session]

    def closes_at(self, ts_ns: int) -> int | None:
        """End (ns) of the session under way at ``ts_ns``; None while closed.

        Raises:
            DataError: as ``is_open``.
        """
        return self.closes[self._session(ts_ns)] if self.is_open(ts_ns) else None

    def _session(self, ts_ns: int) -> int:
        if not self.first_ns <= ts_ns < self.end_ns:
            raise DataError(
                f"{day_of(ts_ns)} is outside the days it is known for, "
                f"{day_of(self.first_ns)} to {day_of(self.end_ns - 1)}",
                source=f"calendar {self.calendar}",
            )
        return bisect_right(self.opens, ts_ns) - 1


@lru_cache(maxsize=16)
def market_hours(
    calendar: str = "XNYS", first: date = FIRST_DAY, last: date = LAST_DAY
) -> MarketHours:
    """Give a market's hours on the days ``first`` to ``last``, inclusive.

    ``calendar`` is an ISO 10383 code such as XNYS or XLON, or a name of
    exchange_calendars such as ``24/7``.

    Raises:
        ConfigError: there is no such calendar, or it does not know these days.

    Source: https://github.com/gerrymanoim/exchange_calendars
    """
    from exchange_calendars import errors, get_calendar  # a second to import

    try:
        with warnings.catch_warnings():  # of its own use of pandas
            warnings.simplefilter("ignore", DeprecationWarning)
            schedule = get_calendar(calendar, start=str(first), end=str(last)).schedule
    except errors.InvalidCalendarName:
        raise ConfigError(
            f"there is no market calendar {calendar}; write a code such as XNYS or XLON",
            source="calendar",
        ) from None
    except ValueError as error:
        raise ConfigError(f"{calendar}: {error}", source="calendar") from None
    opens, closes = [], []
    for row in schedule.itertuples():
        parts = [row.open.value, row.close.value]
        if row.break_start == row.break_start:  # without a break it is NaT, unlike itself
            parts[1:1] = [row.break_start.value, row.break_end.value]
        opens += parts[::2]
        closes += parts[1::2]
    return MarketHours(
        calendar,
        day_start_ns(first),
        day_start_ns(last + timedelta(days=1)),
        tuple(opens),
        tuple(closes),
    )
