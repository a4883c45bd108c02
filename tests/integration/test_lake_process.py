"""A session's rows by way of the process that writes them: whole, once, and by nobody's ghost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, pairwise, repeat
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from arb_pipelines.errors import ArbError
from arb_pipelines.execution.records.values import Batch
from arb_pipelines.lake.locks import file_lock
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.research import lake_process, lake_scribe
from arb_pipelines.research.lake_process import LakeProcess, SessionLake
from arb_pipelines.research.lake_scribe import OwnedLake, Scribe
from arb_pipelines.research.record_packing import packed_batch, packed_value
from arb_pipelines.research.session_tables import write_batch
from arb_pipelines.research.session_writer import SessionWriter
from arb_pipelines.settings import Settings
from tests.conftest import ROOT
from tests.fakes.backtest_worlds import DAY, random_world
from tests.fakes.session_worlds import KEY
from tests.fakes.state_worlds import state_world
from tests.integration.session_worker import batches_of
from tests.integration.test_session_tables import check_whole, expected, found

WORKER = "tests.integration.lake_process_worker"
SEED, TIMEOUT_S = 3, 60.0


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked what of."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


def session_of(process: LakeProcess, head_from: Batch, home: Settings) -> SessionLake:
    """What writes for the session of a batch, whose state file is not there."""
    with state_world(home) as world:
        return process.session(head_from.head, world.file)


@pytest.fixture
def process(home: Settings) -> Iterator[LakeProcess]:
    """One with its child."""
    found = LakeProcess(home)
    with found.running():
        yield found


def test_rows_are_those_that_would_be_written_here(
    process: LakeProcess, lake: Lake, home: Settings
) -> None:
    """Of two sessions by one child; with the day's markets, and with the cycles that ended."""
    sessions = {"first": SEED, "second": SEED + 1}
    batches = {key: batches_of(seed, key) for key, seed in sessions.items()}
    markets = random_world(SEED).markets
    with state_world(home) as world:
        writers = {key: process.session(some[0].head, world.file) for key, some in batches.items()}
        for writer in writers.values():
            writer.prepare(markets)
        for key, some in batches.items():
            for batch in (*some, some[-1]):
                writers[key].write(batch)
        world.complete("c-1")
        writers["first"].copy()
        writers["first"].forget()
        world.complete("c-2")
        writers["first"].copy()  # it is told of again
    for key, some in batches.items():
        wanted = expected(some)
        for table, rows in found(lake, key).items():
            assert_frame_equal(rows, wanted[table], check_exact=True)
    assert lake.query("SELECT cycle FROM strategy_cycles ORDER BY cycle").rows() == [
        ("c-1",),
        ("c-2",),
    ]
    venue = batches["first"][0].head.venue
    assert [market.symbol for market in load_markets(lake, venue, DAY)] == sorted(
        market.symbol for market in markets
    )


def test_who_asks_is_told_why_it_failed(process: LakeProcess, home: Settings) -> None:
    """In the words that a lake has here, and the next thing asked is done."""
    (batch, *_) = batches_of(SEED, KEY)
    writer = session_of(process, batch, home)
    home.root.mkdir(parents=True, exist_ok=True)
    catalog = home.root / "catalog.sqlite"
    catalog.write_text("this is no catalog, and it is long enough to be looked at as one" * 9)
    with pytest.raises(ArbError, match="is damaged: restore"):
        writer.write(batch)
    pid = process.pid
    catalog.unlink()
    writer.write(batch)
    assert process.pid == pid


