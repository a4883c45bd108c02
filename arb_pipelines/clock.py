"""Time as integer nanoseconds since the Unix epoch, UTC.

Conversions between nanoseconds, days and text live here and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from arb_pipelines.errors import ConfigError

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_DAY = 86_400 * NS_PER_S
_EPOCH = date(1970, 1, 1)
#: Nobody sets it; Linux has one that goes on while the machine is suspended.
_STEADY: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
#: What the wall's clock was ahead of the steady one when the process began.
_AHEAD_NS = time.time_ns() - time.clock_gettime_ns(_STEADY)


def now_ns() -> int:
    """Wall-clock time in nanoseconds."""
    return time.time_ns()


def since_boot_ns() -> int:
    """Time since the machine began, its sleep included (on Linux), by a clock that nobody sets."""
    return time.clock_gettime_ns(_STEADY)


def steady_ns() -> int:
    """Wall-clock time as of the process's start, carried on by a clock that nobody sets.

    What a session measures ages by: it never steps, so a book does not stay fresh for an
    hour since the wall was set back by one, nor since the machine slept for one (on Linux).
    It may differ from the wall by steps of that.
    """
    return _AHEAD_NS + time.clock_gettime_ns(_STEADY)


def day_of(ts_ns: int) -> date:
    """UTC day that holds ``ts_ns``."""
    return _EPOCH + timedelta(days=ts_ns // NS_PER_DAY)


def day_start_ns(day: date) -> int:
    """First nanosecond of ``day``, UTC."""
    return (day - _EPOCH).days * NS_PER_DAY


def iso(ts_ns: int) -> str:
    """RFC 3339 text of ``ts_ns`` with all nine digits of the second."""
    seconds, ns = divmod(ts_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def compact(ts_ns: int) -> str:
    """Text of ``ts_ns`` to the second, fit for a file's name: ``20260105T093000Z``."""
    return f"{datetime.fromtimestamp(ts_ns // NS_PER_S, UTC):%Y%m%dT%H%M%SZ}"


def window_at(
    ts_ns: int, opening: time_of_day, closing: time_of_day, zone: str
) -> tuple[int, int] | None:
    """Opening and closing of the daily window that holds ``ts_ns``, in ns, if one does.

    The times are those of a clock on the wall in ``zone``; a closing that is not later than
    the opening is on the next day.
    """
    there = ZoneInfo(zone)
    today = datetime.fromtimestamp(ts_ns // NS_PER_S, there).date()
    for day in (today, today - timedelta(days=1)):
        last = day + timedelta(days=closing <= opening)
        start_ns, end_ns = (
            int(datetime.combine(on, at, there).timestamp()) * NS_PER_S
            for on, at in ((day, opening), (last, closing))
        )
        if start_ns <= ts_ns < end_ns:
            return start_ns, end_ns
    return None


def day_in(ts_ns: int, zone: str) -> date:
    """Day on a calendar in ``zone`` that holds ``ts_ns``."""
    return datetime.fromtimestamp(ts_ns // NS_PER_S, ZoneInfo(zone)).date()


def next_day_ns(ts_ns: int, zone: str) -> int:
    """First nanosecond of the day in ``zone`` after the one that holds ``ts_ns``."""
    there = ZoneInfo(zone)
    following = day_in(ts_ns, zone) + timedelta(days=1)
    return int(datetime.combine(following, time_of_day.min, there).timestamp()) * NS_PER_S


def parse_epoch_seconds(text: str) -> int:
    """Read decimal seconds since the epoch (``'1619378326.3942132'``) exactly, as nanoseconds.

    Digits beyond the ninth are dropped. Never goes through a float, which would
    be off by up to 240 ns.

    Raises:
        ValueError: the text is not such a number.
    """
    whole, _, fraction = text.partition(".")
    if not whole.isdecimal() or (fraction and not fraction.isdecimal()):
        raise ValueError(f"{text!r} is not a number of seconds")
    return int(whole) * NS_PER_S + int(f"{fraction:0<9.9}")


def parse_day(text: str) -> date:
    """Read ``YYYY-MM-DD``.

    Raises:
        ConfigError: the text is not such a day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a day; write YYYY-MM-DD") from None


def parse_days(text: str) -> list[date]:
    """Read one day or an inclusive range ``YYYY-MM-DD..YYYY-MM-DD``, in order.

    Raises:
        ConfigError: a day does not parse, or the range runs backwards.
    """
    first, dots, last = text.partition("..")
    start = parse_day(first)
    end = parse_day(last) if dots else start
    if end < start:
        raise ConfigError(f"the range {text} runs backwards")
    return list(_days(start, end))


def _days(start: date, end: date) -> Iterator[date]:
    for offset in range((end - start).days + 1):
        yield start + timedelta(days=offset)
