"""What a real session leaves behind: journal, log, rows and balances say the same."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from arb_pipelines.clock import now_ns
from arb_pipelines.execution.records.journal import LOG, RESERVE
from arb_pipelines.execution.records.journal_reading import read_journal, unfinished_orders
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.lost_records import bring_records
from arb_pipelines.research.reconcile import booked_in_rows, reconcile
from arb_pipelines.research.request_folder import begin_session
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.research.sessions import run_session
from arb_pipelines.settings import load_settings
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import (
    free_balances,
    keys_of,
    running_session,
    strategy_file,
    until,
)

EXECUTIONS = 12


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of twelve symbols whose market moves by itself."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "12", "--balance", "USDT=100000") as process:
        yield process


@pytest.mark.parametrize("legs", ["sequence", "parallel"])
def test_journal_log_rows_and_balances_agree(
    exchange: ExchangeProcess, tmp_path: Path, legs: str
) -> None:
    """Every order of the lake was intended before it left, and balances are what rows say."""
    lake = Lake(
        load_settings(
            home=tmp_path / "home",
            kucoin_url=exchange.rest,
            kucoin_key=SecretStr(exchange.key),
            kucoin_secret=SecretStr(exchange.secret),
            kucoin_passphrase=SecretStr(exchange.passphrase),
        )
    )
    rules = f", max_executions: {EXECUTIONS}, legs: {legs}"
    key = f"kept-kucoin-20260105T00000{len(legs)}Z"
    request = SessionRequest(
        key, strategy_file(tmp_path, "kept", rules=rules), None, None, 0.5, now_ns()
    )
    begin_session(lake.settings, request)
    before = free_balances(exchange)
    summary = run_session(lake, request)
    after = free_balances(exchange)
    folder = tmp_path / "home" / "sessions" / key

    found = reconcile(lake, key)
    assert [audit.check.name for audit in found.audits if not audit.passed] == []
    assert found.executions == sum(summary.counts.executions.values()) >= EXECUTIONS
    booked = booked_in_rows(lake, key)
    for currency in {*before, *after, *booked}:
        change = after.get(currency, Decimal(0)) - before.get(currency, Decimal(0))
        assert float(booked.get(currency, 0)) == pytest.approx(float(change), abs=1e-9), currency

    rows = lake.query("SELECT * FROM live_legs WHERE session = ? ORDER BY trade_no, leg_no", [key])
    said: dict[str, list[str]] = {}
    for document in read_journal(folder):
        if "client_id" in document:
            said.setdefault(document["client_id"], []).append(document["event"])
    assert set(said) == set(rows["client_id"])
    for name in rows["client_id"]:
        intended = said[name].index("intent")
        assert intended < said[name].index("routed")
        # a fill may overtake the venue's answer, which then nobody waits for at the end
        assert "accepted" not in said[name] or intended < said[name].index("accepted")
    assert unfinished_orders(folder) == []
    assert rows["order_id"].null_count() == 0
    filled = rows.filter(rows["status"] == "filled")
    answered = filled.drop_nulls("ts_answered")
    assert (answered["ts_sent"] <= answered["ts_answered"]).all()
    assert len(answered) >= len(filled) - 3
    assert (filled["ts_sent"] <= filled["ts_filled"]).all()

    lines = (folder / LOG).read_text().splitlines()
    told = [line for line in lines if "  refused   " not in line]
    assert len(told) == found.executions
    assert not (folder / RESERVE).exists()
    newest = lake.query(
        "SELECT name, label, value FROM live_metrics WHERE session = ? "
        "QUALIFY flush_no = max(flush_no) OVER ()",
        [key],
    )
    values = {(name, label): value for name, label, value in newest.iter_rows()}
    assert values["executions", "filled"] > 0
    assert values["orders", ""] == len(rows)
    assert values["unexplained", "USDT"] == pytest.approx(0.0, abs=1e-9)
    assert {"lag", "book", "signal", "first_order", "answer", "fill", "cycle"} <= {
        label for name, label in values if name == "latency_p99_us"
    }
    assert values["journal_waiting", ""] >= 0
    assert exchange.secret not in "".join(
        path.read_text(errors="replace") for path in folder.iterdir() if path.is_file()
    )


def cycles_told(folder: Path) -> set[int]:
    """The executions whose end a session's journal tells."""
    return {told["execution"] for told in read_journal(folder) if told["event"] == "cycle"}


def test_nothing_of_a_killed_session_stays_unexplained(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    """SIGKILL between two writes: the journal brings every execution, and names what was out."""
    home = tmp_path / "home"
    file = strategy_file(tmp_path, "struck")
    file.write_text(file.read_text().replace("flush_s: 0.2", "flush_s: 300"))
    before = free_balances(exchange)
    with running_session(home, file, keys_of(exchange)) as session:
        session.traded(6)
        folder = session.folder
        # A thread of its own writes ends down, some time after the heartbeat counts them.
        until(lambda: len(cycles_told(folder)) >= 6, "6 ends in the journal")
        session.process.kill()
        session.process.wait()
    lake = Lake(load_settings(home=home))
    assert lake.query("SELECT count(*) FROM live_executions").item() == 0
    for _ in range(2):
        reason = bring_records(lake, folder, "struck down")
    told = cycles_told(folder)
    assert len(told) >= 6
    rows = lake.query("SELECT trade_no FROM live_executions ORDER BY trade_no")
    assert rows["trade_no"].to_list() == sorted(told)
    found = reconcile(lake, folder.name)
    assert [audit.check.name for audit in found.audits if not audit.passed] == []
    (ended,) = lake.query("SELECT state, end_reason FROM live_sessions").rows()
    assert ended == ("lost", reason)
    out = {order["client_id"] for order in unfinished_orders(folder)}
    assert out == set(reason.rpartition(": ")[2].split(", ") if "look up" in reason else ())
    if not out:  # else what they came to since is the venue's to tell
        after, booked = free_balances(exchange), booked_in_rows(lake, folder.name)
        for currency in {*before, *after, *booked}:
            change = after.get(currency, Decimal(0)) - before.get(currency, Decimal(0))
            assert float(booked.get(currency, 0)) == pytest.approx(float(change), abs=1e-9)
