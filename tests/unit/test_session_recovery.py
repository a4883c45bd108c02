"""Where it is said what became of cycles that a session left open, and that it counts there."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from arb_pipelines.execution.limits import Spent
from arb_pipelines.execution.records.journal_reading import unfinished_orders
from arb_pipelines.execution.recovery.values import Recovered
from arb_pipelines.execution.spent import read_spent
from arb_pipelines.execution.state.values import CycleState
from arb_pipelines.research.session_recovery import note_recovered, unknown_of


def recovered(*unknown: str) -> Recovered:
    """A cycle whose second order filled."""
    changes = {"USDT": Decimal("-100.1"), "ETH": Decimal("0.03")}
    state = CycleState.RECOVERING if unknown else CycleState.FAILED
    return Recovered("a-0", "killed", "USDT", state, None, changes, "a test", unknown)


def test_what_was_found_out_is_noted_where_it_was_left_and_counts_there(tmp_path: Path) -> None:
    """Once its orders are known; what its start currency lost counts as a loss."""
    journal = tmp_path / "journal.ndjson"
    journal.write_text(
        '{"ts_ns":1,"event":"intent","client_id":"a-0-0","symbol":"BTC-USDT","side":0}\n'
        '{"ts_ns":1,"event":"intent","client_id":"a-0-1","symbol":"ETH-BTC","side":0}\n'
        '{"ts_ns":2,"event":"or'
    )
    note_recovered(tmp_path, recovered("a-0-1").facts())
    assert len(unfinished_orders(tmp_path)) == 2
    assert read_spent(tmp_path) == Spent(1)  # it is asked for again, and counts then
    note_recovered(tmp_path, recovered().facts())
    assert unfinished_orders(tmp_path) == []
    assert read_spent(tmp_path) == Spent(1, {"USDT": -100.1})


def test_a_session_whose_folder_is_gone_stops_nothing(tmp_path: Path) -> None:
    """The state has what became of its cycles."""
    note_recovered(tmp_path / "gone", recovered().facts())
    assert not (tmp_path / "gone").exists()


def test_a_session_is_told_to_have_left_what_is_not_known() -> None:
    """By its own cycles alone."""
    assert unknown_of([recovered("a-0-1")], "killed")
    assert not unknown_of([recovered("a-0-1")], "another")
    assert not unknown_of([recovered()], "killed")
