"""Sessions killed with -9 at a real exchange: the next start explains every unit."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from arb_pipelines.clock import now_ns
from arb_pipelines.execution.recovery.values import Recovery
from arb_pipelines.execution.state.reader import open_state_for_reading
from arb_pipelines.execution.state.values import Cycle, OrderStatus
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.sessions import SessionRequest, recover_only
from arb_pipelines.settings import load_settings
from tests.e2e.exchange_process import ExchangeProcess, running_exchange
from tests.e2e.session_process import (
    free_balances,
    keys_of,
    running_session,
    strategy_file,
    until,
)

#: Of the state's log: a page and what precedes it.
_PAGE_BYTES = 4_096 + 24


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeProcess]:
    """An exchange of twelve symbols whose market moves by itself."""
    home = tmp_path_factory.mktemp("exchange")
    with running_exchange(home, "--symbols", "12", "--balance", "USDT=100000") as process:
        yield process


@pytest.fixture(autouse=True)
def in_order(exchange: ExchangeProcess) -> Iterator[None]:
    """Leave no fault behind."""
    yield
    exchange.operate("DELETE", "/faults")


def lake_of(exchange: ExchangeProcess, home: Path) -> Lake:
    keys = {name.removeprefix("ARB_").lower(): text for name, text in keys_of(exchange).items()}
    return Lake(load_settings(home=home, **keys))


def state_of(home: Path) -> Path:
    """The one state file of a home."""
    (file,) = (home / "state").glob("*[0-9a-f].sqlite")
    return file


def ended(home: Path) -> list[Cycle]:
    """The cycles of a home's state; all have ended, and none has an order of unknown end."""
    with open_state_for_reading(state_of(home)) as state:
        assert state.open_cycles() == []
        cycles = state.ended_cycles(100_000)
        for cycle in cycles:
            for order in state.orders(cycle.id):
                assert order.status not in (OrderStatus.INTENDED, OrderStatus.ACCEPTED)
        return cycles


def killed(exchange: ExchangeProcess, home: Path, file: Path, begun: int) -> None:
    """Run a session until so many of its orders were sent, and kill it."""
    with running_session(home, file, keys_of(exchange)) as session:
        journal = session.folder / "journal.ndjson"
        until(
            lambda: journal.exists() and journal.read_bytes().count(b'"intent"') >= begun,
            f"{begun} orders",
        )
        session.process.kill()
        session.process.wait()


def recovered(exchange: ExchangeProcess, home: Path, file: Path) -> Recovery:
    request = SessionRequest("again-kucoin-20990101T000000Z", file, None, None, None, now_ns())
    return recover_only(lake_of(exchange, home), [request])


def apart(
    before: dict[str, Decimal], after: dict[str, Decimal], cycles: list[Cycle]
) -> dict[str, Decimal]:
    """What the venue's balances and the state differ by."""
    found = {of: after.get(of, Decimal(0)) - before.get(of, Decimal(0)) for of in {*before, *after}}
    for cycle in cycles:
        for of, by in cycle.changes.items():
            found[of] = found.get(of, Decimal(0)) - by
    return {of: by for of, by in found.items() if by}


@pytest.mark.parametrize(
    "orders",
    [1, pytest.param(2, marks=pytest.mark.long), 3, pytest.param(8, marks=pytest.mark.long)],
)
def test_a_killed_session_is_recovered_to_the_last_unit(
    exchange: ExchangeProcess, tmp_path: Path, orders: int
) -> None:
    """Its last order arrives after its death; its cycle ends, and the sums agree."""
    home, file = tmp_path / "home", strategy_file(tmp_path, "cut")
    before = free_balances(exchange)
    slow = {"kind": "delay", "match": "POST /api/v1/hf/orders", "ms": 1500, "skip": orders - 1}
    exchange.operate("POST", "/faults", slow)
    killed(exchange, home, file, orders)
    exchange.operate("DELETE", "/faults")
    found = recovered(exchange, home, file)
    assert len(found.cycles) == 1
    assert not found.unexplained
    cycles = ended(home)
    assert apart(before, free_balances(exchange), cycles) == {}
    again = recovered(exchange, home, file)
    assert (list(again.cycles), again.unexplained) == ([], {})


@pytest.mark.parametrize("pages", [pytest.param(5, marks=pytest.mark.long), 40])
def test_what_a_torn_state_lost_is_told_by_the_venue(
    exchange: ExchangeProcess, tmp_path: Path, pages: int
) -> None:
    """The last pages never got to the disk: their orders are found in the venue's lists."""
    home, file = tmp_path / "home", strategy_file(tmp_path, "torn")
    before = free_balances(exchange)
    killed(exchange, home, file, 30)
    log = state_of(home).with_name(state_of(home).name + "-wal")
    with log.open("r+b") as pages_of:
        pages_of.truncate(log.stat().st_size - pages * _PAGE_BYTES - 100)
    found = recovered(exchange, home, file)
    assert not found.unexplained
    cycles = ended(home)
    assert apart(before, free_balances(exchange), cycles) == {}
    if pages > 5:  # whole cycles are gone
        assert any(cycle.metadata.get("adopted") for cycle in cycles)