def test_another_child_goes_on_after_many_writes(
    process: LakeProcess, lake: Lake, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What libraries keep does not add up for weeks; every row is there, once."""
    monkeypatch.setattr(lake_process, "_WRITES", 2)
    batches = batches_of(SEED, KEY)
    writer = session_of(process, batches[0], home)
    pids = []
    for batch in (*batches, batches[-1]):
        writer.write(batch)
        pids.append(process.pid)
    assert [one == next_one for one, next_one in pairwise(pids)] == [True, False, True]
    wanted = expected(batches)
    for table, rows in found(lake, KEY).items():
        assert_frame_equal(rows, wanted[table], check_exact=True)


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="a scheduler of Linux's")
@pytest.mark.parametrize(("rehearse_ms", "policy"), [(0.0, "SCHED_OTHER"), (4.0, "SCHED_IDLE")])
def test_it_stands_back_behind_a_loop_that_pays_for_being_quick(
    home: Settings, rehearse_ms: float, policy: str
) -> None:
    """A core that does only this counts as a free one; else it has a small share of each."""
    process = LakeProcess(home.model_copy(update={"rehearse_ms": rehearse_ms}))
    with process.running():
        (batch, *_) = batches_of(SEED, KEY)
        session_of(process, batch, home).write(batch)
        assert process.pid is not None
        assert os.sched_getscheduler(process.pid) == getattr(os, policy)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.nice(0) + 10
        threads = [one.read_text() for one in Path(f"/proc/{process.pid}/task").glob("*/comm")]
        assert [name.strip() for name in threads if name[:-2] == "polars-"] == ["polars-0"]


def test_what_lies_in_the_current_folder_is_no_module_of_it(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a file named like one of Python's own would keep everything from the lake."""
    (tmp_path / "secrets.py").touch()
    monkeypatch.chdir(tmp_path)
    process = LakeProcess(home)
    with process.running():
        (batch, *_) = batches_of(SEED, KEY)
        session_of(process, batch, home).write(batch)


def test_a_child_that_is_killed_costs_no_row(any_home: Settings) -> None:
    """SIGKILL again and again: what it was at fails, another starts, and each row is there once."""
    lake, process, batches = Lake(any_home), LakeProcess(any_home), batches_of(SEED, KEY)
    waiting = chain(batches, repeat(batches[-1]))
    tried: list[int] = []
    with process.running():
        writer = session_of(process, batches[0], any_home)

        def write(batch: Batch) -> None:
            tried.append(batch.number)
            writer.write(batch)

        sessions = SessionWriter(
            lambda: next(waiting),
            write,
            0.01,
            prepare=lambda: writer.prepare(random_world(SEED).markets),
            on_written=lambda batch: None,
        )
        sessions.start()
        for _ in range(3):
            seen = len(tried)
            until(lambda seen=seen: len(tried) > seen and process.pid)
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            until(lambda: sessions.trouble is not None)
            assert "died of SIGKILL; was it out of memory?" in str(sessions.trouble)
            until(lambda: sessions.trouble is None)
            check_whole(lake)
        until(lambda: sessions.written >= len(batches))
        sessions.end()
        until(lambda: not sessions.running)
    assert sessions.unwritten == 0
    assert len(tried) > sessions.written
    for table, rows in found(lake, KEY).items():
        assert_frame_equal(rows, expected(batches)[table], check_exact=True)


def test_signals_for_a_service_or_a_terminal_leave_it_to_its_work(
    process: LakeProcess, lake: Lake, home: Settings
) -> None:
    """The last batches are written after them."""
    batches = batches_of(SEED, KEY)
    writer = session_of(process, batches[0], home)
    writer.write(batches[0])
    pid = process.pid
    assert pid is not None
    assert os.getsid(pid) != os.getsid(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    writer.write(batches[1])
    assert process.pid == pid
    assert check_whole(lake) == sum(len(batch.executions) for batch in batches[:2])


def test_it_ends_with_whoever_began_it(home: Settings) -> None:
    """Even by SIGKILL."""
    worker = subprocess.Popen(
        [sys.executable, "-m", WORKER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert worker.stdout is not None
        child = int(worker.stdout.readline())
        assert not is_gone(child)
    finally:
        worker.kill()
        worker.communicate()
    until(lambda: is_gone(child))


def test_rows_do_not_wait_in_the_catalog_for_long(
    lake: Lake, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy session's day is a million; they go to files, each once, while it writes."""
    monkeypatch.setattr(lake_scribe, "_WAITING", 20)
    batches, scribe = batches_of(SEED, KEY), Scribe(home, os.getppid())
    with state_world(home) as world:
        assert scribe.do(0, "open", packed_value((batches[0].head, world.file))) == ""
    folder, files = home.root / "lake" / "main", []
    for batch in batches:
        assert scribe.do(0, "write", packed_batch(batch)) == ""
        files.append(len([*folder.glob("live_legs/**/*.parquet")]))
    assert min(files) > 0
    assert files[-1] > files[0]
    wanted = expected(batches)
    for table, rows in found(lake, KEY).items():
        assert_frame_equal(rows, wanted[table], check_exact=True)


def test_nothing_is_committed_for_a_process_that_is_gone(lake: Lake, home: Settings) -> None:
    """A commit that was under way when it died is undone, whenever it comes to its end."""
    batches = batches_of(SEED, KEY)
    write_batch(OwnedLake(home, owner=os.getppid()), batches[0])
    before = lake.snapshot()
    with pytest.raises(SystemExit):
        write_batch(OwnedLake(home, owner=os.getpid()), batches[1])  # which is not our parent
    assert lake.snapshot() == before
    write_batch(lake, batches[1])


def test_what_hangs_is_cut_off_at_the_end(lake: Lake, home: Settings) -> None:
    """Who still waits is told, nothing is asked any more, and no process is left."""
    lake.commit(lambda _: None)
    (batch, *_) = batches_of(SEED, KEY)
    process, told = LakeProcess(home), list[str]()
    with file_lock(home.root / "lake.lock"):
        with process.running():
            writer, pid = session_of(process, batch, home), process.pid
            assert pid is not None

            def write() -> None:
                try:
                    writer.write(replace(batch, end_reason="over"))
                except ArbError as error:
                    told.append(str(error))

            waiting = threading.Thread(target=write)
            waiting.start()
            until(process._asking.locked)
        waiting.join(TIMEOUT_S)
    assert told == ["the process that writes to the lake died of SIGKILL; was it out of memory?"]
    until(lambda: is_gone(pid))
    with pytest.raises(ArbError, match="has ended"):
        writer.write(batch)
    assert lake.query("SELECT count(*) FROM live_sessions").item() == 0
