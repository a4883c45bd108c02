"""A day of a real session, held to the exchange's own account of it, and found in the lake."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from arb_pipelines.clock import day_of, now_ns
from arb_pipelines.errors import DataError
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.graph import BUY
from arb_pipelines.research.account_days import Reconciled, reconcile_day
from arb_pipelines.research.models import all_checks, build_models
from arb_pipelines.research.state_agreement import disagreements
from arb_pipelines.research.state_files import state_files
from arb_pipelines.settings import Settings
from arb_pipelines.trading.events import OrderKind
from arb_pipelines.venues.base import NewOrder
from arb_pipelines.venues.kucoin.account import KucoinAccount
from arb_pipelines.venues.kucoin.order_entry import RestOrderEntry
from arb_pipelines.venues.kucoin.rest import Rest
from arb_pipelines.venues.kucoin.signing import Credentials, Signer
from tests.e2e.exchange_process import ExchangeProcess, running_exchange, settings_of
from tests.e2e.session_process import keys_of, running_session, strategy_file

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of twelve symbols whose market moves by itself."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "12", "--balance", "USDT=100000") as process:
        yield process


def reconciled(lake: Lake) -> Reconciled:
    """Reconcile the running day."""
    return reconcile_day(lake, "kucoin", day_of(now_ns()))


def buy_by_hand(exchange: ExchangeProcess, symbol: str) -> None:
    """Place an order on the session's account that is not the session's."""

    async def buy() -> None:
        keys = Credentials(*map(SecretStr, (exchange.key, exchange.secret, exchange.passphrase)))
        async with Rest(exchange.rest, Signer(keys)) as client:
            account = KucoinAccount(client)
            order = NewOrder("by-hand", symbol, BUY, OrderKind.MARKET, funds=Decimal(50))
            await RestOrderEntry(client, account).place(order)
            report = await account.settled("by-hand", 10.0)
            assert report is not None
            assert report.size > 0

    asyncio.run(buy())


def test_every_unit_of_a_session_is_explained(
    exchange: ExchangeProcess, home: Settings, tmp_path: Path
) -> None:
    """Orders match the exchange's; a deposit, a person's order and lost orders have their names."""
    settings = settings_of(exchange, home)
    lake = Lake(settings)
    with running_session(home.root, strategy_file(tmp_path, "thin"), keys_of(exchange)) as session:
        session.traded(10)
        watched = subprocess.run(
            [sys.executable, "-m", "arb_pipelines.cli", "monitor", "--history", "3", "--json"],
            env=os.environ | {"ARB_HOME": str(home.root)},
            capture_output=True,
            check=True,
        )
        assert len(json.loads(watched.stdout)) == 3
        executions = sum(session.stop()["counts"]["executions"].values())

    # while it traded it copied its cycles, whole: nothing is left to copy
    assert lake.query("SELECT count(*) FROM strategy_cycles").item() == executions >= 10
    assert disagreements(lake, at_ns=now_ns() + 120 * 10**9) == []
    build_models(lake, {"venue": "kucoin", "day": day_of(now_ns())})
    for check in all_checks():
        if check.on.startswith("strategy_") and "strategy_days" not in check.on:
            assert lake.query(check.sql).is_empty(), check.name

    quiet = reconciled(lake)
    assert set(quiet.verdicts) == {"matched"}
    orders = lake.query("SELECT count(*) FROM strategy_orders WHERE filled > 0").item()
    sql = "SELECT count(DISTINCT item) FROM reconciliations WHERE kind = 'order'"
    assert lake.query(sql).item() == orders >= 30
    balances = lake.query("SELECT * FROM reconciliations WHERE kind = 'balance'")
    assert balances["difference"].abs().sum() == 0
    assert "USDT" in balances["item"].to_list()

    symbol = next(name for name in exchange.symbols if name.endswith("-USDT"))
    buy_by_hand(exchange, symbol)
    exchange.operate("POST", "/deposits", {"user": "local", "currency": "ADA", "amount": "7"})
    told = reconciled(lake)
    assert set(told.verdicts) == {"matched", "others", "deposit"}
    assert told.unexplained == []
    sql = "SELECT item, difference FROM reconciliations WHERE verdict = 'deposit'"
    assert lake.query(sql).rows() == [("ADA", 7.0)]
    sql = "SELECT DISTINCT item FROM reconciliations WHERE verdict = 'others'"
    assert lake.query(sql).item() == "by-hand"

    (file,) = state_files(settings)
    forgotten = lake.query("SELECT max(client_id) FROM strategy_orders WHERE filled > 0").item()
    connection = file.database.connect()
    connection.execute("DELETE FROM orders WHERE client_id = ?", (forgotten,))
    connection.close()
    with pytest.raises(DataError, match=r"1 orders of .* were cleaned up"):
        reconciled(lake)
    lake.commit(
        lambda transaction: transaction.connection.execute(
            "DELETE FROM strategy_orders WHERE client_id = ?", [forgotten]
        )
    )
    lost = reconciled(lake)
    assert lost.verdicts["theirs_only"] == 2
    assert all(forgotten in line for line in lost.unexplained)
    (audit,) = [check for check in all_checks() if check.name == "unexplained_differences"]
    assert set(lake.query(audit.sql)["item"]) == {forgotten}
