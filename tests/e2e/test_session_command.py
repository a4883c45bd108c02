"""Sessions as a person has them: from the command line, against an exchange of its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import filelock
import pytest

from arb_pipelines.clock import now_ns
from arb_pipelines.execution.spent import read_spent
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.graph import BUY
from arb_pipelines.research.sessions import SessionRequest, run_session
from arb_pipelines.settings import Settings, load_settings
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import (
    an_order_held,
    free_balances,
    keys_of,
    running_session,
    secrets_of,
    strategy_file,
    until,
)
from tests.leaks import leaks

#: What is never logged is not logged at any level.
TALKATIVE = {"ARB_LOG_LEVEL": "debug"}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of twelve symbols whose market moves by itself."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "12", "--balance", "USDT=100000") as process:
        yield process


def arb(home: Settings, *arguments: str) -> str:
    """Run a command; give what it prints."""
    command = [sys.executable, "-m", "arb_pipelines.cli", *arguments]
    environment = os.environ | {"ARB_HOME": str(home.root)}
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return ended.stdout + ended.stderr


def test_a_session_trades_beats_ends_and_adds_up(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """What it says it did to each balance is what the venue says; no key is anywhere."""
    before = free_balances(exchange)
    file = strategy_file(tmp_path, "thin")
    with running_session(home.root, file, keys_of(exchange) | TALKATIVE) as session:
        beat = session.traded(20)
        assert beat["state"] == "running"
        assert beat["pid"] == session.process.pid
        key = session.folder.name
        shown = {"session config": arb(home, "session", "config", key)}
        out, errors = session.stop_saying()
    summary = json.loads(out)
    assert summary["state"] == "ended"
    assert summary["reason"] == "SIGTERM"
    assert summary["mode"] == "paper"
    assert summary["in_flight"] == summary["unwritten"] == 0
    after = free_balances(exchange)
    changed = {of: after.get(of, 0) - before.get(of, 0) for of in {*before, *after}}
    told = {of: Decimal(by) for of, by in summary["booked"].items()}
    for currency in {*told, *changed}:
        difference = changed.get(currency, Decimal(0)) - told.get(currency, Decimal(0))
        assert abs(difference) < Decimal("1e-9"), currency
    executions = sum(summary["counts"]["executions"].values())
    rows = Lake(home).query("SELECT count(*) n, sum(profit) p FROM live_executions").row(0)
    assert rows[0] == executions >= 20
    assert rows[1] == pytest.approx(summary["profit"]["USDT"])
    last = json.loads((session.folder / "heartbeat.json").read_bytes())
    assert last["state"] == "ended"
    assert last["executions"] == executions
    shown |= {"session show": arb(home, "session", "show", key)}
    shown |= {"its stdout": out, "its stderr": errors}
    assert leaks(secrets_of(exchange), home.root, shown.items()) == []
    seen = leaks({"session": key}, home.root, shown.items())  # what is there is found
    for place in ("table live_sessions, session", "table live_legs, session", *shown):
        assert f"session: {place}" in seen


def test_keys_from_a_file_open_the_account_and_are_nowhere_else(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """`.env` where the session works is enough to trade; nothing repeats what it says."""
    (tmp_path / ".env").write_text("".join(f"{k}={v}\n" for k, v in keys_of(exchange).items()))
    file = strategy_file(tmp_path, "filed")
    with running_session(home.root, file, TALKATIVE, folder=tmp_path) as session:
        session.traded(3)
        out, errors = session.stop_saying()
    counts = json.loads(out)["counts"]
    assert min(counts["orders"], counts["fills"]) > 0
    told = {"its stdout": out, "its stderr": errors}
    assert leaks(secrets_of(exchange), home.root, told.items()) == []


def test_a_second_session_is_refused_and_told_who_trades(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """Neither the same strategy at the venue, nor another one on the same account."""
    keys = keys_of(exchange)
    file = strategy_file(tmp_path, "first")
    with running_session(home.root, file, keys) as first:
        first.traded(1)
        for other in (file, strategy_file(tmp_path, "second")):
            with running_session(home.root, other, keys) as second:
                _, errors = second.process.communicate(timeout=60)
            assert second.process.returncode == 2
            (line,) = [line for line in errors.splitlines() if line.startswith("arb: ")]
            assert first.folder.name in line
            assert str(first.process.pid) in line
        assert first.heartbeat()["state"] == "running"
        summary = first.stop()
    assert summary["state"] == "ended"


def test_a_locked_lake_stops_no_session_and_loses_nothing(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """While another holds the lake it trades on, and what waited is written afterwards."""
    with running_session(home.root, strategy_file(tmp_path, "patient"), keys_of(exchange)) as it:
        before = it.traded(5)
        until(
            lambda: "live_executions" in Lake(home).query("SHOW TABLES")["name"].to_list(), "lake"
        )
        with filelock.FileLock(home.root / "lake.lock"):
            it.traded(before["executions"] + 20)
        summary = it.stop()
    executions = sum(summary["counts"]["executions"].values())
    assert summary["unwritten"] == 0
    assert Lake(home).query("SELECT count(*) FROM live_executions").item() == executions


def test_a_lake_that_stays_locked_lets_the_session_end_in_time(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """It ends all the same, says how much was not written, and the journal has it all."""
    with running_session(home.root, strategy_file(tmp_path, "stuck"), keys_of(exchange)) as it:
        it.traded(1)
        until(lambda: it.heartbeat().get("lake", "") is None, "lake that is open")
        with filelock.FileLock(home.root / "lake.lock"):
            it.traded(30)
            it.process.send_signal(signal.SIGTERM)
            out, errors = it.process.communicate(timeout=60)
    assert it.process.returncode == 1, errors
    summary = json.loads(out)
    assert summary["unwritten"] >= 1
    journal = (it.folder / "journal.ndjson").read_text().splitlines()
    cycles = [line for line in journal if json.loads(line)["event"] == "cycle"]
    assert len(cycles) == sum(summary["counts"]["executions"].values())


def test_what_a_killed_session_left_is_found_by_the_next(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """Every change of a balance is of an execution that ended, or of one that was looked into."""
    before = free_balances(exchange)
    file = strategy_file(tmp_path, "killed", rules=", settle_s: 1")
    with running_session(home.root, file, keys_of(exchange)) as session:
        session.traded(2)
        with an_order_held(exchange):  # and what came before it is written down
            until(lambda: len(in_flight(session.folder)) == 1, "journal of what has ended")
            session.process.kill()
            session.process.wait()
    file.write_text(file.read_text().replace("min_profit_bps: -40", "min_profit_bps: 500"))
    keys = {name.removeprefix("ARB_").lower(): text for name, text in keys_of(exchange).items()}
    lake = Lake(load_settings(home=home.root, **keys))
    request = SessionRequest(session.folder.name, file, None, None, 0.01, now_ns())
    summaries = [run_session(lake, request) for _ in range(2)]
    assert all(not summary.counts.orders for summary in summaries)
    changes: Counter[str] = Counter()
    recovered: list[str] = []
    own: dict[str, Counter[str]] = {}
    for line in (session.folder / "journal.ndjson").read_text().splitlines():
        event = json.loads(line)
        match event["event"]:
            case "fill":
                base, _, quote = event["symbol"].partition("-")
                given, got = (quote, base) if event["side"] == BUY else (base, quote)
                name = event["client_id"].rpartition("-")[0]
                moved = own.setdefault(name, Counter())
                moved[given] -= Decimal(repr(event["spent"]))
                moved[got] += Decimal(repr(event["received"]))
            case "ended" if event["execution"] in own:
                changes.update(own.pop(event["execution"]))
            case "recovered":
                recovered.append(event["execution"])
                assert event["unknown"] == []
                changes.update({of: Decimal(by) for of, by in event["changes"].items()})
    assert recovered
    assert len(recovered) == len(set(recovered))
    after = free_balances(exchange)
    for currency in {*before, *after, *changes}:
        venue = after.get(currency, Decimal(0)) - before.get(currency, Decimal(0))
        assert abs(venue - changes[currency]) < Decimal("1e-9"), currency


def in_flight(folder: Path) -> set[str]:
    """Name the executions that have an order in the journal and no end."""
    events = events_of(folder)
    begun = {
        event["client_id"].rpartition("-")[0] for event in events if event["event"] == "intent"
    }
    return begun - {event["execution"] for event in events if event["event"] == "ended"}


def half_way(folder: Path) -> str | None:
    """Name an execution of which one leg has filled and that has not ended."""
    events = events_of(folder)
    ended = {event["execution"] for event in events if event["event"] == "ended"}
    filled = (event["client_id"].rpartition("-") for event in events if event["event"] == "fill")
    return next((name for name, _, leg in filled if leg == "0" and name not in ended), None)


def events_of(folder: Path) -> list[dict[str, Any]]:
    """Read a journal, but for a line that is being written."""
    file = folder / "journal.ndjson"
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}\n")]


def recovered_in(folder: Path) -> list[str]:
    return [event["execution"] for event in events_of(folder) if event["event"] == "recovered"]


@pytest.mark.parametrize("found_by_another", [True, pytest.param(False, marks=pytest.mark.long)])
def test_what_a_killed_session_left_counts_whoever_finds_it(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path, found_by_another: bool
) -> None:
    """Any next session of the account finds it, once; it counts for who continues the killed."""
    file = strategy_file(tmp_path, "cut", rules=", settle_s: 1, max_loss: {USDT: 50}")
    slow = {"kind": "delay", "match": "POST /api/v1/hf/orders", "ms": 300, "count": 1000}
    exchange.operate("POST", "/faults", slow)
    try:
        with running_session(home.root, file, keys_of(exchange)) as session:
            cut = until(lambda: half_way(session.folder), "execution with one leg filled")
            session.process.kill()
            session.process.wait()
    finally:
        exchange.operate("DELETE", "/faults")
    killed = session.folder
    keys = {name.removeprefix("ARB_").lower(): text for name, text in keys_of(exchange).items()}
    lake = Lake(load_settings(home=home.root, **keys))
    lost = -read_spent(killed).profit.get("USDT", 0.0)
    limit = f"max_loss: {{USDT: {lost + 0.001:.6f}}}"  # what was cut short is all that is missing
    file.write_text(file.read_text().replace("max_loss: {USDT: 50}", limit))
    if found_by_another:
        other = strategy_file(tmp_path, "other")
        other.write_text(other.read_text().replace("min_profit_bps: -40", "min_profit_bps: 500"))
        for key in ("other-kucoin-20990101T000000Z", "other-kucoin-20990101T000001Z"):
            run_session(lake, SessionRequest(key, other, None, None, 0.01, now_ns()))
        found = recovered_in(home.sessions / "other-kucoin-20990101T000000Z")
        assert recovered_in(killed) == found
        assert recovered_in(home.sessions / "other-kucoin-20990101T000001Z") == []
    again = "cut-kucoin-20990101T000002Z"
    summary = run_session(lake, SessionRequest(again, file, None, None, 0.5, now_ns(), killed.name))
    assert summary.reason.startswith("max_loss: ")
    assert summary.counts.orders == 0
    found = recovered_in(killed)
    assert cut in found
    assert len(found) == len(set(found))  # the one before may have ended a moment too late to say
    assert recovered_in(home.sessions / again) == ([] if found_by_another else found)
