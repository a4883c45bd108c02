"""Upkeep of a real lake, and the commands that show and do it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from arb_pipelines import cli
from arb_pipelines.clock import NS_PER_DAY, now_ns
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.maintenance import maintain, sizes
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.schemas import BOOK_GAPS
from arb_pipelines.lake.store import Lake

KEYS = {"venue": "v", "day": date(2025, 8, 31)}


def write_gaps(lake: Lake, count: int) -> int:
    """Replace the partition by ``count`` rows; give the snapshot made."""
    row = KEYS | {"source": "s", "symbol": "A-B", "expected": 1, "got": 2, "resynced_ts": None}
    lake.replace(KEYS, {BOOK_GAPS: BOOK_GAPS.frame([row | {"ts_recv": n} for n in range(count)])})
    return lake.snapshot()


def count_at(lake: Lake, snapshot: int) -> int:
    """Rows of the partition as of ``snapshot``."""
    return int(lake.query("SELECT count(*) FROM book_gaps", snapshot=snapshot).item())


def parquet_files(lake: Lake) -> int:
    """Parquet files on the disk, whether anybody refers to them or not."""
    return len(list(Path(lake.data).rglob("*.parquet")))


def test_small_appends_stay_in_the_catalog_until_flushed(lake: Lake) -> None:
    """Five runs make no file; maintenance makes one of them, and all rows stay."""
    for number in range(5):
        with recorded_run(lake, "scan", str(number), {}):
            pass
    assert parquet_files(lake) == 0
    assert maintain(lake).flushed_rows == 5
    assert parquet_files(lake) == 1
    assert lake.query("SELECT count(*) FROM runs").item() == 5


def test_merging_leaves_every_snapshot_as_it_was(lake: Lake) -> None:
    """Files of one partition become one; each older snapshot still gives its own rows."""
    row = KEYS | {"source": "s", "symbol": "A-B", "expected": 1, "got": 2, "resynced_ts": None}
    seen = []
    for number in range(4):
        frame = BOOK_GAPS.frame([row | {"ts_recv": number}])
        lake.commit(lambda transaction, frame=frame: transaction.append(BOOK_GAPS, frame))
        seen.append(lake.snapshot())
    assert maintain(lake).merged_files == 4
    assert [count_at(lake, snapshot) for snapshot in seen] == [1, 2, 3, 4]
    assert {size.table: (size.rows, size.files) for size in sizes(lake)}["book_gaps"] == (4, 1)


def test_expiry_keeps_what_a_run_of_late_has_read(lake: Lake) -> None:
    """An old snapshot goes, and says so; one that a run of the last days read stays readable."""
    gone, read, newest = (write_gaps(lake, count) for count in (1, 2, 3))
    with recorded_run(lake, "backtest", "v|2025-08-31", {}, snapshot=read):
        pass
    lake.commit(
        lambda transaction: transaction.connection.execute(
            "UPDATE runs SET ts_started = ts_started + ?", [40 * NS_PER_DAY]
        )
    )
    done = maintain(lake, keep_days=30, now=now_ns() + 50 * NS_PER_DAY)
    assert (done.kept_for_runs, count_at(lake, read)) == (1, 2)
    with pytest.raises(DataError, match="expired"):
        count_at(lake, gone)
    with pytest.raises(DataError, match="expired"):
        count_at(lake, newest)
    assert lake.query("SELECT count(*) FROM book_gaps").item() == 3


def test_files_go_a_day_after_their_snapshots(lake: Lake) -> None:
    """A file that nobody needs any more outlives the queries that may still read it."""
    write_gaps(lake, 1)
    write_gaps(lake, 2)
    later = now_ns() + 40 * NS_PER_DAY
    lake.commit(lambda transaction: transaction.append(BOOK_GAPS, BOOK_GAPS.frame()))
    maintain(lake, now=now_ns())
    assert parquet_files(lake) == 2
    maintain(lake, now=later)
    assert parquet_files(lake) == 1
    assert lake.query("SELECT count(*) FROM book_gaps").item() == 2


def test_a_staged_file_nobody_committed_is_removed(lake: Lake) -> None:
    """What a killed writer left is deleted once it is a day old, and not before."""
    write_gaps(lake, 1)
    committed = next(Path(lake.data).rglob("*.parquet"))
    orphan = committed.with_name("arb-orphan.parquet")
    orphan.write_bytes(committed.read_bytes())
    maintain(lake)
    assert orphan.exists()
    assert maintain(lake, now=now_ns() + 2 * NS_PER_DAY).deleted_files == 1
    assert not orphan.exists()
    assert committed.exists()


def test_less_than_a_day_is_refused(lake: Lake) -> None:
    """A running query could lose its snapshot, so zero days are no answer."""
    with pytest.raises(ConfigError, match="1 or more"):
        maintain(lake, keep_days=0)


def test_lake_commands_print_json(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """`arb lake info` and `arb lake maintain` each print one document."""
    snapshot = write_gaps(lake, 2)
    with pytest.raises(SystemExit, match="0"):
        cli.main(["lake", "info", "--json"])
    info = json.loads(capsys.readouterr().out)
    assert info["snapshot"] == snapshot
    gaps = next(table for table in info["tables"] if table["table"] == "book_gaps")
    assert (gaps["rows"], gaps["files"]) == (2, 1)
    assert gaps["bytes"] > 0
    with pytest.raises(SystemExit, match="0"):
        cli.main(["lake", "maintain", "--json"])
    assert json.loads(capsys.readouterr().out)["expired_snapshots"] == 0
