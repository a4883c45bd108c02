"""What ends a session, in this process: limits, kill switch, minutes, and what refuses one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from arb_pipelines.clock import NS_PER_MS, now_ns
from arb_pipelines.errors import ArbError, ConfigError, Rejected
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.lake.store import Lake
from arb_pipelines.research import hosted_session
from arb_pipelines.research.request_folder import begin_session
from arb_pipelines.research.sessions import (
    SessionBrokenOff,
    SessionProgress,
    SessionRequest,
    SessionSummary,
    run_session,
    run_sessions,
)
from arb_pipelines.settings import load_settings
from arb_pipelines.trading.session_rules import TradingMode
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import free_balances, strategy_file, until
from tests.fakes.kucoin_server import KEY, PASSPHRASE, SECRET, FakeKucoin, fake_kucoin


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of twelve symbols whose market moves by itself."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "12", "--balance", "USDT=100000") as process:
        yield process


Run = Callable[..., SessionSummary]
ONE, TWO, THREE = (f"some-kucoin-20260105T00000{number}Z" for number in (1, 2, 3))


@pytest.fixture
def lake(exchange: ExchangeProcess, tmp_path: Path) -> Lake:
    """A lake whose settings have the keys of the exchange."""
    return Lake(
        load_settings(
            home=tmp_path / "home",
            kucoin_url=exchange.rest,
            kucoin_key=SecretStr(exchange.key),
            kucoin_secret=SecretStr(exchange.secret),
            kucoin_passphrase=SecretStr(exchange.passphrase),
        )
    )


@pytest.fixture
def run(lake: Lake) -> Run:
    """Run a session on the exchange in a home of its own; its end is bounded by its minutes."""

    def run_one(
        file: Path,
        key: str = ONE,
        *,
        minutes: float = 0.5,
        mode: TradingMode | None = None,
        continues: str | None = None,
        on_flush: Callable[[SessionProgress], None] = lambda progress: None,
    ) -> SessionSummary:
        request = SessionRequest(key, file, None, mode, minutes, now_ns(), continues)
        if not (lake.settings.sessions / key / "request.yaml").exists():
            begin_session(lake.settings, request)
        return run_session(lake, request, on_flush=on_flush)

    return run_one


def executions(summary: SessionSummary) -> int:
    return sum(summary.counts.executions.values())


@pytest.mark.long
def test_no_restart_makes_room_for_more_executions(run: Run, tmp_path: Path) -> None:
    """A session under its old key, and one that continues it, have what is left of the limit."""
    file = strategy_file(tmp_path, "few", rules=", max_executions: 4")
    first = run(file)
    assert executions(first) == 4
    assert first.reason == "max_executions: 4 of 4"
    assert first.state is SessionState.ENDED
    strategy_file(tmp_path, "few", rules=", max_executions: 7")
    assert executions(run(file)) == 3
    assert executions(run(file)) == 0
    strategy_file(tmp_path, "few", rules=", max_executions: 9")
    assert executions(run(file, TWO, continues=ONE)) == 2
    strategy_file(tmp_path, "few", rules=", max_executions: 10")
    assert executions(run(file, THREE, continues=TWO)) == 1


def test_a_loss_ends_it(run: Run, tmp_path: Path) -> None:
    """As soon as it is reached; every further start ends at once."""
    file = strategy_file(tmp_path, "losing", rules=", max_loss: {USDT: 1.5}")
    summary = run(file)
    assert summary.reason.startswith("max_loss: ")
    assert summary.profit["USDT"] <= -1.5
    again = run(file)
    assert again.reason.startswith("max_loss: ")
    assert executions(again) == 0


def test_a_limit_that_could_never_bind_is_refused(run: Run, tmp_path: Path) -> None:
    """It would only look safe."""
    file = strategy_file(tmp_path, "loose", rules=", max_loss: {USD: 1.5}")
    with pytest.raises(ConfigError, match=r"max_loss: USD is no start currency.*name USDT"):
        run(file)


def test_a_kill_switch_ends_it_and_lets_none_begin(run: Run, tmp_path: Path) -> None:
    """The file is all it takes; who would begin is told to remove it."""
    file, kill = strategy_file(tmp_path, "killed"), tmp_path / "home" / "KILL"

    def pull(progress: SessionProgress) -> None:
        if progress.counts.orders:
            kill.touch()

    summary = run(file, on_flush=pull)
    assert summary.reason == f"kill switch: {kill}"
    assert summary.in_flight == 0
    with pytest.raises(ConfigError, match="remove it"):
        run(file, TWO)
    kill.unlink()


@pytest.mark.long
def test_a_socket_that_cannot_be_opened_ends_it_in_order(run: Run, tmp_path: Path) -> None:
    """Nobody could tell a session anything that has no socket; nothing hangs, nothing is out."""
    folder = tmp_path / "home" / "sessions" / ONE
    folder.mkdir(parents=True)
    (folder / "control.sock").write_text("in the way")
    with pytest.raises(ConfigError, match="no socket"):
        run(strategy_file(tmp_path, "mute"))
    beat = json.loads((folder / "heartbeat.json").read_bytes())
    assert beat["state"] == "failed"


@pytest.mark.long
def test_what_does_not_settle_is_reported_by_its_orders(
    exchange: ExchangeProcess, run: Run, tmp_path: Path
) -> None:
    """An order without an answer is left to a person, in summary and journal."""
    slow = {"kind": "delay", "match": "POST /api/v1/hf/orders", "ms": 30_000, "count": 100}
    exchange.operate("POST", "/faults", slow)
    try:
        summary = run(strategy_file(tmp_path, "mute", rules=", settle_s: 0.3"), minutes=0.03)
    finally:
        exchange.operate("DELETE", "/faults")
    assert summary.in_flight == 1
    (left,) = summary.open_orders
    journal = (tmp_path / "home" / "sessions" / ONE / "journal.ndjson").read_text().splitlines()
    events = [json.loads(line) for line in journal]
    assert [event["open_orders"] for event in events if event["event"] == "left"] == [[left]]
    assert [event["client_id"] for event in events if event["event"] == "intent"] == [left]


def test_what_an_error_leaves_is_told_by_the_error(
    exchange: ExchangeProcess, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal and the last heartbeat name the order, too; the next session looks into it."""
    folder = tmp_path / "home" / "sessions" / ONE

    async def breaks(files: object, stop: object) -> None:
        while b'"intent"' not in (folder / "journal.ndjson").read_bytes():
            await asyncio.sleep(0.01)
        raise Rejected("what watches it has broken")

    slow = {"kind": "delay", "match": "POST /api/v1/hf/orders", "ms": 30_000, "count": 100}
    exchange.operate("POST", "/faults", slow)
    file = strategy_file(tmp_path, "broken", rules=", settle_s: 0.3")
    try:
        with monkeypatch.context() as patched:
            patched.setattr(hosted_session, "watch_kill_files", breaks)
            with pytest.raises(SessionBrokenOff, match="what watches it has broken") as told:
                run(file)
    finally:
        exchange.operate("DELETE", "/faults")
    assert told.value.summary.in_flight == 1
    (left,) = told.value.summary.open_orders
    assert left in str(told.value)
    beat = json.loads((folder / "heartbeat.json").read_bytes())
    assert (beat["state"], beat["in_flight"], beat["open_orders"]) == ("failed", 1, [left])
    run(strategy_file(tmp_path, "next"), TWO, minutes=0.01)
    for key in (ONE, TWO):
        text = (tmp_path / "home" / "sessions" / key / "journal.ndjson").read_text()
        events = [json.loads(line) for line in text.splitlines()]
        found = [event["execution"] for event in events if event["event"] == "recovered"]
        assert found == [left.rpartition("-")[0]]
        if key == ONE:
            assert [e["open_orders"] for e in events if e["event"] == "left"] == [[left]]


