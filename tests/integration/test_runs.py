"""The record of runs, against a real lake."""

from __future__ import annotations

from datetime import date

import orjson
import pytest

from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.schemas import RUNS
from arb_pipelines.lake.store import Lake


def test_records_the_snapshot_read_and_the_parameters(lake: Lake) -> None:
    """The row names the snapshot that was newest on entry, not the one the body made."""
    before = lake.snapshot()
    with recorded_run(lake, "scan", "binance|2025-08-31", {"day": date(2025, 8, 31)}) as run:
        lake.commit(lambda transaction: transaction.append(RUNS, RUNS.frame()))
    row = lake.query("SELECT * FROM runs").row(0, named=True)
    assert run.snapshot == before == row["lake_snapshot"]
    assert row["run_id"] == run.run_id
    assert orjson.loads(row["params"]) == {"day": "2025-08-31"}
    assert row["ts_started"] <= row["ts_ended"]


def test_records_nothing_of_a_run_that_failed(lake: Lake) -> None:
    """A body that raises leaves no row, and its error reaches the caller."""
    with (
        pytest.raises(ValueError, match="bad day"),
        recorded_run(lake, "scan", "binance|2025-08-31", {}),
    ):
        raise ValueError("bad day")
    assert lake.query("SELECT count(*) AS n FROM runs").item() == 0


def test_the_same_run_again_leaves_the_later_row(lake: Lake) -> None:
    """A Dagster run that is executed anew is one row a task and partition, not two."""
    for edge in (1, 2):
        with recorded_run(lake, "scan", "kucoin|2021-04-25", {"edge": edge}, run_id="r1"):
            pass
    with recorded_run(lake, "backtest", "kucoin|2021-04-25", {"edge": 3}, run_id="r1"):
        pass
    rows = lake.query("SELECT task, params FROM runs ORDER BY task").rows()
    assert rows == [("backtest", '{"edge":3}'), ("scan", '{"edge":2}')]
