"""The audits of the engine's cycles: silent over what it writes, loud over one wrong row."""

from __future__ import annotations

import re

import duckdb
import pytest

from arb_pipelines.execution.state.machine import FOLLOWS
from arb_pipelines.lake.models.files import load_audits
from arb_pipelines.research.state_rows import rows_of
from arb_pipelines.settings import Settings
from tests.fakes.audited import bad_rows, database_of, each
from tests.fakes.state_worlds import state_world

AUDITS = {
    audit.name: audit
    for audit in load_audits()
    if audit.on in ("strategy_cycles", "strategy_transitions", "strategy_orders")
}
#: By audit, statements that each make one thing wrong.
WRONG = {
    "cycles_end_in_their_state": [
        "UPDATE strategy_cycles SET state = 'failed' WHERE cycle = 'c-1'",
        "UPDATE strategy_cycles SET ts_ended = ts_ended + 1 WHERE cycle = 'c-1'",
        "DELETE FROM strategy_transitions WHERE cycle = 'c-1'",
    ],
    "transitions_follow": [
        "UPDATE strategy_transitions SET to_state = 'validating' "
        "WHERE cycle = 'c-2' AND step_no = 3",
        "UPDATE strategy_transitions SET from_state = 'pending' "
        "WHERE cycle = 'c-1' AND step_no = 3",
        "DELETE FROM strategy_transitions WHERE cycle = 'c-1' AND step_no = 0",
    ],
    "changes_sum_to_orders": [
        "UPDATE strategy_orders SET received = received * 1.000001 "
        "WHERE cycle = 'c-1' AND leg_no = 2",
        "UPDATE strategy_orders SET fee_currency = 'KCS' WHERE cycle = 'c-1' AND leg_no = 0",
        """UPDATE strategy_cycles SET changes = '{"USDT":"0.6992","BTC":"0.0001"}' """
        "WHERE cycle = 'c-1'",
    ],
    "cycles_have_their_rows": [
        "DELETE FROM strategy_orders WHERE cycle = 'c-1' AND leg_no = 1",
        "UPDATE strategy_cycles SET transitions = 9 WHERE cycle = 'c-2'",
    ],
}


@pytest.fixture
def connection(home: Settings) -> duckdb.DuckDBPyConnection:
    """A database in memory with two cycles, one whole and one whose first order was refused."""
    with state_world(home) as world:
        world.complete("c-1")
        world.fail("c-2")
        rows = rows_of(world.file, ["c-1", "c-2"])
    return database_of((table.name, frame) for table, frame in rows.items())


def test_every_audit_of_the_engine_is_tried() -> None:
    """No audit goes without a row that it must find."""
    assert set(WRONG) == set(AUDITS)


@pytest.mark.parametrize("name", AUDITS)
def test_what_the_engine_writes_passes(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Cycles as the store writes them break no rule."""
    assert connection.execute(AUDITS[name].sql).fetchall() == []


@pytest.mark.parametrize(("name", "statement"), each(WRONG))
def test_one_wrong_row_is_found(
    connection: duckdb.DuckDBPyConnection, name: str, statement: str
) -> None:
    """The audit gives bad rows of that cycle alone, with the partition that they lie in."""
    bad = bad_rows(connection, AUDITS[name], statement)
    assert {"venue", "day"} <= set(bad.columns)
    assert set(bad["cycle"]) == set(re.findall(r"c-\d", statement))


def test_the_audit_allows_what_the_machine_allows() -> None:
    """The list in SQL is the one in Python, so that neither is changed alone."""
    listed = re.findall(r"\((null|'\w+'), '(\w+)'\)", AUDITS["transitions_follow"].sql)
    assert sorted((None if a == "null" else a.strip("'"), b) for a, b in listed if a != "null") == [
        *sorted((str(a), str(b)) for a, after in FOLLOWS.items() if a for b in after)
    ]
    assert [b for a, b in listed if a == "null"] == [*FOLLOWS[None]]
