"""The allocator's settings and the hours of its stock market."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from arb_pipelines.allocation.hours import market_hours
from arb_pipelines.allocation.parameters import AllocationSettings, load_allocation
from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import ConfigError, DataError


def ns(text: str, zone: str = "America/New_York") -> int:
    """A wall-clock time of ``zone`` in ns."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * NS_PER_S


def test_defaults_are_the_published_ones() -> None:
    """Percent, seconds and counts of the method as it was described."""
    settings = AllocationSettings()
    assert (settings.protection, settings.protection_pct) == ("distance", 0.15)
    assert (settings.entry_tolerance_pct, settings.normal_tolerance_pct) == (0.57, 1.3)
    assert (settings.force_immediate_count, settings.out_of_hours_tolerance_pct) == (3, 4.7)
    assert (settings.fight_threshold, settings.cool_down_ns) == (8, 166 * NS_PER_S)
    assert settings.fight_cool_down_ns == 645 * NS_PER_S


def test_every_setting_tells_unit_and_reason() -> None:
    """No field without a description."""
    fields = AllocationSettings.model_fields
    assert all(field.description and len(field.description) > 20 for field in fields.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protection_pct: -0.1", r"a.yaml:1: protection_pct: .*greater than or equal to 0"),
        ("cool_down_s: .inf", r"a.yaml:1: cool_down_s: "),
        ("fight_threshold: 1", r"a.yaml:1: fight_threshold: "),
        ("protection: profit", r"a.yaml:1: protection: "),
        ("protektion_pct: 1", r"a.yaml:1: protektion_pct: unknown parameter"),
        ("normal_tolerance_pct: 0.5", "entry_tolerance_pct is wider than normal_tolerance_pct"),
        ("normal_tolerance_pct: 5", "out_of_hours_tolerance_pct is narrower"),
        ("fight_cool_down_s: 100", "fight_cool_down_s is shorter than cool_down_s"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(
    tmp_path: Path, text: str, message: str
) -> None:
    """File, line and setting are in the message."""
    file = tmp_path / "a.yaml"
    file.write_text(text + "\n")
    with pytest.raises(ConfigError, match=message):
        load_allocation(file)


@pytest.mark.parametrize(
    ("time", "is_open"),
    [
        ("2018-12-04 09:29:59", False),
        ("2018-12-04 09:30:00", True),
        ("2018-12-04 15:59:59", True),
        ("2018-12-04 16:00:00", False),  # closed at the close
        ("2018-12-05 12:00:00", False),  # day of mourning for George H. W. Bush
        ("2018-12-06 12:00:00", True),
        ("2018-12-08 12:00:00", False),  # a Saturday
        ("2019-11-28 12:00:00", False),  # Thanksgiving
        ("2019-11-29 12:59:59", True),  # the day after: closes at 13:00
        ("2019-11-29 13:00:00", False),
        ("2020-03-06 09:30:00", True),  # the last Friday in winter time
        ("2020-03-09 09:30:00", True),  # the first Monday in summer time
        ("2020-03-09 16:00:00", False),
        ("2020-11-02 09:30:00", True),  # the first Monday in winter time
    ],
)
def test_the_new_york_exchange_keeps_its_hours(time: str, is_open: bool) -> None:
    """Holidays, early closes, weekends and daylight saving, in local time."""
    assert market_hours().is_open(ns(time)) is is_open


def test_daylight_saving_moves_the_opening_in_utc() -> None:
    """9:30 in New York is 14:30 UTC in winter and 13:30 in summer; London changes later."""
    hours = market_hours()
    assert not hours.is_open(ns("2020-03-06 14:29:59", "UTC"))
    assert hours.is_open(ns("2020-03-09 13:30:00", "UTC"))
    london = market_hours("XLON")
    assert not london.is_open(ns("2020-03-09 07:59:59", "UTC"))
    assert london.is_open(ns("2020-03-30 07:00:00", "UTC"))


def test_a_break_in_the_session_is_closed() -> None:
    """Hong Kong rests from 12:00 to 13:00."""
    hours = market_hours("XHKG")
    times = ("11:59:59", "12:00:00", "12:59:59", "13:00:00")
    found = [hours.is_open(ns(f"2020-06-02 {time}", "Asia/Hong_Kong")) for time in times]
    assert found == [True, False, False, True]


def test_the_end_of_a_session_is_known_while_it_lasts() -> None:
    """Of an early close too; None while the market is closed."""
    hours = market_hours()
    assert hours.closes_at(ns("2019-11-29 10:00:00")) == ns("2019-11-29 13:00:00")
    assert hours.closes_at(ns("2019-11-29 13:00:00")) is None


def test_a_time_beyond_the_calendar_is_an_error_and_not_closed() -> None:
    """Before the first day and after the last; in between also where no session is."""
    hours = market_hours("XNYS", date(2019, 1, 1), date(2019, 12, 31))
    assert not hours.is_open(ns("2019-01-01 00:00:00", "UTC"))
    last = int(datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) * NS_PER_S
    assert not hours.is_open(last)
    for outside in (ns("2018-12-31 23:59:59", "UTC"), last + NS_PER_S):
        with pytest.raises(DataError, match=r"XNYS: .* outside the days it is known for"):
            hours.is_open(outside)


def test_calendars_are_built_once_and_unknown_ones_named() -> None:
    """Building one is slow; a mistyped code is the user's mistake."""
    assert market_hours() is market_hours()
    assert market_hours("24/7").is_open(ns("2020-12-25 03:00:00", "UTC"))
    with pytest.raises(ConfigError, match="no market calendar XNYZ"):
        market_hours("XNYZ")