def test_a_signal_ends_it_before_it_trades(
    exchange: ExchangeProcess, run: Run, tmp_path: Path
) -> None:
    """While the venue lets it wait, too; its heartbeat says so."""
    slow = {"kind": "delay", "match": "GET /api/v1/user/api-key", "ms": 30_000, "count": 1}
    exchange.operate("POST", "/faults", slow)
    before = signal.getsignal(signal.SIGTERM)

    def end_it() -> None:
        until(lambda: signal.getsignal(signal.SIGTERM) is not before, "session that listens")
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end_it)
    ending.start()
    try:
        with pytest.raises(ArbError, match="asked to end before it began to trade"):
            run(strategy_file(tmp_path, "early"))
    finally:
        ending.join()
        exchange.operate("DELETE", "/faults")
    assert signal.getsignal(signal.SIGTERM) is before
    beat = json.loads((tmp_path / "home" / "sessions" / ONE / "heartbeat.json").read_bytes())
    assert beat["state"] == "failed"


@pytest.mark.long
def test_what_watches_a_session_may_fail_and_does_not_end_it(run: Run, tmp_path: Path) -> None:
    """Its minutes do."""

    def fails(progress: SessionProgress) -> None:
        raise OSError("nobody is listening")

    summary = run(strategy_file(tmp_path, "unheard"), minutes=0.03, on_flush=fails)
    assert summary.reason == "its 0.03 minutes are over"
    assert summary.unwritten == 0


