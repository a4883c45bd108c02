"""What a session leaves in its account's state file, held to the exchange."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from arb_pipelines.clock import now_ns
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.reader import StateReader
from arb_pipelines.execution.state.values import Cycle, CycleState, OrderStatus, Outcome, Purpose
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import begin_session
from arb_pipelines.research.sessions import (
    SessionProgress,
    SessionRequest,
    SessionSummary,
    run_session,
)
from arb_pipelines.settings import load_settings
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import free_balances, strategy_file

KEY = "some-kucoin-20260105T000001Z"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of twelve symbols whose market moves by itself."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "12", "--balance", "USDT=100000") as process:
        yield process


def run(
    exchange: ExchangeProcess,
    home: Path,
    rules: str,
    *,
    key: str = KEY,
    state_key: str | None = None,
    rehearse_ms: float = 0.0,
    dry_run: bool = False,
    on_flush: Callable[[SessionProgress], None] = lambda progress: None,
) -> SessionSummary:
    """Run a session in a home of its own, for half a minute at most."""
    lake = Lake(
        load_settings(
            home=home,
            kucoin_url=exchange.rest,
            kucoin_key=SecretStr(exchange.key),
            kucoin_secret=SecretStr(exchange.secret),
            kucoin_passphrase=SecretStr(exchange.passphrase),
            state_key=None if state_key is None else SecretStr(state_key),
            rehearse_ms=rehearse_ms,
        )
    )
    file = strategy_file(home.parent, "some", rules=rules)
    request = SessionRequest(key, file, None, None, 0.5, now_ns(), None, dry_run=dry_run)
    begin_session(lake.settings, request)
    return run_session(lake, request, on_flush=on_flush)


def state_path(home: Path) -> Path:
    """The only state file there is."""
    (path,) = (home / "state").glob("kucoin-*.sqlite")
    return path


def moved(cycles: Iterable[Cycle]) -> dict[str, Decimal]:
    """What cycles changed the account's balances by, all together."""
    changed: defaultdict[str, Decimal] = defaultdict(Decimal)
    for cycle in cycles:
        for currency, by in cycle.changes.items():
            changed[currency] += by
    return {of: by for of, by in changed.items() if by}


def difference(before: Mapping[str, Decimal], after: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """What the exchange's balances changed by."""
    zero = Decimal(0)
    by = {of: after.get(of, zero) - before.get(of, zero) for of in {*before, *after}}
    return {of: change for of, change in by.items() if change}


@pytest.mark.parametrize(
    ("legs", "key", "rehearse_ms"),
    [
        ("sequence", None, 0.0),
        ("parallel", "it's secret", 0.0),
        pytest.param("sequence", None, 4.0, marks=pytest.mark.each_time),
    ],
)
def test_the_state_tells_what_became_of_every_unit(
    exchange: ExchangeProcess, tmp_path: Path, legs: str, key: str | None, rehearse_ms: float
) -> None:
    """Cycles, orders and fills of the state add up to what the exchange's balances changed by."""
    before = free_balances(exchange)
    rules = f", max_executions: 12, legs: {legs}"
    summary = run(exchange, tmp_path / "home", rules, state_key=key, rehearse_ms=rehearse_ms)
    path = state_path(tmp_path / "home")
    assert not path.stem.endswith("-tested")
    assert path.read_bytes().startswith(b"SQLite format") == (key is None)
    with open_state(path, key=None if key is None else SecretStr(key)) as state:
        assert not state.open_cycles()
        cycles = state.ended_cycles(100)
        assert len(cycles) == sum(summary.counts.executions.values()) == 12
        for cycle in cycles:
            check(state, cycle)
        seen = {one.currency: one.available for one in reversed(state.balances_seen())}
        assert seen == {of: free for of, free in before.items() if free}
    assert moved(cycles) == difference(before, free_balances(exchange))


def check(state: StateReader, cycle: Cycle) -> None:
    """Hold a cycle to its orders, its fills and its history."""
    assert cycle.id.startswith(state.engine_id)
    assert cycle.session == KEY
    assert (cycle.state is CycleState.COMPLETED) == (cycle.outcome is Outcome.FILLED)
    assert cycle.profit == cycle.changes.get("USDT", Decimal(0))
    steps = [step.after for step in state.transitions(cycle.id)]
    assert steps[:3] == [CycleState.PENDING, CycleState.VALIDATING, CycleState.ACTIVE]
    assert steps[-1] is cycle.state
    orders = state.orders(cycle.id)
    numbers = range(len(orders))
    assert [order.client_id for order in orders] == [f"{cycle.id}-{number}" for number in numbers]
    for order in orders:
        assert (order.leg is None) == (order.purpose is Purpose.UNWIND)
        assert order.status in (OrderStatus.DONE, OrderStatus.REFUSED)
        if order.status is OrderStatus.DONE:
            assert order.order_id
            assert sum(fill.size for fill in state.fills(order.client_id)) == order.filled


def test_what_is_only_tested_has_a_file_of_its_own(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    """A dry run's cycles end there, and nothing of them is the account's."""
    before = free_balances(exchange)
    summary = run(exchange, tmp_path / "home", ", max_executions: 5", dry_run=True)
    path = state_path(tmp_path / "home")
    assert path.stem.endswith("-tested")
    with open_state(path) as state:
        assert not state.open_cycles()
        cycles = state.ended_cycles(100)
        assert len(cycles) == sum(summary.counts.executions.values()) == 5
    assert moved(cycles) == {of: Decimal(by) for of, by in summary.booked.items()}
    assert difference(before, free_balances(exchange)) == {}


def test_a_state_that_cannot_be_written_stops_the_session_and_loses_nothing(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    """Somebody keeps the file locked while it trades; the next start finds what became of all."""
    before, home = free_balances(exchange), tmp_path / "home"
    locks: list[sqlite3.Connection] = []

    def lock(progress: SessionProgress) -> None:
        if not locks and progress.counts.orders >= 6:
            locks.append(
                sqlite3.connect(state_path(home), isolation_level=None, check_same_thread=False)
            )
            locks[0].execute("BEGIN IMMEDIATE")

    summary = run(exchange, home, ", settle_s: 2", on_flush=lock)
    assert summary.reason.startswith("the state file cannot be written: database is locked")
    locks[0].close()
    run(exchange, home, ", max_executions: 1", key=KEY.replace("1Z", "2Z"))
    with open_state(state_path(home)) as state:
        assert not state.open_cycles()
        cycles = state.ended_cycles(10_000)
    assert moved(cycles) == difference(before, free_balances(exchange))
