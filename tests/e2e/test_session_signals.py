"""A whole session on a local exchange, traded and controlled over its socket alone."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from arb_pipelines.cli import main
from arb_pipelines.execution.control.client import SOCKET
from arb_pipelines.execution.control.unix_socket import resolved
from arb_pipelines.execution.signals.wire import decode_signal
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import (
    SessionProcess,
    keys_of,
    running_session,
    strategy_file,
    until,
)

DOCS = Path(__file__).parents[2] / "docs" / "signals.md"
LEGS = (("BTC-USDT", "buy"), ("ETH-BTC", "buy"), ("ETH-USDT", "sell"))
#: USDT > BTC > ETH > USDT earns about 5 % at these books.
BOOKS = {
    "BTC-USDT": ("49990", "50000", "3"),
    "ETH-BTC": ("0.0499", "0.05", "60"),
    "ETH-USDT": ("2630", "2631", "60"),
}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange whose books are what a test shows."""
    arguments = ("--symbols", "3", "--speed", "0", "--balance", "USDT=100000")
    with running_exchange(tmp_path_factory.mktemp("exchange"), *arguments) as process:
        yield process


@pytest.fixture(scope="module")
def session(
    exchange: ExchangeProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SessionProcess]:
    """A session that looks for no cycles itself."""
    home = tmp_path_factory.mktemp("home")
    file = strategy_file(home, "sent", rules=", scan: false")
    with running_session(home, file, keys_of(exchange)) as process:
        until(lambda: process.process.poll() or (process.folder / SOCKET).exists(), "socket")
        assert process.process.poll() is None, process.process.communicate()
        yield process


class Peer:
    """A client of the session's socket."""

    def __init__(self, session: SessionProcess) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(resolved(session.folder / SOCKET))
        self._lines = self.socket.makefile("rb")

    def say(self, document: Any) -> dict[str, Any]:
        """Send a line; give the next that is told."""
        self.socket.sendall(json.dumps(document).encode() + b"\n")
        return self.hear()

    def hear(self) -> dict[str, Any]:
        """Give the next line."""
        heard: dict[str, Any] = json.loads(self._lines.readline())
        return heard


@pytest.fixture
def peer(session: SessionProcess, exchange: ExchangeProcess) -> Peer:
    """A client that hears reports, while the books are fresh and nothing is in flight."""
    client = Peer(session)
    until(lambda: not client.say({"op": "in_flight"})["in_flight"], "end of what is in flight")
    show_books(exchange)
    client.say({"op": "subscribe"})
    return client


def show_books(exchange: ExchangeProcess) -> None:
    """Show the books anew, so that nothing of them is taken."""
    for symbol, (bid, ask, size) in BOOKS.items():
        for shown in (f"{size}.5", size):  # another size refreshes what was taken
            levels = {"bids": [[bid, shown]], "asks": [[ask, shown]]}
            exchange.operate("POST", "/books", {"symbol": symbol, **levels})


def asked(exchange: ExchangeProcess, request: str) -> Any:
    """Ask the exchange as its clients do."""
    with urlopen(exchange.rest + request, timeout=10) as response:
        return json.load(response)["data"]


def a_signal(exchange: ExchangeProcess, **changes: Any) -> dict[str, Any]:
    """A signal on the exchange's own terms and books, good now."""
    listed = {symbol["symbol"]: symbol for symbol in asked(exchange, "/api/v2/symbols")}
    books = [asked(exchange, f"/api/v1/market/orderbook/level2_20?symbol={p}") for p, _ in LEGS]
    now_ms = time.time() * 1e3
    return {
        "correlation_id": f"test-{time.time_ns()}",
        "triangle_key": [pair for pair, _ in LEGS],
        "legs": [
            {
                "pair": pair,
                "side": side,
                "order_param": "funds" if side == "buy" else "size",
                "base_min_size": listed[pair]["baseMinSize"],
                "base_increment": listed[pair]["baseIncrement"],
                "quote_increment": listed[pair]["quoteIncrement"],
                "fee_rate": "0.001",
                "fee_currency": listed[pair]["quoteCurrency"],
            }
            for pair, side in LEGS
        ],
        "books": [{"bids": book["bids"], "asks": book["asks"]} for book in books],
        "starting_volume": "50",
        "predicted_bps": "480",
        "primary_quote": "USDT",
        "live": False,
        "book_ts_ms": max(book["time"] for book in books),
        "t_sock_arrive_ms": now_ms,
        "t_arrive_ms": now_ms,
        "t_eval_ms": now_ms,
        "ts_ms": now_ms,
    } | changes


