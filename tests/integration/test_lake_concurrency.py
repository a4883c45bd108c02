"""The lake under real processes: writers, appenders and readers at once, and writers killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from arb_pipelines.lake.maintenance import maintain
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import Settings

WORKER = Path(__file__).with_name("lake_worker.py")
WRITERS, COMMITS, APPENDS, READERS = 6, 21, 75, 2


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start one process of a test; its complaints are kept."""
    return subprocess.Popen(
        [sys.executable, str(WORKER), *arguments], stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for a process and show what it complained of."""
    _, complaint = process.communicate(timeout=240)
    assert process.returncode == 0, complaint


def test_writers_and_readers_at_once(any_home: Settings, tmp_path: Path) -> None:
    """200 commits of 7 processes beside 2 readers: no error, nothing lost, nothing torn."""
    lake, stop = Lake(any_home), tmp_path / "stop"
    first = lake.snapshot()
    readers = [start("reader", str(stop)) for _ in range(READERS)]
    writers = [start("writer", f"v{number}", str(COMMITS)) for number in range(WRITERS)]
    writers.append(start("appender", str(APPENDS)))
    try:
        for process in writers:
            finish(process)
        stop.touch()
        for process in readers:
            finish(process)
    finally:
        for process in [*writers, *readers]:
            process.kill()
            process.communicate()
    commits = lake.snapshot() - first
    assert commits == WRITERS * COMMITS + APPENDS >= 200
    generations = lake.query(
        "SELECT DISTINCT venue, update_id FROM book_tops ORDER BY venue"
    ).rows()
    assert generations == [(f"v{number}", COMMITS) for number in range(WRITERS)]
    runs = lake.query("SELECT count(*), count(DISTINCT partition) FROM runs").row(0)
    assert runs == (APPENDS, APPENDS)


def test_a_killed_writer_leaves_a_whole_partition(any_home: Settings) -> None:
    """SIGKILL at ten random moments leaves the old partition or the new one, and no lock."""
    Lake(any_home).snapshot()
    finish(start("killed_writers", "10"))


def test_creation_by_many_at_once(any_home: Settings) -> None:
    """Processes that all find no lake make one, and each one's first commit is in it."""
    creators = [start("writer", f"v{number}", "1") for number in range(4)]
    for process in creators:
        finish(process)
    assert Lake(any_home).query("SELECT count(DISTINCT venue) FROM book_tops").item() == 4


def test_maintenance_beside_a_writer(any_home: Settings, tmp_path: Path) -> None:
    """Flush, merge and clean-up disturb neither a writer nor a reader."""
    lake, stop = Lake(any_home), tmp_path / "stop"
    lake.snapshot()
    processes = [start("writer", "v0", "12"), start("appender", "20")]
    watcher = start("reader", str(stop))
    while any(process.poll() is None for process in processes):
        maintain(lake)
    stop.touch()
    for process in [*processes, watcher]:
        finish(process)
    maintain(lake)
    assert lake.query("SELECT count(*) FROM runs").item() == 20
    assert lake.query("SELECT min(update_id), max(update_id) FROM book_tops").row(0) == (12, 12)
