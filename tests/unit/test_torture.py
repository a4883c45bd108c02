"""The torture harness itself: its points, its audit, and the torn page."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.limits import watch_kill_files
from tests.torture.audit import Findings, audit, check_intents
from tests.torture.points import PASSED, PLAN, Watched, Watcher
from tests.torture.state_file import Kept, KeptCycle, KeptOrder, read_state, tear
from tests.torture.venue import VenueFill, VenueOrder, VenueRecords

D = Decimal
#: A cycle that bought 0.01 BTC for 500 USDT, and sold it for 510.
BOUGHT = VenueOrder("e-0-0", "1", "BTC-USDT", "buy", D("0.01"), D(500), D("0.5"), False, 1)
SOLD = VenueOrder("e-0-1", "2", "BTC-USDT", "sell", D("0.01"), D(510), D("0.51"), False, 2)
FILLS = [
    VenueFill("1", "BTC-USDT", "buy", D("0.004"), D(200), D("0.2")),
    VenueFill("1", "BTC-USDT", "buy", D("0.006"), D(300), D("0.3")),
    VenueFill("2", "BTC-USDT", "sell", D("0.01"), D(510), D("0.51")),
]
BEFORE = {"USDT": D(1000)}
VENUE = VenueRecords([BOUGHT, SOLD], FILLS, {"USDT": D("1008.99"), "BTC": D(0)}, {"USDT": D(0)})
CYCLE = KeptCycle("e-0", "completed", "filled", "USDT", D(501), {"USDT": D("8.99")}, True, False)
ORDERS = [
    KeptOrder("e-0-0", "e-0", 0, "done", D("0.01"), D(500), D("0.5")),
    KeptOrder("e-0-1", "e-0", 1, "done", D("0.01"), D(510), D("0.51")),
]
KEPT = Kept([CYCLE], ORDERS)


def found(venue: VenueRecords = VENUE, kept: Kept = KEPT) -> Findings:
    """Audit; give what is wrong."""
    findings = Findings()
    check_intents(venue, kept, findings)
    audit(venue, kept, BEFORE, findings)
    return findings


def test_books_that_agree_pass() -> None:
    """Fills in parts too, to the last unit."""
    assert not found()


@pytest.mark.parametrize(
    ("venue", "kept", "kind"),
    [
        (VENUE, replace(KEPT, orders=ORDERS[:1]), "lost"),
        (VENUE, replace(KEPT, cycles=[replace(CYCLE, state="active", ended=False)]), "lost"),
        (replace(VENUE, fills=FILLS[:2]), KEPT, "lost"),
        (VENUE, replace(KEPT, orders=[ORDERS[0], replace(ORDERS[1], funds=D("510.01"))]), "lost"),
        (VENUE, replace(KEPT, orders=[ORDERS[0], replace(ORDERS[1], fee=D("0.5"))]), "lost"),
        (replace(VENUE, orders=[BOUGHT, BOUGHT, SOLD]), KEPT, "twice"),
        (VENUE, replace(KEPT, cycles=[replace(CYCLE, initial=D(500))]), "twice"),
        (
            replace(VENUE, fills=[*FILLS, replace(FILLS[2], order_id="2", size=D("0.001"))]),
            KEPT,
            "twice",
        ),
        (replace(VENUE, free={"USDT": D("1008.98")}), KEPT, "unexplained"),
        (replace(VENUE, free=VENUE.free | {"ETH": D(1)}), KEPT, "unexplained"),
        (replace(VENUE, hold={"USDT": D(1)}), KEPT, "unexplained"),
        (replace(VENUE, orders=[BOUGHT, replace(SOLD, active=True)]), KEPT, "unexplained"),
    ],
)
def test_each_fault_is_found(venue: VenueRecords, kept: Kept, kind: str) -> None:
    """By the kind that the last line counts it under."""
    assert getattr(found(venue, kept), kind)


async def _two_suspensions(watcher: Watcher, kill_file: Path) -> None:
    """Have a task of the engine's wait twice, and give up on it."""
    loop = asyncio.get_running_loop()
    loop.set_task_factory(
        lambda loop, coroutine, **named: asyncio.Task(
            Watched(coroutine, watcher), loop=loop, **named
        )
    )
    watcher.arm("start")
    task = loop.create_task(watch_kill_files([kill_file], Controls().stop))
    async with asyncio.timeout(10):
        while sum("resumed" in line for line in _passed(kill_file.parent)) < 2:
            await asyncio.sleep(0.01)
    task.cancel()


def _passed(folder: Path) -> list[str]:
    file = folder / PASSED
    return file.read_text().splitlines() if file.exists() else []


def test_points_are_those_of_the_code(tmp_path: Path) -> None:
    """An await of the engine's is a point by its file, function and line, and is counted."""
    (tmp_path / PLAN).write_text(json.dumps({"when": "start"}))
    asyncio.run(_two_suspensions(Watcher(tmp_path), tmp_path / "KILL"))
    began, waits, woken, *_ = _passed(tmp_path)
    point = "execution/limits.py:watch_kill_files:"
    assert began.startswith(f"resumed {point}")
    assert waits.startswith(f"suspended {point}")
    assert waits.endswith("#1")
    assert woken == waits.replace("suspended", "resumed")


@pytest.mark.parametrize(("at", "died_at"), [("here", "here#2"), ("h*", "hither#1")])
def test_the_engine_dies_at_the_planned_point(tmp_path: Path, at: str, died_at: str) -> None:
    """By SIGKILL, at the second occurrence of a name, or of a beginning; that is noted."""
    (tmp_path / PLAN).write_text(json.dumps({"when": "start", "at": at, "occurrence": 2}))
    code = (
        "import sys; from pathlib import Path; from tests.torture.points import Watcher\n"
        "watcher = Watcher(Path(sys.argv[1])); watcher.arm('start')\n"
        "for name in ('there', 'here', 'hither', 'here'): watcher.passes(name)\n"
    )
    root = Path(__file__).parents[2]
    status = os.spawnve(
        os.P_WAIT, sys.executable, [sys.executable, "-c", code, str(tmp_path)],
        os.environ | {"PYTHONPATH": str(root)},
    )  # fmt: skip
    assert status == -signal.SIGKILL
    assert _passed(tmp_path) == [died_at]


@pytest.fixture
def killed_engine(tmp_path: Path) -> Callable[[], Path]:
    """A home whose state file has two transactions in its log, and nobody who has it open."""

    def make() -> Path:
        file = tmp_path / "state" / "kucoin-0.sqlite"
        file.parent.mkdir()
        pid = os.fork()
        if pid == 0:
            db = sqlite3.connect(file, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE orders (client_id, cycle, leg, status, filled, funds_filled, "
                       "fee, intended_ns)")  # fmt: skip
            db.execute("CREATE TABLE cycles (id, state, outcome, start_currency, initial_amount, "
                       "changes, ended_ns, started_ns)")  # fmt: skip
            db.execute("CREATE TABLE transitions (before, after)")
            for number in range(2):
                row = (f"e-0-{number}", "e-0", 0, "done", "1", "1", "1", number)
                db.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(pid, 0)
        return tmp_path

    return make


def test_a_torn_page_takes_the_last_transaction(killed_engine: Callable[[], Path]) -> None:
    """And nothing before it."""
    home = killed_engine()
    assert [order.client_id for order in read_state(home).orders] == ["e-0-0", "e-0-1"]
    assert tear(home)
    assert [order.client_id for order in read_state(home).orders] == ["e-0-0"]
