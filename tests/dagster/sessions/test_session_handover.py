"""Requests whose account is traded: the process that trades it is asked to take them in."""

from __future__ import annotations

import json
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from arb_pipelines.execution.control.client import SOCKET
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import begin_session, drop_request, waiting_request
from arb_pipelines.research.session_requests import SessionRequest, new_request
from sensors.sessions import sessions
from tests.dagster.sessions.accounts import add_run, beat, evaluate, skipped

pytestmark = pytest.mark.xdist_group("dagster-main-job")
Answer = Callable[[dict[str, Any]], dict[str, Any]]


@contextmanager
def listening(folder: Path, answer: Answer) -> Iterator[list[dict[str, Any]]]:
    """Have a session's socket answered within the block; give what it was asked."""
    asked: list[dict[str, Any]] = []

    class Told(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            request = json.loads(self.rfile.readline())
            asked.append(request)
            self.wfile.write(json.dumps({"op": request["op"], **answer(request)}).encode() + b"\n")

    with (
        tempfile.TemporaryDirectory(prefix="arb-") as short,  # an address has room for 107 bytes
        socketserver.UnixStreamServer(f"{short}/s", Told) as server,
    ):
        (folder / SOCKET).symlink_to(f"{short}/s")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def running(lake: Lake, instance: dg.DagsterInstance, *, state: str = "running") -> SessionRequest:
    """A session of a run of Dagster's, by its heartbeat."""
    request = new_request(lake.settings, "alpha")
    add_run(instance, request.key, dg.DagsterRunStatus.STARTED)
    beat(lake.settings, request, age_s=1, state=state)
    return request


def test_the_process_that_trades_the_account_is_handed_the_request(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    """It gets the request with all it says, begins the session, and no run is started."""
    host, guest = running(lake, instance), new_request(lake.settings, "beta", minutes=7)
    file = drop_request(lake.settings, guest)

    def take_in(asked: dict[str, Any]) -> dict[str, Any]:
        request = waiting_request(lake.settings, Path(asked["strategy"])).request
        assert (request.key, request.minutes) == (guest.key, 7)
        begin_session(lake.settings, request)
        return {"ok": True, "session": request.key}

    with listening(lake.settings.sessions / host.key, take_in) as asked:
        said = skipped(evaluate(lake, instance))
        assert skipped(evaluate(lake, instance)) == "no session to begin"
    assert said == f"{guest.key} trades in the process of {host.key}"
    assert asked == [{"op": "add", "strategy": str(file)}]


def test_a_request_that_is_not_taken_in_waits_and_is_offered_once(
    lake: Lake, instance: dg.DagsterInstance
) -> None:
    """With the reason, tick by tick; who trades is not asked the same again and again."""
    host, guest = running(lake, instance), new_request(lake.settings, "beta")
    file, cursor = drop_request(lake.settings, guest), None
    no = {"ok": False, "detail": "beta.yaml: nothing free of USDT"}
    with listening(lake.settings.sessions / host.key, lambda asked: no) as asked:
        for _ in range(3):
            with dg.build_sensor_context(
                instance=instance, cursor=cursor, resources={"lake": lake}
            ) as context:
                tick = sessions.evaluate_tick(context)
            cursor, said = tick.cursor, str(tick.skip_message)
            assert f"{guest.key} waits for {host.key}: one session an account" in said
            assert "nothing free of USDT" in said
    assert len(asked) == 1
    assert file.exists()


@pytest.mark.parametrize(
    ("state", "hosted", "strategy"),
    [
        ("starting", True, "beta"),
        ("stopping", True, "beta"),
        ("running", False, "beta"),
        ("running", True, "alpha"),
    ],
)
def test_who_is_not_asked(
    lake: Lake, instance: dg.DagsterInstance, state: str, hosted: bool, strategy: str
) -> None:
    """One that does not trade, or in a person's foreground; or that trades the same strategy."""
    host = new_request(lake.settings, "alpha", key="alpha-kucoin-20260105T093000Z")
    beat(lake.settings, host, age_s=1, state=state)
    if hosted:
        add_run(instance, host.key, dg.DagsterRunStatus.STARTED)
    file = drop_request(lake.settings, new_request(lake.settings, strategy))
    with listening(lake.settings.sessions / host.key, lambda asked: {"ok": True}) as asked:
        assert f"waits for {host.key}" in skipped(evaluate(lake, instance))
    assert asked == []
    assert file.exists()
