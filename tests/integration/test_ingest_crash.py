"""Ingest under fire: killed in the middle, and two at once on one partition."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from arb_pipelines.lake.ingest import ingest_files
from arb_pipelines.lake.store import Lake
from tests.fakes.book_files import l1_file

ROWS = 60_000
_CHILD = """
import sys
from pathlib import Path
from arb_pipelines.lake.ingest import ingest_files
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import load_settings

lake, files = Lake(load_settings()), [Path(name) for name in sys.argv[1:]]
print("ready", flush=True)
while True:
    for file in files:
        ingest_files(lake, [file], venue="binance", format="l1", replace=True)
        print(file.name, flush=True)
"""


def test_a_killed_ingest_leaves_the_old_partition_or_the_new(lake: Lake, tmp_path: Path) -> None:
    """All tables agree with each other, and the next ingest clears away what was left."""
    lake.connect().close()
    files = [
        l1_file(
            tmp_path / f"{name}.parquet",
            [(n * 1000 + 1, "BTCUSDT", price, 9.0, n) for n in range(rows)]
            + [(rows * 1000 + 1, "BTCUSDT", 9.0, 8.0, n) for n in range(rejected)],
        )
        for name, price, rows, rejected in (("a", 1.0, ROWS, 3), ("b", 2.0, ROWS // 2, 7))
    ]
    wait = random.Random(1)
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, *map(str, files)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.stdout.readline()  # one ingest is in; strike during one of the next
        time.sleep(wait.uniform(0, 0.8))  # any moment will do; none is waited for
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert _state(lake) in {("a.parquet", 1.0, ROWS, 3), ("b.parquet", 2.0, ROWS // 2, 7)}
    ingest_files(lake, [files[0]], venue="binance", format="l1", replace=True)
    assert _state(lake) == ("a.parquet", 1.0, ROWS, 3)
    assert not list((lake.root / "spool").iterdir())


def _state(lake: Lake) -> tuple[object, ...]:
    """Source, price, rows accepted and rejected, having seen that no two tables disagree."""
    with lake.reading() as connection:
        connection.execute("BEGIN")
        (tops,) = connection.execute(
            "SELECT any_value(source), any_value(bid_px), count(*), count(DISTINCT source), "
            "max(row_no) + 1 FROM book_tops"
        ).fetchall()
        (ingest,) = connection.execute(
            "SELECT source, rows_accepted, rows_rejected FROM ingests"
        ).fetchall()
        refused = connection.execute("SELECT count(*) FROM rejected_rows").fetchall()[0][0]
    assert tops[3] == 1
    assert tops[2] == tops[4] == ingest[1]
    assert (tops[0], refused) == (ingest[0], ingest[2])
    return tops[0], tops[1], tops[2], refused


def test_ingests_into_one_partition_at_once_lose_nothing(lake: Lake, tmp_path: Path) -> None:
    """Whoever commits second joins what the first one wrote."""
    lake.connect().close()
    files = [
        l1_file(tmp_path / f"{k}.parquet", [(n * 4 + k, "BTCUSDT", 1.0, 2.0, n) for n in range(50)])
        for k in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        done = [
            pool.submit(ingest_files, lake, [file], venue="binance", format="l1") for file in files
        ]
        for one in done:
            one.result()
    rows = lake.query("SELECT source, row_no, ts_recv FROM book_tops ORDER BY row_no")
    assert rows["row_no"].to_list() == list(range(200))
    assert rows["ts_recv"].is_sorted()
    assert rows["source"].value_counts()["count"].to_list() == [50] * 4
    assert lake.query("SELECT sum(rows_accepted) FROM ingests").item() == 200
