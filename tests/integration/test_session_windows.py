"""A trading window asks for its session: once, when it is open and the day's universe is there."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.lake.schemas import CYCLES
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import (
    begin_session,
    reject,
    requests_folder,
    waiting_requests,
)
from arb_pipelines.research.session_windows import ask_for_open_windows
from arb_pipelines.settings import load_settings

STRATEGY = """
name: alpha
exchange: kucoin
universe: {start: [USDT]}
min_profit_bps: 1
capital_allocation: {mode: fixed_amount, amount: 100}
balances: {USDT: 1000}
session: {window: {open: 09:00, close: 17:30, zone: UTC}}
"""
#: 2026-01-05T09:00:00Z, when the window opens.
OPENS_NS = 1_767_603_600 * NS_PER_S
NOON_NS = OPENS_NS + 3 * 3600 * NS_PER_S
DAY = date(2026, 1, 5)
KEY = "alpha-kucoin-20260105T090000Z"


@pytest.fixture
def traded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake without a universe, of a home with one strategy that has a window."""
    folder = tmp_path / "strategies"
    folder.mkdir()
    (folder / "alpha.yaml").write_text(STRATEGY)
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ARB_STRATEGIES", str(folder))
    return Lake(load_settings())


def add_universe(lake: Lake, day: date, venue: str = "kucoin") -> None:
    """Let a venue's day have a cycle."""
    plain = {"VARCHAR": "", "INTEGER": 3, "SMALLINT": 3, "BIGINT": 3, "DOUBLE": 0.0}
    row = {column.name: plain.get(column.type) for column in CYCLES.columns}
    row |= {"venue": venue, "day": day}
    lake.replace({"venue": venue, "day": day}, {CYCLES: CYCLES.frame([row])})


def test_a_window_asks_once_for_the_time_that_is_left(traded: Lake) -> None:
    """Under the key of its opening, so that a second look finds that it has asked."""
    add_universe(traded, DAY)
    assert ask_for_open_windows(traded, NOON_NS) == []
    assert ask_for_open_windows(traded, NOON_NS + NS_PER_S) == []
    (asked,), _ = waiting_requests(traded.settings)
    assert asked.request.key == KEY
    assert asked.request.minutes == 5.5 * 60


@pytest.mark.parametrize("now_ns", [OPENS_NS - 1, OPENS_NS + int(8.5 * 3600) * NS_PER_S])
def test_a_closed_window_asks_for_nothing(traded: Lake, now_ns: int) -> None:
    """Before it opens, and from the moment it closes."""
    add_universe(traded, DAY)
    assert ask_for_open_windows(traded, now_ns) == []
    assert waiting_requests(traded.settings) == ([], [])


def test_a_window_waits_for_the_universe_of_its_venue_and_day(traded: Lake) -> None:
    """That of yesterday or of another venue does not do; what it waits for is said."""
    add_universe(traded, date(2026, 1, 4))
    add_universe(traded, DAY, "okx")
    (waits,) = ask_for_open_windows(traded, NOON_NS)
    assert waits == f"{KEY} waits for the universe of kucoin of today"
    assert waiting_requests(traded.settings) == ([], [])
    add_universe(traded, DAY)
    assert ask_for_open_windows(traded, NOON_NS) == []
    assert len(waiting_requests(traded.settings)[0]) == 1


def test_a_session_of_a_window_that_was_stopped_is_not_asked_for_again(traded: Lake) -> None:
    """Who stopped it meant it; the next day's window asks again."""
    add_universe(traded, DAY)
    ask_for_open_windows(traded, NOON_NS)
    (asked,), _ = waiting_requests(traded.settings)
    begin_session(traded.settings, asked.request)
    assert ask_for_open_windows(traded, NOON_NS + NS_PER_S) == []
    assert waiting_requests(traded.settings) == ([], [])
    add_universe(traded, date(2026, 1, 6))
    ask_for_open_windows(traded, NOON_NS + 86_400 * NS_PER_S)
    (tomorrow,), _ = waiting_requests(traded.settings)
    assert tomorrow.request.key == "alpha-kucoin-20260106T090000Z"


def test_a_rejected_request_of_a_window_stays_rejected(traded: Lake) -> None:
    """Or it would be asked for, rejected and told every five seconds."""
    add_universe(traded, DAY)
    ask_for_open_windows(traded, NOON_NS)
    reject(requests_folder(traded.settings) / f"{KEY}.yaml", "its run failed")
    assert ask_for_open_windows(traded, NOON_NS) == []
    assert waiting_requests(traded.settings) == ([], [])