def test_a_strategy_gets_no_more_than_the_account_has(run: Run, tmp_path: Path) -> None:
    """It is told how much that is."""
    file = strategy_file(tmp_path, "greedy", balance=1e9)
    with pytest.raises(ConfigError, match=r"1000000000\.0 USDT.*lower `balances`"):
        run(file)


def test_live_wants_both_switches_on_this_machine_too(run: Run, tmp_path: Path) -> None:
    """So that a rehearsal is one."""
    with pytest.raises(ConfigError, match="mode: live"):
        run(strategy_file(tmp_path, "paper"), mode=TradingMode.LIVE)
    with pytest.raises(ConfigError, match="ARB_ALLOW_LIVE"):
        run(strategy_file(tmp_path, "live", mode="live"), mode=TradingMode.LIVE)
    summary = run(strategy_file(tmp_path, "fallen", mode="live"), TWO, minutes=0.01)
    assert summary.mode is TradingMode.PAPER


@pytest.mark.long
def test_several_strategies_share_an_account(lake: Lake, tmp_path: Path) -> None:
    """Each has what it was given, a folder of its own, and an end of its own."""
    few = strategy_file(tmp_path, "few", rules=", max_executions: 3")
    slow = strategy_file(tmp_path, "slow", rules=", max_executions: 6")
    keys = [f"{name}-kucoin-20260105T000001Z" for name in ("few", "slow")]
    requests = [
        SessionRequest(key, file, None, None, 0.5, now_ns())
        for key, file in zip(keys, (few, slow), strict=True)
    ]
    summaries = run_sessions(lake, requests)
    assert [(one.session, executions(one)) for one in summaries] == list(
        zip(keys, (3, 6), strict=True)
    )
    assert all(one.state is SessionState.ENDED for one in summaries)
    rows = lake.query("SELECT strategy, count(*) n FROM live_executions GROUP BY ALL ORDER BY 1")
    assert rows.rows() == [("few", 3), ("slow", 6)]
    for key in keys:
        assert (tmp_path / "home" / "sessions" / key / "journal.ndjson").stat().st_size
    both = [strategy_file(tmp_path, name, balance=60_000) for name in ("few", "slow")]
    requests = [
        SessionRequest(f"{file.stem}-kucoin-20260105T000002Z", file, None, None, 0.5, now_ns())
        for file in both
    ]
    with pytest.raises(ConfigError, match=r"60000\.0 USDT, and the account has [34]\d{4}\."):
        run_sessions(lake, requests)


