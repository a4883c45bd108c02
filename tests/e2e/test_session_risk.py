"""Risk at work in a session's own process: a breach that stands, and a kill switch that stops."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from arb_pipelines.clock import NS_PER_S, now_ns
from arb_pipelines.execution.control.client import ask
from arb_pipelines.research.state_files import reading_state, state_files
from arb_pipelines.research.strategy_standing import (
    Changed,
    pause_strategy,
    resume_strategy,
    standing,
)
from arb_pipelines.settings import Settings
from arb_pipelines.venues.base import OwnFill
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import SessionProcess, keys_of, running_session, until

pytestmark = pytest.mark.long

#: At 10 bps a leg it loses with every cycle.
LOSING = """
name: {name}
exchange: kucoin
universe: {{start: [USDT]}}
min_profit_bps: -40
max_slippage_bps: 500
max_age_ms: 60000
slots: 4
capital_allocation: {{mode: fixed_amount, amount: 100}}
balances: {{USDT: 5000}}
session: {{books: depth5, depth: 5, flush_s: 0.2}}
{risk}
"""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of twelve symbols whose market moves by itself."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "12", "--balance", "USDT=100000") as process:
        yield process


def losing(folder: Path, name: str, risk: str = "") -> Path:
    """Write a strategy that loses."""
    file = folder / f"{name}.yaml"
    file.write_text(LOSING.format(name=name, risk=risk), encoding="utf-8")
    return file


def arb(home: Settings, *arguments: str, code: int = 0) -> str:
    """Run a command; give what it prints."""
    command = [sys.executable, "-m", "arb_pipelines.cli", *arguments]
    environment = os.environ | {"ARB_HOME": str(home.root)}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == code, ended.stderr
    return ended.stdout if code == 0 else ended.stderr


def health(session: SessionProcess) -> dict[str, Any]:
    """Ask the newest session of a strategy how it is, once it answers."""
    folder = sorted(session.sessions.glob(f"{session.strategy}-*"))[-1]
    until(lambda: (folder / "control.sock").exists(), "socket")
    return ask(folder, "health")


def beat(session: SessionProcess) -> dict[str, Any]:
    """The newest session's last sign of life."""
    folder = sorted(session.sessions.glob(f"{session.strategy}-*"))[-1]
    try:
        told: dict[str, Any] = json.loads((folder / "heartbeat.json").read_bytes())
    except FileNotFoundError:
        return {}
    return told