def arb(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run `arb session …`; give its exit code and what it printed."""
    with pytest.raises(SystemExit) as left:
        main(["session", *arguments])
    printed = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, printed.out, printed.err


def test_a_signal_trades_three_legs(exchange: ExchangeProcess, peer: Peer) -> None:
    """It is accepted at once; the report tells what each leg came to, to the last unit."""
    signal = a_signal(exchange)
    answer = peer.say(signal)
    assert answer["accepted"], answer
    report = peer.hear()
    assert (report["op"], report["execution"]) == ("report", answer["execution"])
    assert report["correlation_id"] == signal["correlation_id"]
    assert report["status"] == "filled"
    assert [(leg["symbol"], leg["side"]) for leg in report["legs"]] == list(LEGS)
    assert all(leg["whole"] for leg in report["legs"])
    assert report["spent"] == pytest.approx(50, abs=1e-3)
    assert report["effective_bps"] == pytest.approx(500, abs=50)
    for leg in report["legs"]:  # the exchange's own word: a level that shrank by as much
        assert taken(exchange, leg["symbol"]) == pytest.approx(leg["size"])


def taken(exchange: ExchangeProcess, symbol: str) -> float:
    """How much is gone from a symbol's book since it was shown, base."""
    book = asked(exchange, f"/api/v1/market/orderbook/level2_20?symbol={symbol}")
    shown = 2 * float(BOOKS[symbol][2])
    return shown - sum(float(size) for side in ("bids", "asks") for _, size in book[side])


def test_each_reason_to_refuse_is_heard(exchange: ExchangeProcess, peer: Peer) -> None:
    """In the order of the checks, over the socket of a session that trades."""

    def reason(**changes: Any) -> str:
        answer = peer.say(a_signal(exchange, **changes))
        assert not answer["accepted"]
        assert answer["detail"]
        return str(answer["reason"])

    peer.say({"op": "pause"})
    assert reason() == "paused"
    peer.say({"op": "resume"})
    assert reason(live=True) == "invalid"
    assert reason(ts_ms=1) == "stale"
    assert reason(starting_volume="0.0001") == "volume"
    peer.say({"op": "slots", "slots": 0})
    assert reason() == "slots"
    peer.say({"op": "slots", "slots": None})
    delay = {"kind": "delay", "ms": 400, "match": "POST /api/v1/hf/orders", "count": 1}
    exchange.operate("POST", "/faults", delay)
    first = a_signal(exchange)
    assert peer.say(first)["accepted"]
    assert reason() in {"slots", "triangle"}
    assert peer.hear()["status"] == "filled"
    assert reason(t_sock_arrive_ms=first["ts_ms"]) == "stale"  # from before that trade
    poor = [{"bids": [["1000", "1"]], "asks": [["60000", "1"]]} for _ in LEGS]
    assert reason(books=poor, book_ts_ms=time.time() * 1e3) == "volume"
    counted = peer.say({"op": "health"})["refused"]
    assert {"paused", "invalid", "stale", "volume", "slots"} <= set(counted)


def test_a_cancel_is_honoured_between_legs(exchange: ExchangeProcess, peer: Peer) -> None:
    """While the first order is out: no second leg leaves, what it bought is sold."""
    delay = {"kind": "delay", "ms": 400, "match": "POST /api/v1/hf/orders", "count": 1}
    exchange.operate("POST", "/faults", delay)
    answer = peer.say(a_signal(exchange))
    assert answer["accepted"], answer
    cancelled = peer.say({"op": "cancel", "execution": answer["execution"]})
    assert cancelled["cancelled"] == [answer["execution"]]
    report = peer.hear()
    assert report["execution"] == answer["execution"]
    assert report["legs"][0]["kind"] == "leg"
    assert {leg["kind"] for leg in report["legs"][1:]} == {"unwind"}
    assert report["residual_value"] == pytest.approx(0, abs=0.5)


def test_two_clients_and_one_that_is_killed(
    session: SessionProcess, exchange: ExchangeProcess, peer: Peer
) -> None:
    """Both hear of the execution; half a line of a killed one is nothing."""
    killed = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import socket, sys, time\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            's.sendall(b\'{"op":"stop"\'); print(flush=True); time.sleep(60)\n',
            resolved(session.folder / SOCKET),
        ],
        stdout=subprocess.PIPE,
    )
    assert killed.stdout is not None
    killed.stdout.readline()
    killed.kill()
    killed.communicate()
    other = Peer(session)
    other.say({"op": "subscribe"})
    answer = other.say(a_signal(exchange))
    assert answer["accepted"], answer
    assert peer.hear() == other.hear()
    assert peer.say({"op": "health"})["state"] == "running"


