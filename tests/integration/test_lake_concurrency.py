"""The lake under real processes: writers, appenders and readers at once, and writers killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arb_pipelines.lake.maintenance import maintain
from arb_pipelines.lake.store import Lake
from arb_pipelines.settings import Settings

WORKER = Path(__file__).with_name("lake_worker.py")
WRITERS, COMMITS, APPENDS, READERS = 6, 21, 75, 2


@contextmanager
def running(stop: Path, *roles: str) -> Iterator[subprocess.Popen[str]]:
    """Run processes of a test; when the block is left they have ended, without a complaint."""
    process = subprocess.Popen(
        [sys.executable, str(WORKER), str(stop), *roles],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
        _, complaint = process.communicate(timeout=240)
        assert process.returncode == 0, complaint
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_writers_and_readers_at_once(any_home: Settings, tmp_path: Path) -> None:
    """200 commits of 7 processes beside 2 readers: no error, nothing lost, nothing torn."""
    lake, stop = Lake(any_home), tmp_path / "stop"
    first = lake.snapshot()
    writing = [f"writer v{number} {COMMITS}" for number in range(WRITERS)]
    with running(stop, *[f"reader {stop}"] * READERS, *writing, f"appender {APPENDS}"):
        pass
    assert lake.snapshot() - first == WRITERS * COMMITS + APPENDS >= 200
    generations = lake.query(
        "SELECT DISTINCT venue, update_id FROM book_tops ORDER BY venue"
    ).rows()
    assert generations == [(f"v{number}", COMMITS) for number in range(WRITERS)]
    runs = lake.query("SELECT count(*), count(DISTINCT partition) FROM runs").row(0)
    assert runs == (APPENDS, APPENDS)


def test_a_killed_writer_leaves_a_whole_partition(any_home: Settings, tmp_path: Path) -> None:
    """SIGKILL at ten random moments leaves the old partition or the new one, and no lock."""
    Lake(any_home).snapshot()
    with running(tmp_path / "stop", "killed_writers 10"):
        pass


def test_creation_by_many_at_once(any_home: Settings, tmp_path: Path) -> None:
    """Processes that all find no lake make one, and each one's first commit is in it."""
    with running(tmp_path / "stop", *[f"writer v{number} 1" for number in range(4)]):
        pass
    assert Lake(any_home).query("SELECT count(DISTINCT venue) FROM book_tops").item() == 4


def test_maintenance_beside_a_writer(any_home: Settings, tmp_path: Path) -> None:
    """Flush, merge and clean-up disturb neither a writer nor a reader."""
    lake, stop = Lake(any_home), tmp_path / "stop"
    lake.snapshot()
    with running(stop, f"reader {stop}", "writer v0 12", "appender 20") as process:
        while process.poll() is None:
            maintain(lake)
    maintain(lake)
    assert lake.query("SELECT count(*) FROM runs").item() == 20
    assert lake.query("SELECT min(update_id), max(update_id) FROM book_tops").row(0) == (12, 12)
