"""`arb session start`, `list` and `show`, and what ends sessions with their service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from arb_pipelines import cli
from arb_pipelines.clock import iso, now_ns
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import requests_folder
from arb_pipelines.research.session_ends import end_sessions_of
from arb_pipelines.research.session_folders import heartbeats
from arb_pipelines.research.session_tables import write_batch
from arb_pipelines.settings import Settings
from tests.integration.session_worker import batches_of

STRATEGY = """
name: alpha
exchange: kucoin
universe: {start: [USDT]}
min_profit_bps: 1
capital_allocation: {mode: fixed_amount, amount: 100}
balances: {USDT: 1000}
"""
KEY = "alpha-kucoin-20260105T093000Z"


@pytest.fixture(autouse=True)
def strategies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with one strategy."""
    (tmp_path / "alpha.yaml").write_text(STRATEGY)
    monkeypatch.setenv("ARB_STRATEGIES", str(tmp_path))


def arb(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run `arb session`; give exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as left:
        cli.main(["session", *arguments])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


def beat(
    settings: Settings, key: str, state: str, *, ts_ns: int = 0, reason: str | None = None
) -> None:
    """Let a session be heard of."""
    folder = settings.sessions / key
    folder.mkdir(parents=True, exist_ok=True)
    document = {"ts_ns": ts_ns or now_ns(), "pid": 7, "state": state, "reason": reason}
    (folder / "heartbeat.json").write_bytes(orjson.dumps(document))


def test_a_session_is_asked_for_listed_and_shown(
    home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before there is a lake, a run or a sensor."""
    code, out, _ = arb(capsys, "start", "--strategy", "alpha", "--minutes", "5", "--json")
    said = json.loads(out)
    assert code == 0
    assert Path(said["request"]) == requests_folder(home) / f"{said['session']}.yaml"
    (listed,) = json.loads(arb(capsys, "list", "--json")[1])
    assert (listed["session"], listed["state"]) == (said["session"], "asked")
    shown = json.loads(arb(capsys, "show", said["session"], "--json")[1])
    assert shown == {"session": said["session"], "state": "asked", "request": said["request"]}


ONE_SESSION = (
    *("pause", "resume", "cancel", "slots", "in-flight", "reports", "config", "uptime"),
    *("health", "stop"),
)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("start", "--strategy", "gamma"), "no strategy is named 'gamma'"),
        (("start", "--strategy", "alpha", "--minutes", "-1"), "minutes: "),
        (("start", "--strategy", "alpha", "--mode", "live"), "mode: live"),
        (("start", "--strategy", "alpha", "--venue", "../x"), "venue: "),
        (("show", "nobody-kucoin-20260105T093000Z"), "no such session"),
        (("show", "../locks"), "'../locks': is no key of a session"),
        *((f"{command} ../x".split(), "'../x': is no key") for command in ONE_SESSION),
        (("run", "--strategy", "alpha", "--venue", "../x"), "is no key of a session"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    home: Settings, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    """Exit code 2, nothing on stdout, and no request left behind."""
    code, out, error = arb(capsys, *arguments)
    assert (code, out) == (2, "")
    assert reason in error
    assert len(error.splitlines()) == 1
    assert not requests_folder(home).exists()


def test_a_session_that_could_not_begin_says_why(
    home: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the list, too, where it would else be about to start for ever."""
    home.root.mkdir(parents=True, exist_ok=True)
    (home.root / "KILL").write_text("2026-01-05T09:30:00Z ann: look\n")
    code, _, error = arb(capsys, "run", "--strategy", "alpha")
    assert code == 2
    assert "arb kill --lift" in error
    (listed,) = json.loads(arb(capsys, "list", "--json")[1])
    assert listed["state"] == "failed"
    assert "arb kill --lift" in listed["remark"]


def test_the_list_knows_requests_heartbeats_and_the_lake(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each session once, in the state of who knows best; a wrong file says what is wrong."""
    settings = lake.settings
    for batch in batches_of(3, KEY):
        write_batch(lake, batch)
    beat(settings, "alpha-kucoin-20260105T094000Z", "running")
    beat(settings, "alpha-kucoin-20260105T095000Z", "running", ts_ns=1)
    beat(settings, "alpha-kucoin-20260105T100000Z", "failed", reason="no balance")
    begun = settings.sessions / "alpha-kucoin-20260105T101000Z"
    begun.mkdir()
    (begun / "request.yaml").write_text("strategy: alpha\n")
    folder = requests_folder(settings)
    folder.mkdir()
    (folder / "wrong.yaml").write_text("strategy: gamma\n")
    arb(capsys, "start", "--strategy", "alpha")
    listed = json.loads(arb(capsys, "list", "--json")[1])
    assert [(one["session"][-17:], one["state"]) for one in listed if one["state"] != "asked"] == [
        ("wrong.yaml", "rejected"),
        ("-20260105T101000Z", "starting"),
        ("-20260105T100000Z", "failed"),
        ("-20260105T095000Z", "silent"),
        ("-20260105T094000Z", "running"),
        ("-20260105T093000Z", "ended"),
    ]
    assert [one["state"] for one in listed].count("asked") == 1
    remarks = {one["state"]: one["remark"] for one in listed}
    assert (remarks["failed"], remarks["ended"]) == ("no balance", "its market is over")
    code, text, _ = arb(capsys, "list")
    assert code == 0
    assert "no strategy is named 'gamma'" in " ".join(text.split())
    lines = text.splitlines()
    for one in listed:
        assert any(line.startswith(one["session"] + "  ") for line in lines)
    ended = next(line for line in lines if line.startswith(KEY))
    assert len(ended) <= 80
    assert re.search(r"  ended +paper +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \d+$", ended)


def test_a_session_of_the_lake_is_shown_with_its_figures(
    lake: Lake, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it did, by its row and its last figures."""
    *_, last = batches = batches_of(3, KEY)
    for batch in batches:
        write_batch(lake, batch)
    shown = json.loads(arb(capsys, "show", KEY, "--json")[1])
    assert shown["executions"] == sum(last.counts.executions.values())
    assert shown["refusals"] == dict(last.counts.refused)
    profit = {m.label: m.value for m in last.metrics if m.name == "profit"}
    assert shown["profit"] == profit
    p50 = {m.label: m.value / 1e3 for m in last.metrics if m.name == "latency_p50_us"}
    assert shown["latency_p50_ms"] == pytest.approx(p50, abs=1e-4)
    said = arb(capsys, "show", KEY)[1]
    assert re.search(rf"ts started +{iso(shown['ts_started'])} *\n", said)
    assert re.search(r"profit +[A-Z]+: -?[\d.]+", said)
    assert "{" not in said


SESSION = """
import json, os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def beat(state):
    document = {"ts_ns": time.time_ns(), "pid": os.getpid(), "state": state}
    part = folder / ".part"
    part.write_text(json.dumps(document))
    part.replace(folder / "heartbeat.json")
def settle(*_):
    beat("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, settle)
while True:
    beat("running")
    time.sleep(0.05)
"""


def test_sessions_end_before_the_services_that_host_them(home: Settings) -> None:
    """Those in the services' process session are asked to, and waited for; others go on."""
    processes = []
    for key in (KEY, "beta-okx-20260105T093000Z"):
        folder = home.sessions / key
        folder.mkdir(parents=True)
        processes.append(
            subprocess.Popen([sys.executable, "-c", SESSION, str(folder)], start_new_session=True)
        )
    hosted, foreign = processes
    try:
        while len(heartbeats(home)) < 2:
            os.sched_yield()  # until both have been heard of
        with ThreadPoolExecutor() as pool:
            ending = pool.submit(end_sessions_of, home, hosted.pid, within_s=60)
            assert hosted.wait(30) == 0
            ending.result(30)
        assert heartbeats(home)[KEY].state == "ended"
        assert foreign.poll() is None
        assert heartbeats(home)["beta-okx-20260105T093000Z"].state == "running"
    finally:
        for process in processes:
            process.kill()
            process.wait()
