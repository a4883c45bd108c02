"""Sessions as a person has them: asked for on the command line, hosted and ended by Dagster.

One scenario with a real `arb ui` and a real `arb exchange`: the first session is terminated in
the UI, the second, which waited for it, is killed, and the third ends with the UI. The account's
keys are then looked for in all that was shown, said and written.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.alerts import alerts_path
from arb_pipelines.clock import NS_PER_S, now_ns
from arb_pipelines.errors import DataError
from arb_pipelines.execution.state.reader import StateReader, open_state_for_reading
from arb_pipelines.execution.state.values import OrderStatus
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings
from assets.sessions import SESSION_TAG
from tests.e2e.dagster_client import DagsterClient
from tests.e2e.dagster_process import running_ui, tag
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import keys_of, secrets_of
from tests.leaks import leaks, leaks_in

pytestmark = [pytest.mark.xdist_group("dagster-services"), pytest.mark.timeout(400)]

#: From Terminate to the end of the session.
END_WITHIN_S = 10
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

    def sent_since(self, ts_ns: int) -> str | None:
        """A cycle that has an order out which was intended after that moment, if one has."""
        with self._state() as state:
            for cycle in state.open_cycles():
                for order in state.orders(cycle.id):
                    if order.status is OrderStatus.INTENDED and order.intended_ns > ts_ns:
                        return cycle.id
        return None

    def ended_ns(self, cycle: str) -> int:
        """When a cycle ended."""
        with self._state() as state:
            ended_ns = state.cycle(cycle).ended_ns
        assert ended_ns is not None
        return ended_ns

    def _state(self) -> AbstractContextManager[StateReader]:
        (file,) = (self.home / "state").glob("*[0-9a-f].sqlite")
        return open_state_for_reading(file)

    def heartbeat(self, key: str) -> dict[str, Any]:
        """The last sign of life of a session."""
        beat: dict[str, Any] = json.loads(
            (self.home / "sessions" / key / "heartbeat.json").read_text()
        )
        return beat


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Start exchange and UI; as these end, sessions must have ended, and no key be anywhere."""
    home, strategies = map(tmp_path_factory.mktemp, ("home", "strategies"))
    (strategies / "thin.yaml").write_text(STRATEGY)
    market = tmp_path_factory.mktemp("exchange")
    with running_exchange(market, "--symbols", "12", "--balance", "USDT=10000") as exchange:
        environment = os.environ | {
            "ARB_HOME": str(home),
            "ARB_STRATEGIES": str(strategies),
            "ARB_LOG_LEVEL": "debug",
            **keys_of(exchange),
        }
        with running_ui(environment) as (client, said):
            yield Desk(client, exchange, environment, home)
        ended = [*home.glob("sessions/*/heartbeat.json")]
        assert {json.loads(file.read_text())["state"] for file in ended} <= {"ended", "lost"}
        assert leaks(secrets_of(exchange), home, {"stderr of arb ui": "".join(said)}.items()) == []


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
    slow = {"kind": "delay", "match": "POST /api/v1/hf/orders", "ms": 1_500, "count": 1000}
    desk.exchange.operate("POST", "/faults", slow)
    armed_ns = now_ns()
    cycle = client.until(lambda: desk.sent_since(armed_ns), lambda found: found is not None)
    asked_ns = now_ns()
    client.terminate(run)
    client.until(lambda: desk.heartbeat(first), lambda beat: beat["state"] == "ended")
    desk.exchange.operate("DELETE", "/faults")
    assert desk.heartbeat(first)["ts_ns"] - asked_ns <= END_WITHIN_S * NS_PER_S
    assert client.wait_for_run(run) == "CANCELED"
    ended = desk.session(first)
    assert (ended["state"], ended["end_reason"], ended["in_flight"]) == ("ended", "SIGINT", 0)
    assert (
        asked_ns < desk.ended_ns(cycle) <= ended["ts_ended"] <= asked_ns + END_WITHIN_S * NS_PER_S
    )
    assert desk.arb("session", "show", first)["state"] == "ended"

    run = desk.run_of(second)
    client.until(lambda: desk.session(second), lambda row: row.get("state") == "running")
    os.kill(desk.heartbeat(second)["pid"], signal.SIGKILL)
    third = desk.arb("session", "start", "--strategy", "thin")["session"]
    lost = client.until(lambda: desk.session(second), lambda row: row["state"] != "running")
    assert lost["state"] == "lost"
    client.until(lambda: desk.heartbeat(second), lambda beat: beat["state"] == "lost")
    assert client.wait_for_run(run) == "FAILURE"
    alerts = map(json.loads, alerts_path(load_settings(home=desk.home)).read_text().splitlines())
    told = [alert for alert in alerts if alert["event"] == "session lost"]
    assert [(alert["session"], alert["restart"]) for alert in told] == [
        (second, "no: session.restart is not set")
    ]

    client.until(lambda: desk.session(third), lambda row: row.get("state") == "running")
    shown = [*client.shown()]
    assert leaks_in(shown, secrets_of(desk.exchange)) == []
    seen = leaks_in(shown, {"first": first})  # what is there is found
    kinds = {place.rpartition(", ")[2] for place in seen}
    assert {"config", f"tag {SESSION_TAG}", "MaterializationEvent.text"} <= kinds
