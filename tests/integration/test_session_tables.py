"""Sessions in the lake: each row once, whoever writes beside, whatever is killed."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from arb_pipelines.errors import DataError
from arb_pipelines.execution.orders.fees import FeeConfirmed
from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.execution.records.values import Batch, SessionState
from arb_pipelines.lake.maintenance import maintain
from arb_pipelines.lake.schemas import LIVE_EXECUTIONS, LIVE_LEGS, LIVE_METRICS, LIVE_SESSIONS
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.reconcile import reconcile
from arb_pipelines.research.session_tables import rows_of, write_batch
from arb_pipelines.settings import Settings
from arb_pipelines.venues.base import Accepted
from tests.conftest import ROOT
from tests.fakes.backtest_worlds import random_world
from tests.fakes.session_worlds import KEY, head_of, play
from tests.integration.session_worker import batches_of

WORKER = "tests.integration.session_worker"
TABLES = (LIVE_EXECUTIONS, LIVE_LEGS, LIVE_METRICS)
SEED = 3


@contextmanager
def writing(seed: int, session: str, first: int = 0) -> Iterator[subprocess.Popen[str]]:
    """Run a process that writes a session from a batch on; it is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", WORKER, str(seed), session, str(first)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def expected(batches: list[Batch]) -> dict[str, pl.DataFrame]:
    """The rows that batches leave in the lake, by table, in order of their keys."""
    rows = [rows_of(batch) for batch in batches]
    return {
        table.name: pl.concat([each[table.name] for each in rows])
        .unique(list(table.key), keep="last")
        .sort(table.key)
        for table in TABLES
    }


def found(lake: Lake, session: str) -> dict[str, pl.DataFrame]:
    """What the lake has of a session, by table, in order of their keys."""
    return {
        table.name: lake.query(
            f"SELECT {', '.join(table.names)} FROM {table.name} WHERE session = ?", [session]
        ).sort(table.key)
        for table in TABLES
    }


def check_whole(lake: Lake) -> int:
    """Give the executions that are there.

    Raises:
        AssertionError: one is there twice, or without all of its orders.
    """
    executions, torn = lake.query(
        """
        SELECT count(*), count(*) FILTER (legs + unwind_orders <> orders OR rows_found <> 1)
        FROM (
            SELECT session, trade_no, any_value(legs) AS legs, count(*) AS rows_found,
                any_value(unwind_orders) AS unwind_orders,
                (SELECT count(*) FROM live_legs
                 WHERE live_legs.session = live_executions.session
                 AND live_legs.trade_no = live_executions.trade_no) AS orders
            FROM live_executions GROUP BY session, trade_no
        )
        """
    ).row(0)
    assert torn == 0
    return int(executions)


def test_a_batch_written_twice_is_there_once(any_home: Settings) -> None:
    """Every row is what the batch says, flushed by maintenance or not."""
    lake, batches = Lake(any_home), batches_of(SEED, KEY)
    for batch in batches:
        write_batch(lake, batch)
        write_batch(lake, batch)
    wanted = expected(batches)
    assert all(len(rows) for rows in wanted.values())
    for _ in range(2):
        for table, rows in found(lake, KEY).items():
            assert_frame_equal(rows, wanted[table], check_exact=True)
        maintain(lake)
        write_batch(lake, batches[-1])  # once more, over rows in files
    (session,) = lake.query("SELECT * FROM live_sessions").to_dicts()
    last = batches[-1].counts
    assert session["state"] == "ended"
    assert session["end_reason"] == "its market is over"
    assert session["ts_ended"] == session["ts_heard"] == batches[-1].ts
    assert session["executions"] == sum(last.executions.values()) == len(wanted["live_executions"])
    assert session["orders"] == len(wanted["live_legs"])
    assert session["refused"] + session["executions"] == session["signals"]


def test_what_the_venue_says_later_amends_an_order(lake: Lake) -> None:
    """A fee told after its execution was written changes that order's row and no other."""
    world = random_world(SEED)
    recorder = SessionRecorder(head_of(world), wall_ns=lambda: 1)
    play(world, recorder.hear)
    batch = recorder.take()
    write_batch(lake, batch)
    before = found(lake, KEY)["live_legs"]
    leg = next(leg for record in batch.executions for leg in record.legs if leg.fee_currency)
    assert leg.fee_currency is not None
    recorder.hear(
        FeeConfirmed(leg.client_id, Decimal("0.5"), "KCS", Decimal("0.25"), leg.fee_currency)
    )
    recorder.hear(Accepted(leg.client_id, "o-1", 5, 7))
    recorder.hear(Accepted("of nobody", "o-2", 5, 7))
    write_batch(lake, recorder.take())
    after = found(lake, KEY)["live_legs"]
    changed = after.join(before, on=after.columns, how="anti", nulls_equal=True)
    assert changed.select(
        "client_id", "order_id", "ts_answered", "fee_told", "fee_told_currency"
    ).rows() == [(leg.client_id, "o-1", 7, 0.5, "KCS")]
    assert len(after) == len(before)


