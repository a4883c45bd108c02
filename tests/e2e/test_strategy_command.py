"""Strategies as a person has them: from their files, against an exchange of its own process."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.control.client import SOCKET, ask
from arb_pipelines.research.request_folder import drop_request
from arb_pipelines.research.session_requests import new_request
from arb_pipelines.settings import Settings, load_settings
from arb_pipelines.venues.kucoin.limits import Pool
from arb_pipelines.venues.kucoin.rest import Call, Rest
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import (
    SessionProcess,
    an_order_held,
    free_balances,
    keys_of,
    running_session,
    until,
)

_DONE = Call("GET", "/api/v1/hf/orders/done", Pool.SPOT, 2)
_ACTIVE = Call("GET", "/api/v1/hf/orders/active", Pool.SPOT, 2)
#: The least a strategy says; with these bounds it trades whatever does not lose 40 bps.
MINIMAL = """
name: {name}
exchange: kucoin
universe: {{start: [USDT]}}
min_profit_bps: -40
max_slippage_bps: 500
capital_allocation: {{mode: fixed_fraction, fraction: 0.01}}
"""
#: Beside the least: books that are cheap to follow, and old ones that do.
QUICK = "max_age_ms: 60000\nsession: {books: depth5, depth: 5, flush_s: 0.2}\n"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of twelve symbols whose market moves by itself."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "12", "--balance", "USDT=100000") as process:
        yield process


def arb(
    home: Settings, *arguments: str, code: int = 0, settings: Mapping[str, str] | None = None
) -> str:
    """Run a command; give what it prints."""
    command = [sys.executable, "-m", "arb_pipelines.cli", *arguments]
    environment = os.environ | {"ARB_HOME": str(home.root)} | dict(settings or {})
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ended.returncode == code, ended.stderr
    return ended.stdout if code == 0 else ended.stderr


def strategy_file(folder: Path, name: str, more: str = QUICK) -> Path:
    """Write the minimal form of a strategy, and what a test adds."""
    file = folder / f"{name}.yaml"
    file.write_text(MINIMAL.format(name=name) + more, encoding="utf-8")
    return file


def strategies(session: SessionProcess, name: str) -> list[Path]:
    """The folders of a strategy's sessions, oldest first."""
    return sorted(session.sessions.glob(f"{name}-kucoin-*"))


def beat(folder: Path) -> dict[str, Any]:
    """The last sign of life of a session; empty before the first."""
    try:
        said: dict[str, Any] = json.loads((folder / "heartbeat.json").read_bytes())
    except FileNotFoundError:
        return {}
    return said


def config(folder: Path) -> dict[str, Any]:
    """What a session says that it runs with."""
    said: dict[str, Any] = ask(folder, "config")["config"]
    return said


def ended(session: SessionProcess, *running: Path) -> list[dict[str, Any]]:
    """Have sessions stop, which gives the lake its time, and wait; give the summaries."""
    for folder in running:
        ask(folder, "stop")
    out, errors = session.process.communicate(timeout=120)
    assert session.process.returncode == 0, out + errors
    said = json.loads(out)
    return said if isinstance(said, list) else [said]


def orders_of(folder: Path) -> list[dict[str, Any]]:
    """The orders that a session's journal says were about to leave."""
    lines = (folder / "journal.ndjson").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return [event for event in events if event["event"] == "order"]


def orders_at(exchange: ExchangeProcess) -> set[str]:
    """The ids of all orders that the exchange knows of the account: open, filled, cancelled."""
    keys = Credentials(*map(SecretStr, (exchange.key, exchange.secret, exchange.passphrase)))

    async def ask() -> set[str]:
        found: set[str] = set()
        async with Rest(exchange.rest, Signer(keys)) as client:
            for symbol in exchange.symbols:
                query = {"symbol": symbol, "limit": "100"}
                done = msgspec.json.decode(await client.call(_DONE, query=query))["items"]
                active = msgspec.json.decode(await client.call(_ACTIVE, query={"symbol": symbol}))
                found |= {order["id"] for order in (*done, *active)}
        return found

    return asyncio.run(ask())


def balance_changes(before: dict[str, Decimal], after: dict[str, Decimal]) -> dict[str, Decimal]:
    """What balances changed by, where they did."""
    changes = {of: after.get(of, Decimal(0)) - before.get(of, Decimal(0)) for of in before | after}
    return {of: by for of, by in changes.items() if abs(by) > Decimal("1e-9")}


