"""State files whose engine was killed, whose machine lost power, or whose pages are torn."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.execution.state.opening import Durability, open_state
from arb_pipelines.execution.state.reader import open_state_for_reading
from tests.fakes.state_steps import STEPS, steps_found, steps_of

KEY = "a key with ' in it"


@contextmanager
def worker(path: Path, key: str = "", start: str = "w") -> Iterator[subprocess.Popen[str]]:
    """An engine in a process of its own, killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.state_worker", str(path), key, start],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def said(process: subprocess.Popen[str], steps: int) -> list[str]:
    """What it said of its first steps."""
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(steps)]


@pytest.mark.parametrize("key", ["", KEY])
def test_what_was_written_is_there_after_a_kill(tmp_path: Path, key: str) -> None:
    """Kill -9 at random moments: each step it spoke of is in the file, and none is half there."""
    path, rng = tmp_path / "state.sqlite", random.Random(5)
    secret = SecretStr(key) if key else None
    for start in ("a", "b", "c"):
        with worker(path, key, start) as process:
            last = said(process, rng.randrange(1, 300))[-1]
            process.kill()
            assert process.stdout is not None
            for line in process.stdout:  # what it had said until it was dead
                last = line if line.endswith("\n") else last
        number, step = map(int, last.split())
        with open_state(path, key=secret) as store:
            for done in range(number):
                assert steps_found(store, f"{start}-{done}") == STEPS
            assert steps_found(store, f"{start}-{number}") >= step + 1
            steps_found(store, f"{start}-{number + 1}")
            assert store.lease is not None
            assert store.lease.holder == "an engine"


def test_the_second_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    """As long as the first lives; readers are let in."""
    path = tmp_path / "state.sqlite"
    with worker(path) as process:
        said(process, 20)
        who = rf"the worker \(process {process.pid}\)"
        with pytest.raises(ConfigError, match=who), open_state(path):
            pass
        with open_state_for_reading(path) as reader:
            assert reader.lease is not None
            assert (reader.lease.holder, reader.lease.process) == ("the worker", process.pid)
            assert len(reader.ended_cycles(10)) >= 2
    with open_state(path, holder="the next") as store:
        assert store.lease is not None
        assert store.lease.holder == "the next"
    with open_state_for_reading(path) as reader:
        assert reader.lease is None


def copied_while_open(path: Path, to: Path, cycles: int) -> None:
    """Copy a file and its log while they are open, as a loss of power would leave them."""
    with open_state(path) as store:
        for number in range(cycles):
            for _ in steps_of(store, f"c-{number}"):
                pass
        for end in ("", "-wal"):
            shutil.copy(path.with_name(f"{path.name}{end}"), to.with_name(f"{to.name}{end}"))


@pytest.mark.parametrize("seed", range(25))
def test_a_torn_log_loses_its_end_and_nothing_else(tmp_path: Path, seed: int) -> None:
    """Cut off or overwritten anywhere, the log holds whole transactions up to that place."""
    rng, torn = random.Random(seed), tmp_path / "torn.sqlite"
    copied_while_open(tmp_path / "state.sqlite", torn, cycles=6)
    log = torn.with_name("torn.sqlite-wal")
    whole = log.read_bytes()
    at = rng.randrange(len(whole))
    log.write_bytes(whole[:at] + (rng.randbytes(len(whole) - at) if seed % 2 else b""))
    with open_state(torn) as store:
        found = [steps_found(store, f"c-{number}") for number in range(6)]
        assert found == sorted(found, reverse=True)
        assert sum(0 < steps < STEPS for steps in found) <= 1
        assert [*steps_of(store, "next")] == [*range(STEPS)]


@pytest.mark.parametrize("key", ["", KEY])
def test_a_damaged_file_is_refused_with_what_to_do(tmp_path: Path, key: str) -> None:
    """Pages overwritten or cut off: nobody trades on what is left, and the backup is named."""
    path, secret = tmp_path / "state.sqlite", SecretStr(key) if key else None
    with open_state(path, key=secret) as store:
        for number in range(40):
            for _ in steps_of(store, f"c-{number}"):
                pass
    whole = path.read_bytes()
    damaged = [
        whole[: len(whole) // 2],
        whole[: 5 * 4096] + b"\xff" * 4096 + whole[6 * 4096 :],
        whole[:4096] + random.Random(1).randbytes(len(whole) - 4096),
    ]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"is damaged: .*arb state restore"):
            open_state(path, key=secret).__enter__()
    path.write_bytes(whole)
    with open_state(path, key=secret) as store:
        assert len(store.ended_cycles(100)) == 40


def test_the_log_does_not_grow_for_ever(tmp_path: Path) -> None:
    """Whoever writes without a rest has it brought into the file, and readers see all of it."""
    path = tmp_path / "state.sqlite"
    log, longest = path.with_name("state.sqlite-wal"), 0
    with open_state(path) as store:
        for number in range(2_500):
            for _ in steps_of(store, f"c-{number}"):
                pass
            longest = max(longest, log.stat().st_size)
        assert longest < 256 << 20  # of 330 MiB written
        assert path.stat().st_size > 1 << 20  # before anybody closes it
        with open_state_for_reading(path) as reader:
            assert len(reader.ended_cycles(10_000)) == 2_500
    assert not log.exists()


@pytest.mark.parametrize(("durability", "flushes"), [("process", 1), ("power", 2)])
def test_durability_is_sqlite_s_own(tmp_path: Path, durability: Durability, flushes: int) -> None:
    """A log that is flushed with each step, or when it is brought into the file."""
    with open_state(tmp_path / "state.sqlite", durability=durability) as store:
        assert store._db.execute("PRAGMA synchronous").fetchone()[0] == flushes
        assert store._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