def test_two_writers_and_a_reader_at_once(any_home: Settings) -> None:
    """Two sessions of one strategy write together; at any moment executions are whole."""
    lake = Lake(any_home)
    lake.snapshot()
    sessions = {"first": SEED, "second": SEED + 1}
    with writing(SEED, "first") as first, writing(SEED + 1, "second") as second:
        seen = 0
        while first.poll() is None or second.poll() is None:
            now = check_whole(lake)
            assert now >= seen
            seen = now
        for process in (first, second):
            assert process.wait() == 0, process.stderr.read() if process.stderr else ""
    for session, seed in sessions.items():
        wanted = expected(batches_of(seed, session))
        for table, rows in found(lake, session).items():
            assert_frame_equal(rows, wanted[table], check_exact=True)
    states = lake.query("SELECT session, state FROM live_sessions ORDER BY session").rows()
    assert states == [("first", "ended"), ("second", "ended")]


def test_a_writer_killed_and_begun_again_writes_each_row_once(any_home: Settings) -> None:
    """SIGKILL at random moments; each next process begins with the batch that was in doubt."""
    lake, chance, acknowledged = Lake(any_home), random.Random(1), -1
    lake.snapshot()
    batches = batches_of(SEED, KEY)
    for _ in range(3):
        with writing(SEED, KEY, acknowledged + 1) as process:
            assert process.stdout is not None
            for line in process.stdout:
                acknowledged = int(line)
                if chance.random() < 0.3:
                    time.sleep(chance.uniform(0, 0.03))  # any moment will do; none is waited for
                    break
            process.kill()
            acknowledged = max([acknowledged, *(int(line) for line in process.stdout)])
        check_whole(lake)
    for batch in batches[acknowledged + 1 :]:
        write_batch(lake, batch)
    wanted = expected(batches)
    for table, rows in found(lake, KEY).items():
        assert_frame_equal(rows, wanted[table], check_exact=True)


def test_a_session_started_again_goes_on_with_its_numbers(lake: Lake) -> None:
    """Under its old key it replaces nothing of its first start, however often it is written."""
    first = batches_of(SEED, KEY)
    later = first[-1].ts + 1
    second = [
        replace(
            batch,
            ts=batch.ts + later,
            head=replace(batch.head, ts_started=later),
            executions=tuple(
                replace(record, ts_decided=record.ts_decided + later) for record in batch.executions
            ),
        )
        for batch in batches_of(SEED, KEY)
    ]
    for batch in (*first, *second, *second[-2:]):
        write_batch(lake, batch)
    wanted = len(expected(first)["live_executions"])
    numbers = lake.query("SELECT trade_no FROM live_executions ORDER BY trade_no")
    assert numbers["trade_no"].to_list() == list(range(2 * wanted))
    flushes = lake.query("SELECT DISTINCT flush_no FROM live_metrics ORDER BY flush_no")
    assert flushes["flush_no"].to_list() == list(range(len(first) + len(second)))
    assert reconcile(lake, KEY).adds_up


def test_a_session_is_reconciled_from_its_rows(lake: Lake) -> None:
    """Every audit passes; rows add up to what was booked, fees told since included."""
    world = random_world(SEED)
    recorder = SessionRecorder(head_of(world), wall_ns=lambda: 1)
    play(world, recorder.hear)
    batch = recorder.take()
    write_batch(lake, batch)
    told = [leg for record in batch.executions for leg in record.legs if leg.fee_booked]
    for number, leg in enumerate(told):
        fee, of = Decimal(repr(leg.fee_booked)), leg.fee_currency
        assert of is not None
        lower = (Decimal("0.001"), "KCS") if number % 2 else (fee / 2, of)
        recorder.hear(FeeConfirmed(leg.client_id, *lower, fee, of))
    recorder.end(SessionState.ENDED, "done")
    write_batch(lake, recorder.take())
    found = reconcile(lake, KEY)
    assert found.adds_up
    assert {audit.check.name for audit in found.audits} >= {
        "live_ledger_adds_up",
        "live_unexplained_balance",
        "live_legs_add_up",
    }
    assert found.executions == len(batch.executions)
    booked = recorder.booked()
    assert "KCS" in booked
    for currency, change in booked.items():
        assert float(found.booked.get(currency, 0)) == pytest.approx(float(change), abs=1e-9)
    lake.commit(
        lambda transaction: transaction.connection.execute(
            "UPDATE live_legs SET fee = fee + 1 WHERE trade_no = 0"
        )
    )
    (bad,) = [audit for audit in reconcile(lake, KEY).audits if not audit.passed]
    assert bad.check.name == "live_legs_add_up"
    with pytest.raises(DataError, match="nobody: is not in the lake"):
        reconcile(lake, "nobody")


def test_a_batch_that_cannot_enter_leaves_nothing(lake: Lake) -> None:
    """One wrong row, and neither its table nor another has anything of the batch."""
    batch = batches_of(SEED, KEY)[-1]
    nameless = replace(batch, head=replace(batch.head, account=None))  # type: ignore[arg-type]
    with pytest.raises(Exception, match="account"):
        write_batch(lake, nameless)
    for table in (*TABLES, LIVE_SESSIONS):
        assert lake.query(f"SELECT count(*) FROM {table.name}").item() == 0
