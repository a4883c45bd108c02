"""What the local exchange acknowledged outlives its process."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from arb_pipelines.errors import ConfigError
from arb_pipelines.exchange.engine.exchange import Exchange
from arb_pipelines.exchange.engine.orders import Side
from arb_pipelines.exchange.state import StateFile
from tests.conftest import ROOT
from tests.fakes.exchange import BTC, D, levels, limit, listed, market, received
from tests.fakes.exchange_machine import FEES, LISTED, ExchangeMachine


class StateMachine(ExchangeMachine):
    """The engine's machine, whose restarts go through a state file."""

    def open_venue(self) -> Exchange:
        """Open on a fresh file."""
        self.folder = Path(tempfile.mkdtemp(prefix="exchange"))
        return self._open()

    def reopen_venue(self) -> Exchange:
        """Close the file and open it again."""
        self.state.close()
        return self._open()

    def teardown(self) -> None:
        """Remove the file; a last restart sees what the last calls left."""
        self.restart()
        self.state.close()
        shutil.rmtree(self.folder)

    def _open(self) -> Exchange:
        self.state = StateFile(self.folder / "state.db")
        return Exchange([LISTED], FEES, kept=self.state.load(), journal=self.state)


TestState = StateMachine.TestCase
TestState.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def open_exchange(path: Path) -> tuple[StateFile, Exchange]:
    """Open an exchange on a state file."""
    state = StateFile(path)
    return state, Exchange([listed()], kept=state.load(), journal=state)


def test_an_exchange_killed_at_work_has_every_order_it_acknowledged(tmp_path: Path) -> None:
    """Three times killed with SIGKILL, and nothing it printed is missing or different."""
    path = tmp_path / "state.db"
    acknowledged: list[str] = []
    for lines in (40, 73, 110):
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.exchange_worker", str(path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert worker.stdout is not None
        acknowledged += [worker.stdout.readline() for _ in range(lines)]
        worker.kill()
        acknowledged += worker.stdout.readlines()
        worker.stdout.close()
        worker.wait()
    state, venue = open_exchange(path)
    for line in acknowledged:
        if line.endswith("\n"):
            order_id, dealt, active = line.split()
            order = venue.order("ann", order_id=order_id)
            assert order is not None
            assert order.deal_size == D(dealt)
            assert not order.active or active == "True"
    totals = venue._floor.accounts.totals()
    assert totals == {"USDT": D(10**9), "BTC": D(10**6)}
    state.close()


def test_a_torn_last_page_loses_only_what_was_being_written(tmp_path: Path) -> None:
    """The write-ahead log cut inside its last transaction gives the state before that."""
    path, log = tmp_path / "state.db", tmp_path / "state.db-wal"
    state, venue = open_exchange(path)
    venue.open_account("ann", {"USDT": D(1000)})
    first = received(venue.place("ann", limit(Side.BUY, "50", "1"), 1))
    whole = log.stat().st_size
    second = received(venue.place("ann", limit(Side.BUY, "50", "1"), 2))
    torn = tmp_path / "torn.db"
    shutil.copy(path, torn)
    data = log.read_bytes()
    state.close()
    assert len(data) > whole
    (tmp_path / "torn.db-wal").write_bytes(data[: len(data) - 100])
    state, restored = open_exchange(torn)
    assert restored.order("ann", order_id=first.id) is not None
    assert restored.order("ann", order_id=second.id) is None
    assert restored.balances("ann")["USDT"].hold == D(50) * D("1.001")
    state.close()


def test_a_file_held_by_an_exchange_is_refused_to_a_second(tmp_path: Path) -> None:
    """Two engines on one file would each undo what the other acknowledged."""
    path = tmp_path / "state.db"
    state, venue = open_exchange(path)
    venue.open_account("ann", {"USDT": D(1000)})
    with pytest.raises(ConfigError, match="locked"):
        StateFile(path)
    state.close()
    StateFile(path).close()


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    """The message names it."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be taken for the header of one\n" * 40)
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        StateFile(path)


def test_an_order_on_a_symbol_no_longer_listed_stops_the_start(tmp_path: Path) -> None:
    """Its hold could never be freed."""
    path = tmp_path / "state.db"
    state, venue = open_exchange(path)
    venue.open_account("ann", {"USDT": D(1000)})
    venue.place("ann", limit(Side.BUY, "50", "1"), 1)
    with pytest.raises(ConfigError, match=BTC):
        Exchange([listed("ETH-USDT")], kept=state.load())
    state.close()


def test_a_feed_that_meets_nobody_writes_nothing(tmp_path: Path) -> None:
    """Only what clients have to do with is kept."""
    path = tmp_path / "state.db"
    state, venue = open_exchange(path)
    venue.open_account("ann", {"USDT": D(1000)})
    size = (tmp_path / "state.db-wal").stat().st_size
    venue.show(BTC, [], levels(("100", "1")), 1)
    assert (tmp_path / "state.db-wal").stat().st_size == size
    venue.place("ann", market(Side.BUY, size="1"), 2)
    assert (tmp_path / "state.db-wal").stat().st_size > size
    state.close()
