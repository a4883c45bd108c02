"""A whole session through ccxt: the venue is another, the rest is what it always is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from arb_pipelines.clock import now_ns
from arb_pipelines.lake.store import Lake
from arb_pipelines.logs import configure
from arb_pipelines.research.sessions import SessionRequest, run_session
from arb_pipelines.settings import load_settings
from arb_pipelines.venues import opening
from tests.e2e.exchange_process import running_exchange
from tests.e2e.session_process import free_balances, secrets_of, strategy_file
from tests.leaks import leaks

EXECUTIONS = 8


def test_a_session_trades_and_adds_up_through_ccxt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Cycles of three legs; what it booked is what the venue's balances say; no key is shown."""
    monkeypatch.setattr(opening, "_OPENERS", {})  # KuCoin has no client of its own here
    file = strategy_file(tmp_path, "broad", rules=f", max_executions: {EXECUTIONS}")
    arguments = ("--symbols", "12", "--balance", "USDT=100000")
    with running_exchange(tmp_path / "exchange", *arguments) as exchange:
        settings = load_settings(
            home=tmp_path / "home",
            log_level="debug",
            ccxt_url=exchange.rest,
            ccxt_key=SecretStr(exchange.key),
            ccxt_secret=SecretStr(exchange.secret),
            ccxt_passphrase=SecretStr(exchange.passphrase),
        )
        configure(settings)
        before = free_balances(exchange)
        request = SessionRequest("broad-kucoin-20260105T000000Z", file, None, None, 1.0, now_ns())
        summary = run_session(Lake(settings), request)
        after = free_balances(exchange)
    assert sum(summary.counts.executions.values()) >= EXECUTIONS
    assert summary.counts.executions["filled"] > 0
    for currency in {*before, *after, *summary.booked}:
        change = after.get(currency, Decimal(0)) - before.get(currency, Decimal(0))
        assert change == Decimal(summary.booked.get(currency, "0")), currency
    said = capfd.readouterr()
    told = {"stdout": said.out, "stderr": said.err, "its summary": repr(summary)}
    assert leaks(secrets_of(exchange), settings.root, told.items()) == []
    seen = leaks({"session": request.key}, settings.root, told.items())  # what is there is found
    assert {"session: table live_executions, session", "session: its summary"} <= {*seen}
