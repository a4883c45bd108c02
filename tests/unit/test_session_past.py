"""Which earlier sessions of an account may have left something at the venue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.limits import SessionLimits
from arb_pipelines.execution.session_risk import SessionRisk
from arb_pipelines.research.session_past import left_on_account
from arb_pipelines.trading.session_rules import SessionRules

ENDED = {"state": "ended", "in_flight": 0, "open_orders": [], "unrecovered": False}


def session(
    home: Path, key: str, beat: dict[str, Any] | None, ts_ns: int = 1, **changes: str
) -> Path:
    """Leave the folder of a session on the account 'mine' of KuCoin."""
    folder = home / key
    folder.mkdir()
    began = {"ts_ns": ts_ns, "event": "began", "venue": "kucoin", "account": "mine"} | changes
    early = b'{"ts_ns":1,"event":"intent","client_id":"a-0-0","symbol":"BTC-USDT","side":0}\n'
    (folder / "journal.ndjson").write_bytes(early + orjson.dumps(began) + b"\n")
    if beat is not None:
        (folder / "heartbeat.json").write_bytes(orjson.dumps(beat))
    return folder


def left(home: Path, *but: Path) -> list[str]:
    return [folder.name for folder in left_on_account(home, "kucoin", "mine", but)]


def test_sessions_that_did_not_end_well_are_looked_into_oldest_first(tmp_path: Path) -> None:
    """Whatever their heartbeats say: who asks holds the lock of the account."""
    session(tmp_path, "killed", {"state": "running", "in_flight": 0}, ts_ns=3)
    session(tmp_path, "silent", None, ts_ns=1)
    session(tmp_path, "lost", {"state": "lost", "in_flight": 2}, ts_ns=2)
    session(tmp_path, "failed", {"state": "failed", "reason": "no disk"}, ts_ns=4)
    own = session(tmp_path, "own", {"state": "running"})
    assert left(tmp_path, own) == ["silent", "lost", "killed", "failed"]


def test_sessions_that_left_nothing_are_not_read(tmp_path: Path) -> None:
    """By their last heartbeat, which names what is out."""
    session(tmp_path, "well", ENDED)
    session(tmp_path, "failed", ENDED | {"state": "failed"})
    assert left(tmp_path) == []
    session(tmp_path, "in-flight", ENDED | {"in_flight": 1}, ts_ns=1)
    session(tmp_path, "open", ENDED | {"open_orders": ["a-0-0"]}, ts_ns=2)
    session(tmp_path, "unrecovered", ENDED | {"unrecovered": True}, ts_ns=3)
    assert left(tmp_path) == ["in-flight", "open", "unrecovered"]


def test_what_is_on_another_account_is_not_ours_to_look_into(tmp_path: Path) -> None:
    """Nor what is at another venue, or is no session."""
    session(tmp_path, "theirs", None, account="theirs")
    session(tmp_path, "elsewhere", None, venue="okx")
    (tmp_path / "locks").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "journal.ndjson").touch()
    assert left(tmp_path) == []


def test_what_was_found_out_reaches_the_limit() -> None:
    """A session that is restarted again and again loses no more than it may."""
    controls = Controls()
    limits = SessionLimits(SessionRules(max_loss={"USDT": 50.0}), controls)
    risk: Any = SessionRisk(None, controls, limits)  # type: ignore[arg-type]
    risk.on_recovered("BTC", -1.0)
    risk.on_recovered("USDT", -49.0)
    assert not controls.stopping.is_set()
    risk.on_recovered("USDT", -1.0)
    assert controls.stop_reason == "max_loss: 50 of 50 USDT are lost"
