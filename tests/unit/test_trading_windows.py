"""The hours of a trading window: what a strategy file may say, and which moments lie in it."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import ValidationError

from arb_pipelines.clock import NS_PER_S, compact, window_at
from arb_pipelines.trading.session_rules import SessionRules, TradingWindow


def ns(text: str) -> int:
    """Nanoseconds of an ISO time, UTC unless it says otherwise."""
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()) * NS_PER_S


@pytest.mark.parametrize("quoted", [True, False])
def test_hours_may_be_written_bare(quoted: bool) -> None:
    """YAML reads a bare 17:30 as the number 1050; it means half past five all the same."""
    hours = "open: '09:00', close: '17:30'" if quoted else "open: 09:00, close: 17:30"
    window = SessionRules.model_validate(yaml.safe_load(f"window: {{{hours}}}")).window
    assert window == TradingWindow(open=time(9), close=time(17, 30))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("open", 1440, "HH:MM"),
        ("open", 9.5, "HH:MM"),
        ("close", "25:00", "hour"),
        ("close", "17:30+01:00", "zone"),
        ("zone", "Mars/Olympus", "no time zone"),
        ("zone", "../secrets", "no time zone"),
    ],
)
def test_hours_that_are_none_are_refused(field: str, value: object, reason: str) -> None:
    """The message says what to write instead."""
    with pytest.raises(ValidationError, match=reason):
        TradingWindow.model_validate({"open": "09:00", "close": "17:30", field: value})


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-01-05T07:59:59", None),
        ("2026-01-05T08:00:00", ("2026-01-05T08:00:00", "2026-01-05T16:30:00")),
        ("2026-01-05T16:29:59", ("2026-01-05T08:00:00", "2026-01-05T16:30:00")),
        ("2026-01-05T16:30:00", None),
        ("2026-07-06T07:00:00", ("2026-07-06T07:00:00", "2026-07-06T15:30:00")),
    ],
)
def test_a_window_is_of_the_clock_on_the_wall(at: str, expected: tuple[str, str] | None) -> None:
    """Nine o'clock in Berlin is eight in winter and seven in summer, opening included."""
    found = window_at(ns(at), time(9), time(17, 30), "Europe/Berlin")
    assert found == (None if expected is None else tuple(map(ns, expected)))


def test_a_window_over_midnight_belongs_to_the_day_it_opened() -> None:
    """From ten in the evening to two in the morning, seen from both sides of midnight."""
    expected = (ns("2026-01-05T22:00:00"), ns("2026-01-06T02:00:00"))
    for at in ("2026-01-05T23:00:00", "2026-01-06T01:59:59"):
        assert window_at(ns(at), time(22), time(2), "UTC") == expected
    assert window_at(ns("2026-01-06T02:00:00"), time(22), time(2), "UTC") is None


def test_a_window_that_closes_when_it_opens_is_the_whole_day() -> None:
    """Every moment lies in it, also on the day that has 25 hours."""
    zone = ZoneInfo("Europe/Berlin")
    for hour in range(50):
        at = int(datetime(2026, 10, 24, 0, tzinfo=zone).timestamp()) + 3600 * hour
        found = window_at(at * NS_PER_S, time(0), time(0), "Europe/Berlin")
        assert found is not None
        assert found[0] <= at * NS_PER_S < found[1]


def test_a_moment_becomes_part_of_a_file_s_name() -> None:
    """To the second, in UTC, without what a path does not like."""
    assert compact(ns("2026-01-05T09:30:00") + 999) == "20260105T093000Z"
