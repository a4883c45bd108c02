"""Requests for sessions: what a file may say, what becomes of wrong ones, and whose turn it is."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from arb_pipelines.clock import NS_PER_S, now_ns
from arb_pipelines.errors import ConfigError
from arb_pipelines.research.request_folder import (
    Asked,
    admit_requests,
    begin_session,
    drop_request,
    requests_folder,
    waiting_requests,
)
from arb_pipelines.research.session_requests import SessionRequest, new_request
from arb_pipelines.research.session_turns import whose_turn
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.trading.session_rules import TradingMode

STRATEGY = """
name: {name}
exchange: kucoin
universe: {{start: [USDT]}}
min_profit_bps: 1
capital_allocation: {{mode: fixed_amount, amount: 100}}
balances: {{USDT: 1000}}
{more}
"""
#: 2026-01-05T09:30:00Z
WHEN_NS = 1_767_605_400 * NS_PER_S


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with two strategies: one on paper, one that says live."""
    folder = tmp_path / "strategies"
    folder.mkdir()
    (folder / "one.yaml").write_text(STRATEGY.format(name="alpha", more=""))
    (folder / "two.yaml").write_text(STRATEGY.format(name="beta", more="mode: live"))
    monkeypatch.setenv("ARB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ARB_STRATEGIES", str(folder))
    return load_settings()


def by_hand(settings: Settings, text: str, name: str = "mine.yaml", age_s: int = 60) -> Path:
    """Drop a file as a person would, ``age_s`` ago."""
    file = requests_folder(settings) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    changed = now_ns() - age_s * NS_PER_S
    os.utime(file, ns=(changed, changed))
    return file


def test_what_is_asked_for_is_what_waits(settings: Settings) -> None:
    """A dropped request reads back as it was, under its key, by name or by path."""
    path = str(settings.strategies / "one.yaml")
    request = new_request(settings, path, venue="okx", mode="paper", minutes=1.5)
    assert request.key.startswith("alpha-okx-2")
    file = drop_request(settings, request)
    (asked,), wrong = waiting_requests(settings)
    assert wrong == []
    assert (asked.file, asked.strategy, asked.venue) == (file, "alpha", "okx")
    read = asked.request
    assert (read.key, read.strategy) == (request.key, Path(path))
    assert (read.venue, read.mode, read.minutes) == ("okx", TradingMode.PAPER, 1.5)


@pytest.mark.parametrize("key", ["../x", "", "alpha", "alpha-kucoin-20260105T093000Z/../../x"])
def test_a_key_that_is_none_names_no_folder(settings: Settings, key: str) -> None:
    """Whoever gives it, by configuration or by hand: nothing is written."""
    path = str(settings.strategies / "one.yaml")
    with pytest.raises(ConfigError, match="is no key of a session"):
        new_request(settings, path, key=key)
    request = replace(new_request(settings, path), key=key)
    with pytest.raises(ConfigError, match="is no key of a session"):
        begin_session(settings, request)
    assert not settings.sessions.exists()


def test_one_second_holds_one_request(settings: Settings) -> None:
    """The same key twice is refused, and the first request stays as it is."""
    request = new_request(settings, "alpha", minutes=5)
    file = drop_request(settings, request)
    before = file.read_text()
    with pytest.raises(ConfigError, match="asked for already"):
        drop_request(settings, new_request(settings, "alpha", key=request.key))
    assert file.read_text() == before
    assert sorted(file.parent.iterdir()) == [file], "no part of a file is left"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("strategy: gamma", 1, "no strategy is named 'gamma'"),
        ("strategy: nowhere/x.yaml", 1, "no such strategy file"),
        ("strategy: alpha\nvenue: ../etc", 2, "venue"),
        ("strategy: alpha\nminutes: 0", 2, "greater than 0"),
        ("strategy: alpha\nminutes: .nan", 2, "finite"),
        ("strategy: alpha\nminutes: 20000", 2, "less than or equal to 10080"),
        ("strategy: alpha\nmode: real", 2, "mode"),
        ("strategy: alpha\nmode: live", 2, "does not say `mode: live`"),
        ("strategy: beta\nmode: live", 2, "ARB_ALLOW_LIVE=yes"),
        ("strategy: alpha\nkey: abc", 2, "key: unknown parameter"),
        ("strategy: alpha\nstrategy: beta", 2, "given twice"),
        ("venue: kucoin", 1, "strategy"),
        ("- strategy: alpha", 1, "not a mapping"),
        ("strategy: [", 1, "not YAML"),
        ("", 1, "not a mapping"),
    ],
)
def test_a_file_that_is_no_request_is_moved_away_once(
    settings: Settings, text: str, line: int, reason: str
) -> None:
    """With file, line and reason beside it; the next look finds nothing to reject."""
    file = by_hand(settings, text)
    asked, (rejected,) = admit_requests(settings)
    assert asked == []
    assert f"mine.yaml:{line}: " in rejected.reason
    assert reason in rejected.reason
    assert not file.exists()
    assert rejected.file == file.parent / "rejected" / "mine.yaml"
    assert rejected.file.read_text() == text
    assert rejected.file.with_suffix(".reason").read_text() == rejected.reason + "\n"
    assert admit_requests(settings) == ([], [])


