"""Limits of a session, what counts against them after a restart, and its locks."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.limits import (
    SessionLimits,
    Spent,
    found_kill_file,
    kill_files,
    watch_kill_files,
)
from arb_pipelines.execution.locks import account_held, held
from arb_pipelines.execution.session_risk import SessionRisk
from arb_pipelines.execution.spent import read_spent
from arb_pipelines.trading.events import Approved, CycleSignal, Ended, Refused, Signal
from arb_pipelines.trading.session_rules import SessionRules

SIGNAL = CycleSignal(1, "s", 0, 1.01)


class Willing:
    """A gate that lets everything pass."""

    def review(self, signal: Signal) -> Approved | Refused:
        return Approved(signal, 1.0)

    def on_ended(self, ended: Ended) -> None:
        return None


def test_executions_stop_at_their_number_and_the_session_when_the_last_has_ended() -> None:
    """Those that sent nothing do not count."""
    controls = Controls()
    limits = SessionLimits(SessionRules(max_executions=2), controls)
    risk = SessionRisk(Willing(), controls, limits)
    first = risk.review(SIGNAL)
    declined = risk.review(SIGNAL)
    assert isinstance(first, Approved)
    assert isinstance(declined, Approved)
    assert risk.review(SIGNAL) == Refused(SIGNAL, "max_executions")
    risk.on_ended(Ended(declined, 2, declined="edge"))
    third = risk.review(SIGNAL)
    assert isinstance(third, Approved)
    risk.on_ended(Ended(first, 3))
    assert not controls.stopping.is_set()
    risk.on_ended(Ended(third, 4))
    assert controls.stop_reason == "max_executions: 2 of 2"
    assert risk.review(SIGNAL) == Refused(SIGNAL, "stopping")


def test_a_loss_stops_at_its_limit_in_its_own_currency() -> None:
    """What another currency earns does not make up for it."""
    controls = Controls()
    limits = SessionLimits(SessionRules(max_loss={"USDT": 1.0}), controls)
    limits.on_profit("BTC", -5.0)
    limits.on_profit("USDT", 0.5)
    limits.on_profit("USDT", -1.25)
    assert not controls.stopping.is_set()
    limits.on_profit("USDT", -0.25)
    assert controls.stop_reason == "max_loss: 1 of 1 USDT are lost"


@given(
    profits=st.lists(st.floats(-2, 2, allow_nan=False), max_size=20),
    most=st.floats(0.1, 5, allow_nan=False),
    cut=st.integers(0, 20),
)
def test_a_restart_makes_no_room(profits: list[float], most: float, cut: int) -> None:
    """A session that goes on stops where one that never ended would have."""
    rules = SessionRules(max_loss={"USDT": most})
    total, expected = 0.0, None
    for number, profit in enumerate(profits):
        total += profit
        if -total >= most:
            expected = number
            break
    controls = Controls()
    limits, stopped = SessionLimits(rules, controls), None
    for number, profit in enumerate(profits):
        if number == cut and not controls.stopping.is_set():
            controls = Controls()
            limits = SessionLimits(rules, controls, limits.spent)
        limits.on_profit("USDT", profit)
        if controls.stopping.is_set():
            stopped = number
            break
    assert stopped == expected


def test_limits_that_are_used_up_stop_a_session_as_it_begins() -> None:
    """By number as by loss."""
    for rules, spent in (
        (SessionRules(max_executions=3), Spent(3)),
        (SessionRules(max_loss={"USDT": 2.0}), Spent(1, {"USDT": -2.5})),
    ):
        controls = Controls()
        SessionLimits(rules, controls, spent)
        assert controls.stopping.is_set()


def test_the_journal_tells_what_was_spent(tmp_path: Path) -> None:
    """Of all its files, both starts, and without the line that a crash cut short."""
    (tmp_path / "journal.000001.ndjson").write_text(
        '{"ts_ns":1,"event":"intent","client_id":"aa-0-0","symbol":"BTC-USDT","side":0}\n'
        '{"ts_ns":2,"event":"intent","client_id":"aa-0-1","symbol":"ETH-BTC","side":0}\n'
        '{"ts_ns":3,"event":"cycle","execution":0,"spent":100.0,"returned":99.0,"cycle":4}\n'
        '{"ts_ns":4,"event":"intent","client_id":"aa-1-0","symbol":"BTC-USDT","side":1}\n'
    )
    (tmp_path / "journal.ndjson").write_text(
        '{"ts_ns":5,"event":"cycle","execution":1,"spent":1.0,"returned":1.5,"cycle":4}\n'
        '{"ts_ns":6,"event":"intent","client_id":"bb-0-0","symbol":"BTC-USDT","side":0}\n'
        '{"ts_ns":7,"event":"cycle","execution":0,"spent":10.0,"returned":12.0,"cycle":4}\n'
        '{"ts_ns":8,"event":"intent","client_id":"bb-1-0","symbol":"BTC-USDT","side":0}\n'
        '{"ts_ns":9,"event":"cyc'
    )
    assert read_spent(tmp_path) == Spent(4, {"USDT": 1.0, "BTC": 0.5})
    assert read_spent(tmp_path / "nothing") == Spent()


def test_what_two_sessions_spent_adds_up() -> None:
    """By currency."""
    both = Spent(2, {"USDT": -1.0}) + Spent(3, {"USDT": 0.25, "BTC": 1.0})
    assert both == Spent(5, {"USDT": -0.75, "BTC": 1.0})


def test_a_kill_file_stops_by_its_name(tmp_path: Path) -> None:
    """That of all sessions as that of one."""
    sessions = tmp_path / "sessions"
    (sessions / "mine").mkdir(parents=True)
    (sessions / "other").mkdir()
    files = kill_files(sessions, "mine")
    (sessions / "other" / "KILL").touch()
    assert found_kill_file(files) is None

    async def watched(file: Path) -> list[str]:
        reasons: list[str] = []
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch_kill_files(files, reasons.append))
            file.touch()
            await asyncio.wait_for(watching, 10)
        file.unlink()
        return reasons

    for file in (tmp_path / "KILL", sessions / "mine" / "KILL"):
        assert asyncio.run(watched(file)) == [f"kill switch: {file}"]


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    """Who finds it taken learns by which session, and it is free as soon as that one ends."""
    with held(tmp_path, "thin@kucoin", "thin-kucoin-1"):
        with (
            pytest.raises(ConfigError, match=rf"thin-kucoin-1 \(process {os.getpid()}\)"),
            held(tmp_path, "thin@kucoin", "thin-kucoin-2"),
        ):
            pass
        with held(tmp_path, "other@kucoin", "other-kucoin-1"):
            pass
    with held(tmp_path, "thin@kucoin", "thin-kucoin-2"):
        pass


def test_who_is_in_more_of_a_hurry_shortens_the_end() -> None:
    """The first reason stands, the shortest time counts."""
    controls = Controls()
    controls.stop("its minutes are over")
    controls.stop("SIGTERM", settle_s=7.0)
    controls.stop("again", settle_s=30.0)
    assert controls.stop_reason == "its minutes are over"
    assert controls.settle_s == 7.0


def test_an_account_is_one_sessions_whatever_home_it_is_traded_from(tmp_path: Path) -> None:
    """Two homes with the same key would sell each other's coins; another account is free."""
    first, second = tmp_path / "first" / "locks", tmp_path / "second" / "locks"
    with account_held(first, "kucoin", "42", "one"):
        with (
            pytest.raises(ConfigError, match=r"account-kucoin-42 is traded by session one"),
            account_held(second, "kucoin", "42", "two"),
        ):
            pass
        with account_held(second, "kucoin", "43", "two"):
            pass
    with account_held(second, "kucoin", "42", "two"):
        pass
