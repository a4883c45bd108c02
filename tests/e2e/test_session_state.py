"""What a session leaves in its account's state file, held to the exchange."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from arb_pipelines.clock import now_ns
from arb_pipelines.execution.state.store import open_state
from arb_pipelines.execution.state.values import CycleState, OrderStatus, Outcome, Purpose
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.session_requests import begin_session
from arb_pipelines.research.sessions import SessionRequest, SessionSummary, run_session
from arb_pipelines.settings import load_settings
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import free_balances, strategy_file

KEY = "some-kucoin-20260105T000001Z"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of twelve symbols whose market moves by itself."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "12", "--balance", "USDT=100000") as process:
        yield process


def run(exchange: ExchangeProcess, home: Path, rules: str) -> SessionSummary:
    """Run a session in a home of its own, for half a minute at most."""
    lake = Lake(
        load_settings(
            home=home,
            kucoin_url=exchange.rest,
            kucoin_key=SecretStr(exchange.key),
            kucoin_secret=SecretStr(exchange.secret),
            kucoin_passphrase=SecretStr(exchange.passphrase),
        )
    )
    file = strategy_file(home.parent, "some", rules=rules)
    request = SessionRequest(KEY, file, None, None, 0.5, now_ns(), None)
    begin_session(lake.settings, request)
    return run_session(lake, request)


@pytest.mark.parametrize("legs", ["sequence", "parallel"])
def test_the_state_tells_what_became_of_every_unit(
    exchange: ExchangeProcess, tmp_path: Path, legs: str
) -> None:
    """Cycles, orders and fills of the state add up to what the exchange's balances changed by."""
    before = free_balances(exchange)
    summary = run(exchange, tmp_path / "home", f", max_executions: 12, legs: {legs}")
    after = free_balances(exchange)
    (path,) = (tmp_path / "home" / "state").glob("kucoin-*.sqlite")
    assert not path.stem.endswith("-tested")
    with open_state(path) as state:
        assert not state.open_cycles()
        cycles = state.ended_cycles(100)
        assert len(cycles) == sum(summary.counts.executions.values()) == 12
        changed: defaultdict[str, Decimal] = defaultdict(Decimal)
        for cycle in cycles:
            assert cycle.id.startswith(state.engine_id)
            assert cycle.session == KEY
            assert (cycle.state is CycleState.COMPLETED) == (cycle.outcome is Outcome.FILLED)
            assert cycle.profit == cycle.changes.get("USDT", Decimal(0))
            steps = [step.after for step in state.transitions(cycle.id)]
            assert steps[:3] == [CycleState.PENDING, CycleState.VALIDATING, CycleState.ACTIVE]
            assert steps[-1] is cycle.state
            for currency, by in cycle.changes.items():
                changed[currency] += by
            orders = state.orders(cycle.id)
            assert [order.client_id for order in orders] == [
                f"{cycle.id}-{number}" for number in range(len(orders))
            ]
            for order in orders:
                assert (order.leg is None) == (order.purpose is Purpose.UNWIND)
                assert order.status in (OrderStatus.DONE, OrderStatus.REFUSED)
                if order.status is OrderStatus.DONE:
                    assert order.order_id
                    fills = state.fills(order.client_id)
                    assert sum(fill.size for fill in fills) == order.filled
    currencies = {*before, *after, *changed}
    moved = {of: after.get(of, Decimal(0)) - before.get(of, Decimal(0)) for of in currencies}
    assert {of: by for of, by in changed.items() if by} == {of: by for of, by in moved.items() if by}