def test_a_breach_stands_until_a_person_gives_a_reason(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """Three losses pause it, an alert says so; kill -9 and a restart change nothing."""
    file = losing(tmp_path, "loser", "risk: {losses: {in_a_row: 3}}")
    alerts = home.root / "logs" / "alerts.jsonl"
    with running_session(home.root, file, keys_of(exchange)) as session:
        until(lambda: alerts.exists() and alerts.read_bytes().endswith(b"\n"), "alert")
        alert = json.loads(alerts.read_bytes().splitlines()[0])
        assert (alert["event"], alert["strategy"]) == ("strategy paused", "loser")
        assert alert["why"] == "3 cycles in a row ended with a loss; the limit is 3"
        assert health(session)["state"] == "paused"
        session.process.send_signal(signal.SIGKILL)
        session.process.wait()
    first = sorted((home.root / "sessions").glob("loser-*"))
    until(lambda: now_ns() // NS_PER_S > int(first[0].stat().st_ctime), "second")  # a key's grain
    with running_session(home.root, file, keys_of(exchange)) as session:
        until(lambda: len(sorted(session.sessions.glob("loser-*"))) == 2, "second session")
        until(lambda: beat(session).get("signals", 0) > 20, "signals")
        told = health(session)
        assert (told["state"], told["in_flight"], beat(session)["executions"]) == ("paused", 0, 0)
        assert told["risk"]["paused"]["losses"]["until"] == "a person resumes"
        assert beat(session)["reason"].startswith("paused by losses: 3 cycles in a row")
        key = sorted(session.sessions.glob("loser-*"))[-1].name
        refused = arb(home, "session", "resume", key, code=2)
        assert "is paused by losses" in refused
        assert "resume with a reason" in refused
        arb(home, "session", "resume", key, "--reason", "it is meant to lose")
        until(lambda: beat(session)["executions"] >= 3, "executions")
        until(lambda: len(alerts.read_bytes().splitlines()) == 2, "second breach")
        assert pause_strategy(home, "loser", who="ada", reason="lunch") == [Changed(key, True)]
        assert set(health(session)["risk"]["paused"]) == {"losses", "paused"}
        assert session.stop()["counts"]["refused"]["losses"] > 20
    (stands,) = standing(home, "loser").values()
    by_hand, again, resumed, breach = stands.last
    assert (by_hand.check, by_hand.who, by_hand.why) == ("paused", "ada", "lunch")
    assert (resumed.what, resumed.why) == ("resumed", "it is meant to lose")
    assert again.check == breach.check == "losses"
    assert resumed.who not in ("engine", "somebody at its socket")
    journal = (home.root / "sessions" / key / "journal.ndjson").read_text()
    assert '"event":"risk"' in journal
    # nobody runs it now: the state file itself is told
    (changed,) = resume_strategy(home, "loser", who="ada", reason="looked at it")
    assert not changed.running
    (stands,) = standing(home, "loser").values()
    assert (stands.pauses, stands.last[0].who) == ((), "ada")
    pause_strategy(home, "loser", who="ada", reason="over for today")
    (stands,) = standing(home, "loser").values()
    assert [pause.check for pause in stands.pauses] == ["paused"]


@pytest.mark.parametrize(
    "thrown_by", [pytest.param("command", marks=pytest.mark.each_time), "signal"]
)
def test_a_kill_switch_lets_only_what_brings_home_leave(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path, thrown_by: str
) -> None:
    """A second after it no cycle begins, and all that had begun come to an end."""
    file = losing(tmp_path, "killed")
    slow = {"kind": "delay", "match": "POST /api/v1/hf/orders", "ms": 150, "count": 1_000_000}
    exchange.operate("POST", "/faults", slow)
    began = now_ns()
    try:
        with running_session(home.root, file, keys_of(exchange)) as session:
            session.traded(5)
            thrown = now_ns()
            if thrown_by == "command":
                said = arb(home, "kill", "--reason", "prices look wrong")
                assert session.folder.name in said
                assert "arb kill --lift" in said
                thrown = now_ns()
            else:
                session.process.send_signal(signal.SIGUSR1)
            out, errors = session.process.communicate(timeout=30)
            assert session.process.returncode == 0, errors
    finally:
        exchange.operate("DELETE", "/faults")
    summary = json.loads(out)
    assert summary["reason"].startswith("kill switch: ")
    assert ("prices look wrong" in summary["reason"]) == (thrown_by == "command")
    assert (summary["in_flight"], summary["open_orders"]) == (0, [])
    fills = fills_since(exchange, began)
    begins = [fill for fill in fills if fill.client_id.endswith("-0")]
    assert len(begins) >= 5
    assert max(fill.ts_event for fill in begins) < thrown + NS_PER_S
    (state,) = state_files(home)
    with reading_state(state) as connection:
        (left,) = connection.execute(
            "SELECT count(*) FROM cycles WHERE ended_ns IS NULL"
        ).fetchone()
    assert left == 0
    refused = arb(home, "session", "run", "--strategy", str(file), code=2)
    assert re.search(r"KILL.*no session begins", refused)
    assert json.loads(arb(home, "kill", "--lift", "--json"))["lifted"].endswith("KILL")
    assert "no kill switch is thrown" in arb(home, "kill", "--lift", code=2)


def fills_since(exchange: ExchangeProcess, since_ns: int) -> list[OwnFill]:
    """What the exchange says was executed for the account."""

    async def told() -> list[OwnFill]:
        keys = Credentials(*map(SecretStr, (exchange.key, exchange.secret, exchange.passphrase)))
        async with Rest(exchange.rest, Signer(keys)) as client:
            return list(await KucoinAccount(client).fills(since_ns, exchange.symbols))

    return asyncio.run(told())
