"""A session that takes 50 signals a second for a while holds no more at its end than before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.soak import soak, unexplained

SYMBOLS, RATE = 20, 50.0
#: What a session remembers up to a bound, made small, and the signals until all is full.
BOUNDS = (
    "control.board.KEPT",
    "orders.fees._MOST_WAITING",
    "records.following._REMEMBERED",
)
BOUND, WARM_UP, SOAK = 32, 150, 250


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange that plays the generator; its quota is not what is tested."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", str(SYMBOLS), "--balance", "USDT=200000") as process:
        process.operate("POST", "/limits", {"spot": 10**9, "public": 10**9})
        yield process


def balances(exchange: ExchangeProcess) -> Mapping[str, Decimal]:
    """What the venue says the account has."""

    async def body() -> Mapping[str, Decimal]:
        keys = Credentials(*map(SecretStr, (exchange.key, exchange.secret, exchange.passphrase)))
        async with Rest(exchange.rest, Signer(keys)) as client:
            return await KucoinAccount(client).balances()

    return asyncio.run(asyncio.wait_for(body(), 20))


def test_nothing_grows_and_the_ledger_adds_up(
    exchange: ExchangeProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects, tasks, files and threads stay; balances changed by what was booked."""
    for name, value in (
        ("HOME", str(tmp_path / "home")),
        ("KUCOIN_URL", exchange.rest),
        ("KUCOIN_KEY", exchange.key),
        ("KUCOIN_SECRET", exchange.secret),
        ("KUCOIN_PASSPHRASE", exchange.passphrase),
    ):
        monkeypatch.setenv(f"ARB_{name}", value)
    for bound in BOUNDS:
        monkeypatch.setattr(f"arb_pipelines.execution.{bound}", BOUND)
    before = balances(exchange)
    parts, most = (WARM_UP, SOAK), 2 * BOUND  # accepted in each, so that what has a bound is full
    found = soak(Lake(load_settings()), exchange, tmp_path, parts, RATE, accepted=most)
    early, late = found.samples
    assert found.answers["accepted"] >= 4 * BOUND
    # What is under way at the moment of counting comes and goes: up to eight executions,
    # each with an order or two on the pool's sixteen connections. A leak would be more.
    assert late.tasks <= early.tasks + 16
    assert late.files <= early.files + 16
    assert late.threads <= early.threads + 1
    assert early.lake_mib > 0 < late.lake_mib  # one child wrote, or this process would have grown
    assert late.objects <= early.objects + 4 * SOAK
    assert found.summary is not None
    assert found.summary.in_flight == 0
    assert unexplained(before, balances(exchange), found.summary) == {}