def test_the_sample_of_the_documents_works(
    session: SessionProcess, exchange: ExchangeProcess, peer: Peer, tmp_path: Path
) -> None:
    """Both the line, which is the contract, and the sender, which runs as it stands."""
    text = DOCS.read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    line = next(block for block in re.findall(r"```json\n(.*?)\n", text))
    assert decode_signal(line.encode()).correlation_id == "desk7-000123"
    sender = tmp_path / "send.py"
    sender.write_text(program, encoding="utf-8")
    legs = [f"{pair}:{side}" for pair, side in LEGS]
    done = subprocess.run(
        [sys.executable, sender, exchange.rest, session.folder / SOCKET, *legs],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "'status': 'filled'" in done.stdout, done.stdout
    assert peer.hear()["status"] == "filled"


def test_the_commands_reach_the_session(
    session: SessionProcess,
    peer: Peer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each with --json and for people; a key that is none is one line and exit code 2."""
    monkeypatch.setenv("ARB_HOME", str(session.sessions.parent))
    key = session.folder.name

    def answer(*arguments: str) -> dict[str, Any]:
        code, out, _ = arb(capsys, arguments[0], key, *arguments[1:], "--json")
        assert code == 0
        found: dict[str, Any] = json.loads(out)
        return found

    assert answer("pause", "--reason", "lunch") == {"state": "paused"}
    health = answer("health")
    assert (health["reason"], health["trouble"]) == ("lunch", {})
    assert health["newest_book_ms_ago"] > 0
    assert answer("resume") == {"state": "running"}
    assert answer("slots", "0")["slots"] == 0
    assert answer("slots", "1")["slots"] == 1
    assert answer("cancel") == {"cancelled": [], "left": {}}
    assert answer("in-flight") == {"in_flight": []}
    assert answer("reports", "--last", "1")["reports"][0]["status"]
    assert answer("uptime")["uptime_s"] > 0
    config = answer("config")
    assert (config["session"], config["strategy"]["session"]["scan"]) == (key, False)
    for command in ("health", "slots", "in-flight", "reports", "config", "uptime"):
        code, out, _ = arb(capsys, command, key)
        assert (code, bool(out.strip())) == (0, True)
    code, _, errors = arb(capsys, "pause", "nobody-kucoin-20260105T093000Z")
    assert (code, errors.count("\n")) == (2, 1)


def test_a_session_stops_when_it_is_told_to(
    session: SessionProcess,
    exchange: ExchangeProcess,
    peer: Peer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is in flight is settled and told; then the socket is gone, the exit code 0."""
    monkeypatch.setenv("ARB_HOME", str(session.sessions.parent))
    # longer than the command and a signal take on a slow machine: it ends when this order has
    delay = {"kind": "delay", "ms": 3000, "match": "POST /api/v1/hf/orders", "count": 1}
    exchange.operate("POST", "/faults", delay)
    assert peer.say(a_signal(exchange))["accepted"]
    key = session.folder.name
    code, out, _ = arb(capsys, "stop", key, "--reason", "enough", "--json")
    assert (code, json.loads(out)) == (0, {"state": "stopping"})
    assert peer.say(a_signal(exchange))["reason"] == "stopping"
    assert peer.hear()["status"] == "filled"
    out, errors = session.process.communicate(timeout=30)
    assert session.process.returncode == 0, errors
    summary = json.loads(out)
    assert (summary["reason"], summary["in_flight"]) == ("enough", 0)
    assert not (session.folder / SOCKET).exists()
    code, _, errors = arb(capsys, "health", key)
    assert (code, "it does not run" in errors) == (2, True)
    journal = (session.folder / "journal.ndjson").read_text(encoding="utf-8").splitlines()
    events = [json.loads(line) for line in journal]
    assert [(one["op"], one["argument"]) for one in events if one["event"] == "control"][-1] == (
        "stop",
        "enough",
    )
    assert {one["reason"] for one in events if one["event"] == "signal_refused"} >= {"stopping"}
    for secret in (exchange.secret, exchange.passphrase):
        for file in session.sessions.rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes()
