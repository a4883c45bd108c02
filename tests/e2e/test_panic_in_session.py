"""A session whose desk leaves something of a cycle: it is sold, in the session that left it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.values import Cycle, CycleState, Outcome, Purpose, StoredOrder
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import free_balances, keys_of, running_session, until

pytestmark = pytest.mark.long

STRATEGY = """
name: thin
exchange: kucoin
universe: {{start: [USDT]}}
min_profit_bps: 1
max_slippage_bps: 50
max_age_ms: 600000
capital_allocation: {{mode: fixed_amount, amount: 1000}}
balances: {{USDT: 5000}}
unwind: {{max_slippage_bps: 10, max_orders: 1}}
session: {{books: level2, depth: 5, flush_s: 0.2, max_executions: 1}}
panic_sell: {{max_slippage_bps: 500, slice_share: 1, enabled: {enabled}}}
"""
#: USDT > BTC > ETH > USDT earns 5 %; who takes BTC back finds little at the best price: ``{}``,
#: never as much as the last session took of it, since that would be no news of the level.
BOOKS = {
    "ETH-USDT": ([["2630", "60"]], [["2631", "60"]]),
    "ETH-BTC": ([["0.0499", "60"]], [["0.05", "60"]]),
    "BTC-USDT": ([["49990", "{}"], ["49000", "3"]], [["50000", "3"]]),
}


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of one triangle, whose books are those that a test shows."""
    home = tmp_path_factory.mktemp("exchange")
    arguments = ("--symbols", "3", "--speed", "0", "--balance", "USDT=10000")
    with running_exchange(home, *arguments) as process:
        yield process


def fallen_short(
    exchange: ExchangeProcess, home: Path, *, enabled: bool
) -> tuple[Cycle, list[StoredOrder]]:
    """Have a session trade a triangle whose second leg is refused; how its cycle ended."""
    file = home / "thin.yaml"
    home.mkdir()
    file.write_text(STRATEGY.format(enabled=str(enabled).lower()), encoding="utf-8")
    little = "0.001" if enabled else "0.0011"
    for symbol, (bids, asks) in BOOKS.items():  # nothing to be earned yet
        shown = [["0.01", "1"]] if symbol == "ETH-USDT" else bids
        shown = [[price, size.format(little)] for price, size in shown]
        exchange.operate("POST", "/books", {"symbol": symbol, "bids": shown, "asks": asks})
    with running_session(home, file, keys_of(exchange)) as session:
        until(lambda: session.heartbeat().get("state") == "running", "session")
        until(lambda: session.heartbeat().get("books", 0) >= 3, "books")
        fault = {"kind": "reject", "match": "ETH-BTC buy", "code": "200001", "msg": "halted"}
        exchange.operate("POST", "/faults", fault)
        bids, asks = BOOKS["ETH-USDT"]
        exchange.operate("POST", "/books", {"symbol": "ETH-USDT", "bids": bids, "asks": asks})
        out, errors = session.process.communicate(timeout=60)
        assert session.process.returncode == 0, errors + out
    (path,) = (home / "state").glob("kucoin-*.sqlite")
    with open_state(path) as store:
        (cycle,) = store.ended_cycles(10)
        return cycle, store.orders(cycle.id)


@pytest.mark.each_time
def test_what_the_desk_leaves_is_sold_before_the_session_ends(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    """The desk's own way back comes first; then the rest goes home within the wider bound."""
    before = free_balances(exchange)
    cycle, orders = fallen_short(exchange, tmp_path / "home", enabled=True)
    after = free_balances(exchange)
    assert (cycle.state, cycle.outcome) == (CycleState.FAILED, Outcome.PANIC_SOLD)
    purposes = [order.purpose for order in orders]
    assert purposes == [Purpose.LEG, Purpose.LEG, Purpose.UNWIND, Purpose.PANIC]
    assert orders[-1].client_id == f"{cycle.id}-p0"
    assert not cycle.held
    assert after["USDT"] - before["USDT"] == cycle.changes["USDT"] == cycle.profit


def test_turned_off_the_cycle_ends_with_what_it_holds(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    """As before there was a seller: a residual, reported."""
    before = free_balances(exchange)
    cycle, orders = fallen_short(exchange, tmp_path / "home", enabled=False)
    after = free_balances(exchange)
    assert (cycle.state, cycle.outcome) == (CycleState.FAILED, Outcome.RESIDUAL)
    assert [order.purpose for order in orders][-1] is Purpose.UNWIND
    left = after.get("BTC", Decimal(0)) - before.get("BTC", Decimal(0))
    assert cycle.held == {"BTC": left}