@pytest.mark.long
def test_where_orders_could_leave_this_machine_none_does(
    exchange: ExchangeProcess, lake: Lake, tmp_path: Path
) -> None:
    """Without both switches each leg is tested by the venue and filled from the books we see."""
    elsewhere = {"kucoin_entry_url": "wss://example.com/v1/private"}  # never connected to
    careful = Lake(lake.settings.model_copy(update=elsewhere))
    before = free_balances(exchange)
    file = strategy_file(tmp_path, "careful", mode="live", rules=", max_executions: 5")
    summary = run_session(careful, SessionRequest(ONE, file, None, None, 0.5, now_ns()))
    assert executions(summary) == 5
    assert summary.counts.fills >= 15
    assert not summary.places_orders
    assert summary.mode is TradingMode.PAPER
    assert free_balances(exchange) == before
    assert careful.query("SELECT DISTINCT mode FROM live_executions").item() == "paper"


def test_a_session_goes_by_tls_by_socket_and_by_the_venues_clock(tmp_path: Path) -> None:
    """All legs at once, to an exchange with a certificate of its own whose clock is an hour off."""
    with running_exchange(
        tmp_path, "--tls", "--symbols", "12", "--balance", "USDT=10000,BTC=1,ETH=5"
    ) as process:
        assert process.certificate is not None
        certificate = tmp_path / "exchange.pem"
        certificate.write_text(process.certificate)
        process.operate("POST", "/clock", {"skew_ms": 3_600_000})
        settings = load_settings(
            home=tmp_path / "home",
            kucoin_url=process.rest,
            kucoin_key=SecretStr(process.key),
            kucoin_secret=SecretStr(process.secret),
            kucoin_passphrase=SecretStr(process.passphrase),
            kucoin_certificate=certificate,
        )
        rules = ", entry: socket, legs: parallel, orders: ioc, max_executions: 3"
        file = strategy_file(tmp_path, "quick", rules=rules)
        file.write_text(file.read_text().replace("{USDT: 5000}", "{USDT: 5000, BTC: 1, ETH: 5}"))
        summary = run_session(Lake(settings), SessionRequest(ONE, file, None, None, 0.5, now_ns()))
    assert executions(summary) == 3
    assert summary.state is SessionState.ENDED
    assert summary.counts.fills >= 9


@contextmanager
def fake_in_a_thread() -> Iterator[FakeKucoin]:
    """A venue beside the session's loop."""
    loop, up = asyncio.new_event_loop(), threading.Event()
    fakes: list[FakeKucoin] = []
    over = asyncio.Event()

    async def serve() -> None:
        async with fake_kucoin() as fake:
            fakes.append(fake)
            up.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert up.wait(20)
    try:
        yield fakes[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


def test_live_refuses_a_key_that_may_withdraw(tmp_path: Path) -> None:
    """Before any order, and before it looks at a book."""
    with fake_in_a_thread() as fake:
        fake.now_ms = lambda: now_ns() // NS_PER_MS
        fake.permission = "General,Spot,Transfer"
        settings = load_settings(
            home=tmp_path / "home",
            kucoin_url=fake.url,
            kucoin_key=SecretStr(KEY),
            kucoin_secret=SecretStr(SECRET),
            kucoin_passphrase=SecretStr(PASSPHRASE),
            allow_live="yes",
        )
        file = strategy_file(tmp_path, "live", mode="live")
        request = SessionRequest(ONE, file, None, None, 0.1, now_ns())
        with pytest.raises(ConfigError, match="withdraw"):
            run_session(Lake(settings), request)
        assert fake.orders == []
        assert not [topic for topic in fake.topics if "arket/level" in topic]
        beat = json.loads((tmp_path / "home" / "sessions" / ONE / "heartbeat.json").read_bytes())
        assert beat["state"] == "failed"
        assert "withdraw" in beat["reason"]