def booked(summaries: list[dict[str, Any]]) -> dict[str, Decimal]:
    """What sessions say that they did to the balances."""
    total: dict[str, Decimal] = {}
    for summary in summaries:
        for of, by in summary["booked"].items():
            total[of] = total.get(of, Decimal(0)) + Decimal(by)
    return {of: by for of, by in total.items() if abs(by) > Decimal("1e-9")}


def test_the_minimal_form_trades_with_what_the_account_has(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """No balances, no session section: it ends after its cycles, and the account adds up."""
    before = free_balances(exchange)
    file = strategy_file(tmp_path, "least", "")
    with running_session(
        home.root, file, keys_of(exchange), "--cycles", "20", group="strategy"
    ) as session:
        until(lambda: (session.folder / SOCKET).exists(), "socket")
        said = config(session.folder)
        out, errors = session.process.communicate(timeout=60)
    assert session.process.returncode == 0, out + errors
    summary = json.loads(out)
    assert said["strategy"]["balances"] == {"USDT": float(before["USDT"])}
    assert summary["reason"].startswith("max_executions: 20 of 20")
    assert sum(summary["counts"]["executions"].values()) == 20
    assert balance_changes(before, free_balances(exchange)) == booked([summary])


def test_a_dry_run_places_nothing(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """Each leg is tested at the exchange, which has seen no order and moved no balance."""
    before, known = free_balances(exchange), orders_at(exchange)
    file = strategy_file(tmp_path, "dry")
    with running_session(
        home.root, file, keys_of(exchange), "--dry-run", group="strategy"
    ) as session:
        session.traded(10)
        (summary,) = ended(session, session.folder)
    assert summary["places_orders"] is False
    assert summary["counts"]["orders"] >= 10
    assert free_balances(exchange) == before
    assert orders_at(exchange) == known
    states = [path.name for path in (home.root / "state").glob("*.sqlite")]
    assert len(states) == 1
    assert states[0].endswith("-tested.sqlite")


def test_two_strategies_without_balances_share_the_account(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """Each has half of what is free; together they did what the exchange says."""
    before = free_balances(exchange)
    one, two = (strategy_file(tmp_path, name) for name in ("one", "two"))
    with running_session(
        home.root, one, keys_of(exchange), "--strategy", str(two), group="strategy"
    ) as session:
        session.traded(5)
        (other,) = strategies(session, "two")
        until(lambda: beat(other).get("executions", 0) >= 5, "executions of the other")
        half = [config(folder)["strategy"]["balances"] for folder in (session.folder, other)]
        summaries = ended(session, session.folder, other)
    share = {"USDT": pytest.approx(float(before["USDT"]) / 2)}
    assert half == [share, share]
    assert sum(Decimal(repr(of["USDT"])) for of in half) <= before["USDT"]
    assert balance_changes(before, free_balances(exchange)) == booked(summaries)


def test_a_strategy_is_replaced_while_its_cycles_are_in_flight(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """The old one settles, the new one trades at once; a bad file changes nothing."""
    before = free_balances(exchange)
    file = strategy_file(tmp_path, "changing", "slots: 3\nisolation: {symbol: false}\n" + QUICK)
    slow = {"kind": "delay", "match": "POST /api/v1/hf/orders", "ms": 300, "count": 1000}
    with running_session(home.root, file, keys_of(exchange), group="strategy") as session:
        session.traded(3)
        old = session.folder
        good = file.read_text(encoding="utf-8")
        file.write_text(good.replace("min_profit_bps: -40", "min_profit_bps: much"))
        refused = arb(home, "strategy", "replace", "--strategy", str(file), code=2)
        assert f"{file}:5: min_profit_bps" in refused
        file.write_text(good.replace("start: [USDT]", "start: [NIX]"))
        refused = arb(home, "strategy", "replace", "--strategy", str(file), code=2)
        assert "nothing free of NIX" in refused
        assert beat(old)["state"] == "running"
        exchange.operate("POST", "/faults", slow)
        try:
            until(lambda: beat(old)["in_flight"], "execution in flight")
            file.write_text(good.replace("fraction: 0.01", "fraction: 0.02"))
            said = json.loads(arb(home, "strategy", "replace", "--strategy", str(file), "--json"))
        finally:
            exchange.operate("DELETE", "/faults")
        new = session.sessions / said["session"]
        assert new != old
        until(lambda: beat(new).get("executions", 0) >= 3, "executions of the new version")
        until(lambda: beat(old)["state"] == "ended", "end of the old version")
        assert beat(old)["reason"] == f"replaced by {new.name}"
        assert beat(old)["in_flight"] == 0
        assert config(new)["strategy"]["capital_allocation"]["fraction"] == 0.02
        summaries = ended(session, new)
    assert [one["session"] for one in summaries] == [old.name, new.name]
    assert all(one["in_flight"] == 0 for one in summaries)
    assert balance_changes(before, free_balances(exchange)) == booked(summaries)
    ids = [event["client_id"] for folder in (old, new) for event in orders_of(folder)]
    assert len(ids) == len(set(ids)) == sum(one["counts"]["orders"] for one in summaries)


@pytest.mark.long
def test_a_strategy_is_added_paused_resumed_and_stopped_by_its_name(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """The process of a running one takes it in; a pause holds what its reason lifts."""
    one = strategy_file(tmp_path, "host", "balances: {USDT: 1000}\n" + QUICK)
    two = strategy_file(tmp_path, "guest")
    with running_session(home.root, one, keys_of(exchange), group="strategy") as session:
        session.traded(1)
        refused = arb(home, "strategy", "add", "--strategy", str(one), "--to", "host", code=2)
        assert "host trades already" in refused
        said = json.loads(
            arb(home, "strategy", "add", "--strategy", str(two), "--to", "host", "--json")
        )
        guest = session.sessions / said["session"]
        until(lambda: beat(guest).get("executions", 0) >= 1, "executions of the guest")
        arb(home, "strategy", "pause", "guest", "--reason", "a test")
        refused = arb(home, "strategy", "resume", "guest", code=2)
        assert "--reason" in refused
        arb(home, "strategy", "resume", "guest", "--reason", "the test goes on")
        seen = beat(guest)["executions"]
        until(lambda: beat(guest)["executions"] > seen + 2, "executions after the pause")
        arb(home, "strategy", "stop", "guest", "--reason", "enough")
        until(lambda: beat(guest)["state"] == "ended", "end of the guest")
        assert beat(session.folder)["state"] == "running"
        arb(home, "strategy", "add", "--strategy", str(two), "--to", "host")
        again = strategies(session, "guest")[-1]
        assert again != guest
        until(lambda: beat(again).get("executions", 0) >= 1, "executions of the guest that is back")
        summaries = ended(session, session.folder, again)
    assert [one["reason"] for one in summaries] == ["by request", "enough", "by request"]


def test_a_request_that_waits_is_taken_in_by_who_trades_its_account(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """Under its own key and with its own bounds; what it asks beside is refused, and waits."""
    one = strategy_file(tmp_path, "host", "balances: {USDT: 1000}\n" + QUICK)
    two = strategy_file(tmp_path, "guest")
    with running_session(home.root, one, keys_of(exchange), group="strategy") as session:
        session.traded(1)
        settings = load_settings(home=home.root)
        again = drop_request(settings, new_request(settings, str(one)))
        with pytest.raises(ConfigError, match="host trades already"):
            ask(session.folder, "add", {"strategy": str(again)})
        assert again.exists()
        request = new_request(settings, str(two), cycles=3)
        file = drop_request(settings, request)
        assert ask(session.folder, "add", {"strategy": str(file)})["session"] == request.key
        assert not file.exists()
        guest = session.sessions / request.key
        until(lambda: beat(guest).get("state") == "ended", "end of the guest, by its own bound")
        assert beat(guest)["executions"] == 3
        assert beat(session.folder)["state"] == "running"
        summaries = ended(session, session.folder)
    assert [one["session"] for one in summaries] == [session.folder.name, request.key]


def test_recovery_alone_ends_what_a_killed_strategy_left_and_begins_nothing(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """After kill -9 in flight: every cycle is ended once, nothing rests, and no session began."""
    file = strategy_file(tmp_path, "cut")
    with running_session(home.root, file, keys_of(exchange), group="strategy") as session:
        session.traded(1)
        with an_order_held(exchange):
            session.process.kill()
            session.process.wait()
    asked = ("strategy", "run", "--strategy", str(file), "--cycles", "0", "--json")
    assert "add --recover" in arb(home, *asked, code=2)
    found = json.loads(arb(home, *asked, "--recover", settings=keys_of(exchange)))
    assert found["cycles"]
    assert all(one["state"] in ("completed", "failed") for one in found["cycles"])
    assert found["unexplained"] == {}
    again = json.loads(arb(home, *asked, "--recover", settings=keys_of(exchange)))
    assert again == {"cycles": [], "unexplained": {}}
    assert strategies(session, "cut") == [session.folder]
