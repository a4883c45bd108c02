"""Days and ranges of days as a person writes them."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import pytest

from arb_pipelines.clock import NS_PER_S, day_in, next_day_ns, parse_days, steady_ns
from arb_pipelines.errors import ConfigError


def test_a_range_has_both_its_ends() -> None:
    """A range is inclusive; a day alone is a range of one."""
    days = [date(2025, 8, 31), date(2025, 9, 1)]
    assert parse_days("2025-08-31..2025-09-01") == days
    assert parse_days("2025-08-31") == days[:1]


@pytest.mark.parametrize(
    "text", ["", "..", "2025-08-31..", "..2025-08-31", "2025-09-01..2025-08-31", "2025-09-31"]
)
def test_half_a_range_is_no_range(text: str) -> None:
    """A forgotten end is not taken for a single day."""
    with pytest.raises(ConfigError):
        parse_days(text)


@pytest.mark.parametrize(
    ("at", "day", "following"),
    [
        ("2026-01-05T22:59:59", date(2026, 1, 5), "2026-01-05T23:00:00"),
        ("2026-01-05T23:00:00", date(2026, 1, 6), "2026-01-06T23:00:00"),
        ("2026-03-28T23:00:00", date(2026, 3, 29), "2026-03-29T22:00:00"),  # a day of 23 hours
        ("2026-10-24T22:00:00", date(2026, 10, 25), "2026-10-25T23:00:00"),  # one of 25
    ],
)
def test_a_day_on_the_calendar_ends_at_its_own_midnight(at: str, day: date, following: str) -> None:
    """In Berlin, where clocks are set twice a year."""
    ts_ns, next_ns = (
        int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S
        for text in (at, following)
    )
    assert day_in(ts_ns, "Europe/Berlin") == day
    assert next_day_ns(ts_ns, "Europe/Berlin") == next_ns
    assert day_in(next_ns - 1, "Europe/Berlin") == day


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="no such clock here")
def test_ages_count_the_time_that_the_machine_slept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A book from before is not fresh after it."""
    clocks = {time.CLOCK_BOOTTIME: 100 * NS_PER_S, time.CLOCK_MONOTONIC: 100 * NS_PER_S}
    monkeypatch.setattr(time, "clock_gettime_ns", clocks.__getitem__)
    monkeypatch.setattr(time, "monotonic_ns", lambda: clocks[time.CLOCK_MONOTONIC])
    before = steady_ns()
    clocks[time.CLOCK_BOOTTIME] += 3600 * NS_PER_S
    assert steady_ns() - before == 3600 * NS_PER_S