def test_a_second_wrong_file_does_not_take_the_first_one_s_place(settings: Settings) -> None:
    """Both are there to be looked at."""
    for text in ("strategy: x", "strategy: y"):
        by_hand(settings, text)
        admit_requests(settings)
    rejected = requests_folder(settings) / "rejected"
    assert sorted(path.name for path in rejected.iterdir()) == [
        *("mine.1.reason", "mine.1.yaml", "mine.reason", "mine.yaml")
    ]


def test_a_file_that_is_being_written_is_left_alone(settings: Settings) -> None:
    """Half a request is not judged while it is younger than two seconds; a hidden one never is."""
    file = by_hand(settings, "strategy: alp", age_s=0)
    hidden = by_hand(settings, "strategy: [", ".mine.yaml.swp.yaml")
    assert admit_requests(settings) == ([], [])
    assert file.exists()
    assert hidden.exists()


def test_a_file_dropped_by_hand_gets_its_key_for_a_name(settings: Settings) -> None:
    """From the strategy, the venue and the moment it was dropped, so it is the same each time."""
    file = by_hand(settings, "strategy: alpha", "go.yml")
    os.utime(file, ns=(WHEN_NS, WHEN_NS))
    (asked,), _ = admit_requests(settings)
    assert asked.request.key == "alpha-kucoin-20260105T093000Z"
    assert asked.file.name == "alpha-kucoin-20260105T093000Z.yaml"
    assert asked.request.asked_ns == WHEN_NS
    assert admit_requests(settings) == ([asked], [])


def test_two_files_for_one_session_are_one_request(settings: Settings) -> None:
    """The second is rejected, since a key names one session."""
    for name in ("a.yaml", "b.yaml"):
        os.utime(by_hand(settings, "strategy: alpha", name), ns=(WHEN_NS, WHEN_NS))
    (asked,), (rejected,) = admit_requests(settings)
    assert asked.request.key == "alpha-kucoin-20260105T093000Z"
    assert "asks for the same session" in rejected.reason


def test_a_session_that_begins_waits_no_longer(settings: Settings) -> None:
    """Its request lies in its folder; beginning again, after a crash, changes nothing."""
    request = new_request(settings, "alpha", minutes=5)
    file = drop_request(settings, request)
    text = file.read_text()
    begin_session(settings, request)
    begin_session(settings, request)
    assert not file.exists()
    assert (settings.sessions / request.key / "request.yaml").read_text() == text
    assert waiting_requests(settings) == ([], [])


def asked(strategy: str, venue: str, second: int) -> Asked:
    """A request that waits."""
    key = f"{strategy}-{venue}-20260105T0930{second:02d}Z"
    request = SessionRequest(key, Path(f"{strategy}.yaml"), venue, None, None, second)
    return Asked(Path(f"{key}.yaml"), request, strategy, venue)


def test_one_session_a_strategy_and_venue_and_one_an_account() -> None:
    """The first of each account begins; the others wait, and say for which session."""
    first, same, account, other = (
        asked("alpha", "kucoin", 0),
        asked("alpha", "kucoin", 1),
        asked("beta", "kucoin", 2),
        asked("alpha", "okx", 3),
    )
    turns = {turn.asked: turn.wait for turn in whose_turn([first, same, account, other], [])}
    assert turns[first] is None
    assert turns[other] is None
    assert turns[same] == (
        f"{same.request.key} waits for {first.request.key}: one session a strategy and venue "
        "at a time"
    )
    assert "one session an account at a time" in str(turns[account])


def test_who_waits_begins_when_the_other_has_ended() -> None:
    """And one whose own run is on its way has had its turn."""
    one, two = asked("alpha", "kucoin", 0), asked("beta", "kucoin", 1)
    (turn,) = whose_turn([one, two], [one.request.key])
    assert turn.asked is two
    assert turn.wait is not None
    (turn,) = whose_turn([two], [])
    assert turn.wait is None


def test_a_strategy_whose_name_has_a_dash_is_not_another_s() -> None:
    """'alpha-x' on okx is neither 'alpha' nor the account of kucoin."""
    active = [asked("alpha-x", "okx", 0).request.key]
    (turn,) = whose_turn([asked("alpha", "kucoin", 1)], active)
    assert turn.wait is None
