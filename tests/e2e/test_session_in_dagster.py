"""Sessions as a person has them: asked for on the command line, hosted and ended by Dagster.

One scenario with a real `arb ui` and a real `arb exchange`: the first session is terminated in
the UI, the second, which waited for it, is killed, and the third ends with the UI.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.alerts import alerts_path
from arb_pipelines.errors import DataError
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings
from tests.e2e.dagster_client import DagsterClient
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.test_dagster import free_port, lines_until, processes_of, tag

pytestmark = [pytest.mark.xdist_group("dagster-services"), pytest.mark.timeout(400)]

STRATEGY = """
name: thin
exchange: kucoin
universe: {start: [USDT]}
min_profit_bps: -40
max_slippage_bps: 500
capital_allocation: {mode: fixed_amount, amount: 100}
balances: {USDT: 5000}
max_age_ms: 60000
session: {books: depth5, depth: 5, flush_s: 1}
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A running `arb ui` beside a running exchange, and who sits at it."""

    client: DagsterClient
    exchange: ExchangeProcess
    environment: dict[str, str]
    home: Path

    def arb(self, *arguments: str) -> Any:
        """Run a command that prints JSON."""
        command = [sys.executable, "-m", "arb_pipelines.cli", *arguments, "--json"]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run_of(self, key: str) -> str:
        """Wait for the run of a session; give its id."""
        (run,) = self.client.wait_for_requests(1, tags=[tag("arb/session", key)])
        return str(run["runId"])

    def session(self, key: str) -> dict[str, Any]:
        """What the lake has of a session, as yet."""
        lake = Lake(load_settings(home=self.home), read_only=True)
        try:
            rows = lake.query("SELECT * FROM live_sessions WHERE session = ?", [key])
        except DataError:  # the lake is made by the first write
            return {}
        return rows.row(0, named=True) if len(rows) else {}

    def heartbeat(self, key: str) -> dict[str, Any]:
        """The last sign of life of a session."""
        beat: dict[str, Any] = json.loads(
            (self.home / "sessions" / key / "heartbeat.json").read_text()
        )
        return beat


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Start exchange and UI; in the end, SIGTERM must end sessions and leave no process behind."""
    home, strategies = map(tmp_path_factory.mktemp, ("home", "strategies"))
    (strategies / "thin.yaml").write_text(STRATEGY)
    market = tmp_path_factory.mktemp("exchange")
    with running_exchange(market, "--symbols", "12", "--balance", "USDT=10000") as exchange:
        environment = os.environ | {
            "ARB_HOME": str(home),
            "ARB_STRATEGIES": str(strategies),
            "ARB_KUCOIN_URL": exchange.rest,
            "ARB_KUCOIN_KEY": exchange.key,
            "ARB_KUCOIN_SECRET": exchange.secret,
            "ARB_KUCOIN_PASSPHRASE": exchange.passphrase,
        }
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, "-m", "arb_pipelines.cli", "ui", "--port", str(port)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            said = "".join(lines_until(process.stderr, "Dagster is on"))
            assert f"http://127.0.0.1:{port}" in said, said
            client = DagsterClient(f"http://127.0.0.1:{port}")
            yield Desk(client, exchange, environment, home)
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(90)
        assert code == 0
        assert processes_of(home) == []
        ended = [*home.glob("sessions/*/heartbeat.json")]
        assert {json.loads(file.read_text())["state"] for file in ended} <= {"ended", "lost"}


def test_a_session_from_its_request_to_its_end(desk: Desk) -> None:
    """Asked for, started, seen at work, terminated; the next is killed, one more left running."""
    client = desk.client
    first = desk.arb("session", "start", "--strategy", "thin", "--mode", "paper")["session"]
    run = desk.run_of(first)
    seen = client.until(
        lambda: client.figures("live_executions", run), lambda found: bool(found.get("executions"))
    )
    assert client.status(run) == "STARTED"
    assert (
        0
        < seen["executions"]
        <= client.until(
            lambda: desk.session(first), lambda row: row.get("executions", 0) >= seen["executions"]
        )["executions"]
    )

    second = desk.arb("session", "start", "--strategy", "thin")["session"]
    client.terminate(run)
    assert client.wait_for_run(run) == "CANCELED"
    ended = desk.session(first)
    assert (ended["state"], ended["end_reason"], ended["in_flight"]) == ("ended", "SIGINT", 0)
    assert desk.arb("session", "show", first)["state"] == "ended"

    run = desk.run_of(second)
    client.until(lambda: desk.session(second), lambda row: row.get("state") == "running")
    os.kill(desk.heartbeat(second)["pid"], signal.SIGKILL)
    lost = client.until(lambda: desk.session(second), lambda row: row["state"] != "running")
    assert lost["state"] == "lost"
    client.until(lambda: desk.heartbeat(second), lambda beat: beat["state"] == "lost")
    assert client.wait_for_run(run) == "FAILURE"
    alerts = map(json.loads, alerts_path(load_settings(home=desk.home)).read_text().splitlines())
    told = [alert for alert in alerts if alert["event"] == "session lost"]
    assert [(alert["session"], alert["restart"]) for alert in told] == [
        (second, "no: session.restart is not set")
    ]

    third = desk.arb("session", "start", "--strategy", "thin")["session"]
    client.until(lambda: desk.session(third), lambda row: row.get("state") == "running")
    assert not [path for path in desk.home.rglob("*") if holds_secret(path, desk.exchange)]


def holds_secret(path: Path, exchange: ExchangeProcess) -> bool:
    """Whether a file shows what only the environment may know."""
    if not path.is_file():
        return False
    content = path.read_bytes()
    return any(word.encode() in content for word in (exchange.secret, exchange.passphrase))
