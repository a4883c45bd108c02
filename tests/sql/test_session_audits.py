"""The audits of sessions: silent over what a session really writes, loud over one wrong row."""

from __future__ import annotations

import duckdb
import pytest

from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.lake.models.files import load_audits
from arb_pipelines.research.session_tables import rows_of
from tests.fakes.audited import bad_rows, database_of, each
from tests.fakes.backtest_worlds import random_world
from tests.fakes.session_worlds import head_of, play

AUDITS = {audit.name: audit for audit in load_audits() if audit.on.startswith("live_")}
#: By audit, statements that each make one thing wrong.
WRONG = {
    "live_ledger_adds_up": [
        "UPDATE live_executions SET fee = fee + 0.001 WHERE trade_no = 1",
        "UPDATE live_executions SET profit = profit + 1e-12 WHERE trade_no = 1",
    ],
    "live_legs_add_up": [
        "UPDATE live_legs SET slippage = slippage - 0.001 WHERE trade_no = 1 AND leg_no = 0"
    ],
    "live_executions_have_their_legs": [
        "DELETE FROM live_legs WHERE trade_no = 1 AND leg_no = 0",
        "INSERT INTO live_legs SELECT * REPLACE (99 AS leg_no) FROM live_legs "
        "WHERE trade_no = 1 AND leg_no = 0",
    ],
    "live_sessions_add_up": [
        "DELETE FROM live_executions WHERE trade_no = 1",
        "UPDATE live_executions SET status = 'residual' WHERE status = 'filled'",
    ],
    "live_unexplained_balance": [
        "UPDATE live_metrics SET value = 0.001 WHERE name = 'unexplained' AND flush_no = 1",
    ],
}


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    """A database in memory with all that one session wrote in two batches."""
    world = random_world(3)
    gauges = {"unexplained": {"USDT": 0.5}}  # in flight then; what counts is the newest
    recorder = SessionRecorder(head_of(world), wall_ns=lambda: 1, gauges=lambda: gauges)
    batches = [recorder.take()]
    play(world, recorder.hear)
    recorder.end(SessionState.ENDED, "done")
    gauges["unexplained"] = {"USDT": 0.0}
    batches.append(recorder.take())
    return database_of(
        (name, rows)
        for batch in batches
        for name, rows in rows_of(batch).items()
        if name != "live_sessions" or batch is batches[-1]
    )


def test_every_audit_of_sessions_is_tried() -> None:
    """No audit goes without a row that it must find."""
    assert set(WRONG) == set(AUDITS)


@pytest.mark.parametrize("name", AUDITS)
def test_what_a_session_writes_passes(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """The rows of a whole market's day break no rule."""
    assert connection.execute(AUDITS[name].sql).fetchall() == []


@pytest.mark.parametrize(("name", "statement"), each(WRONG))
def test_one_wrong_row_is_found(
    connection: duckdb.DuckDBPyConnection, name: str, statement: str
) -> None:
    """The audit gives the bad rows, with the partition that they lie in."""
    bad = bad_rows(connection, AUDITS[name], statement)
    assert {"strategy", "day", "session"} <= set(bad.columns)
    assert len(bad) == 1
