"""Executors: every thread model runs calls, and no call harms another."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from arb_pipelines.containers import memory
from arb_pipelines.containers.executors import Done, Executor, open_executor
from arb_pipelines.containers.modes import ThreadModel
from arb_pipelines.errors import ConfigError
from tests.fakes import calls

MODELS = list(ThreadModel)
LIMITED = [ThreadModel.SINGLE_THREADED, ThreadModel.PROCESS_PARALLEL]
SHARED = [model for model in MODELS if model not in LIMITED]
IN_PROCESS = [ThreadModel.SINGLE_THREADED, ThreadModel.MULTI_THREADED, ThreadModel.ASYNC_SINGLE]
SPAWNED = [ThreadModel.PROCESS_PARALLEL, ThreadModel.MIXED]
LOOPS = [ThreadModel.ASYNC_SINGLE, ThreadModel.ASYNC_MULTI, ThreadModel.MIXED]


@contextmanager
def opened(model: ThreadModel, workers: int = 2, **options: Any) -> Iterator[Executor]:
    """An executor of any model, with as many workers as it takes."""
    if model is ThreadModel.SINGLE_THREADED:
        workers = 1
    with closing(open_executor(model, workers, **options)) as executor:
        yield executor


def run_all(executor: Executor, call: Any, arguments: Iterable[Any]) -> dict[int, Done]:
    """Run one call for each argument, numbered in order."""
    numbers = set()
    for number, argument in enumerate(arguments):
        executor.submit(number, call, argument)
        numbers.add(number)
    ended: dict[int, Done] = {}
    while len(ended) < len(numbers):
        for done in executor.wait():
            assert done.number in numbers - ended.keys()
            ended[done.number] = done
    return ended


@pytest.mark.parametrize("model", MODELS)
def test_each_call_is_reported_once_with_its_own_result(model: ThreadModel) -> None:
    """Thirty calls give thirty results under their numbers, then there is nothing to wait for."""
    with opened(model, 3) as executor:
        ended = run_all(executor, calls.square, range(30))
        assert {number: done.result for number, done in ended.items()} == {
            x: x * x for x in range(30)
        }
        assert executor.wait() == []


@pytest.mark.parametrize("model", MODELS)
def test_a_failing_call_ends_with_one_line_and_the_next_runs(model: ThreadModel) -> None:
    """Exceptions, sys.exit and errors that cannot be printed are the call's end, nobody else's."""
    with opened(model) as executor:
        assert run_all(executor, calls.fail, ["this"])[0].error == (
            f"ValueError: cannot use this (at calls.py:{calls.fail.__code__.co_firstlineno + 1} "
            "in fail)"
        )
        assert str(run_all(executor, calls.leave, [1])[0].error).startswith("SystemExit: gone 1")
        assert "cannot be printed" in str(run_all(executor, calls.fail_untellably, [1])[0].error)
        assert run_all(executor, calls.square, [5])[0] == Done(0, 25)


@pytest.mark.parametrize("model", MODELS)
def test_the_initializer_runs_once_a_worker(model: ThreadModel, tmp_path: Path) -> None:
    """Each process or thread is prepared once before its first call."""
    calls.prepared.clear()
    with opened(model, 2, initializer=calls.prepare, initargs=("data",)) as executor:
        ended = run_all(executor, calls.tell_prepared, range(20))
    places = {done.result[0] if model in SPAWNED else done.result[1] for done in ended.values()}
    for done in ended.values():
        prepared = done.result[2]
        assert prepared == ["data"] * (1 if model in SPAWNED else len(prepared))
        assert len(places) <= 2
    calls.prepared.clear()


@pytest.mark.parametrize("model", MODELS)
def test_a_failed_initializer_is_the_end_of_every_call(model: ThreadModel) -> None:
    """No call runs in a worker that could not be prepared; each says why."""
    with opened(model, initializer=calls.prepare_badly) as executor:
        for done in run_all(executor, calls.square, range(4)).values():
            assert done.result is None
            assert str(done.error).startswith(
                "the worker's initializer failed: ValueError: no such data"
            )


@pytest.mark.parametrize("model", SPAWNED)
def test_a_worker_that_dies_ends_its_call_only(model: ThreadModel) -> None:
    """A process that ends or crashes in a call is replaced, and its other calls all count."""
    with opened(model, 1) as executor:
        ended = run_all(executor, calls.die, range(30))
        assert ended[13].error == "the worker process died with exit code 7 during this call"
        assert all(ended[x] == Done(x, x * x) for x in range(30) if x != 13)
        crashed = run_all(executor, calls.crash, [0])[0]
        assert crashed.error == "the worker process died of SIGSEGV during this call"
        assert run_all(executor, calls.square, [5])[0] == Done(0, 25)


def test_a_worker_killed_while_idle_costs_no_call() -> None:
    """What the system kills between calls is replaced without anybody noticing."""
    with opened(ThreadModel.PROCESS_PARALLEL, 1) as executor:
        pid = run_all(executor, calls.tell_prepared, [0])[0].result[0]
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        done = run_all(executor, calls.tell_prepared, [0])[0]
        assert done.error is None
        assert done.result[0] != pid


@pytest.mark.parametrize("model", SPAWNED)
def test_what_cannot_be_sent_is_an_error_of_its_call(model: ThreadModel) -> None:
    """Arguments and results that do not pickle, either way, are said to be so."""
    with opened(model) as executor:
        unsendable = run_all(executor, calls.square, [threading.Lock()])[0]
        assert "the call cannot be sent to a worker process: TypeError" in str(unsendable.error)
        given = run_all(executor, calls.give_unsendable, [0])[0]
        assert "the result, a lock, cannot be sent back" in str(given.error)
        unreadable = run_all(executor, calls.give_unreadable, [0])[0]
        assert "the result cannot be read back: ValueError" in str(unreadable.error)
        assert run_all(executor, calls.square, [5])[0] == Done(0, 25)
    with pytest.raises(ConfigError, match="initializer: cannot be sent to a worker process"):
        open_executor(model, 1, initializer=calls.prepare, initargs=(threading.Lock(),))


@pytest.mark.parametrize("model", [*SPAWNED, ThreadModel.ASYNC_SINGLE, ThreadModel.ASYNC_MULTI])
def test_closing_ends_what_runs_and_leaves_nothing(model: ThreadModel, tmp_path: Path) -> None:
    """Running calls are killed or cancelled; no process, thread or open file is left."""
    with opened(model) as executor:  # what a process opens once and keeps, such as its tracker
        run_all(executor, calls.square, [1])
    threads, files = threading.active_count(), open_files()
    call = calls.stay_on_loop if model in LOOPS else calls.stay
    with opened(model) as executor:
        markers = [tmp_path / str(number) for number in range(2)]
        for number, marker in enumerate([*markers, tmp_path / "never"]):
            executor.submit(number, call, str(marker))
        pids = [read_pid(marker) for marker in markers]
    assert threading.active_count() == threads
    assert open_files() <= files  # fewer, where an earlier test's were collected meanwhile
    assert not (tmp_path / "never").exists()
    if model in SPAWNED:
        assert not any(map(is_alive, pids))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(how: signal.Signals, tmp_path: Path) -> None:
    """Whatever ends the parent, a worker in the middle of a call is not left behind."""
    marker = tmp_path / "pid"
    script = (
        "from arb_pipelines.containers.executors import open_executor\n"
        "from arb_pipelines.containers.modes import ThreadModel\n"
        "from tests.fakes import calls\n"
        "if __name__ == '__main__':\n"
        "    executor = open_executor(ThreadModel.PROCESS_PARALLEL, 1)\n"
        f"    executor.submit(0, calls.stay, {str(marker)!r})\n"
        "    executor.wait()\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=root, stderr=subprocess.DEVNULL
    ) as parent:
        worker = read_pid(marker)
        parent.send_signal(how)
        parent.wait()
    wait_until_gone(worker)


@pytest.mark.parametrize("model", LOOPS)
def test_calls_on_a_loop_run_side_by_side(model: ThreadModel) -> None:
    """Two calls that each wait for the other both end, which no queue of calls could do."""
    loops = 2 if model is not ThreadModel.ASYNC_SINGLE and (os.cpu_count() or 1) > 1 else 1
    with opened(model, 2 * loops) as executor:
        party = {"name": str(model), "count": 2}
        if loops == 1:
            ended = run_all(executor, calls.meet, [party] * 2)
        else:  # dealt out evenly: two on each loop
            named = [party | {"name": f"{model} {n % 2}"} for n in range(4)]
            ended = run_all(executor, calls.meet, named)
    assert all(done.error is None for done in ended.values())
    if model is not ThreadModel.MIXED:
        assert len({done.result for done in ended.values()}) == loops


@pytest.mark.parametrize("allocate", [calls.allocate, calls.allocate_objects])
def test_a_memory_limit_ends_the_call_that_needs_more(allocate: Any) -> None:
    """The call over its limit ends with a clear error; those before and after it are well."""
    with opened(ThreadModel.PROCESS_PARALLEL, 1, memory_limit_mib=64) as executor:
        ended = run_all(executor, allocate, [16, 500, 16])
    assert ended[0].error is None
    assert "MemoryError: needed more than its limit of 64 MiB" in str(ended[1].error)
    assert ended[2].error is None


@pytest.mark.parametrize("allocate", [calls.allocate, calls.allocate_objects])
def test_a_memory_limit_holds_for_calls_one_after_the_other(allocate: Any) -> None:
    """Without a process of its own too; in a fresh one, since this one holds memory to give up."""
    with opened(ThreadModel.PROCESS_PARALLEL, 1) as executor:
        (done,) = run_all(executor, calls.allocate_here, [(allocate, [16, 500, 16])]).values()
    before, over, after = done.result
    assert before is None
    assert "MemoryError: needed more than its limit of 64 MiB" in over
    assert after is None


@pytest.mark.parametrize("model", SHARED)
def test_a_memory_limit_is_refused_where_calls_share_a_process(model: ThreadModel) -> None:
    """Nobody can tell whose memory it is, and the message says what to use instead."""
    with pytest.raises(ConfigError, match=r"cannot be told apart; use process_parallel"):
        open_executor(model, 1, memory_limit_mib=64)


def test_numbers_that_make_no_sense_are_refused() -> None:
    """No workers, several of one thread, and no memory are said to be wrong."""
    with pytest.raises(ConfigError, match="workers: 0: give at least 1"):
        open_executor(ThreadModel.MULTI_THREADED, 0)
    with pytest.raises(ConfigError, match="runs one call at a time; use process_parallel"):
        open_executor(ThreadModel.SINGLE_THREADED, 2)
    with pytest.raises(ConfigError, match="memory_limit_mib: 0 MiB: give at least 1"):
        open_executor(ThreadModel.PROCESS_PARALLEL, 1, memory_limit_mib=0)
    with pytest.raises(ConfigError, match="at most 1073741824"):  # what no rlimit could hold
        open_executor(ThreadModel.PROCESS_PARALLEL, 1, memory_limit_mib=10**15)


def test_a_limit_that_the_system_does_not_enforce_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether it does is found out by trying, not by the system's name."""
    monkeypatch.setattr(memory.mmap, "mmap", lambda *_, **__: io.BytesIO())  # is let pass
    memory._is_enforced.cache_clear()
    with pytest.raises(ConfigError, match="does not enforce RLIMIT_DATA"):
        open_executor(ThreadModel.PROCESS_PARALLEL, 1, memory_limit_mib=64)
    memory._is_enforced.cache_clear()


def open_files() -> set[str]:
    """Name what each descriptor of this process refers to; sockets and pipes have a number."""
    names = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            names.add(str(descriptor.readlink()))
    return names


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> None:
    while is_alive(pid):
        os.sched_yield()


def read_pid(marker: Path) -> int:
    while not (marker.exists() and marker.read_text()):
        os.sched_yield()
    return int(marker.read_text())
