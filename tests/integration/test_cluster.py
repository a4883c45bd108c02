"""A study on a real cluster: a Dask scheduler, two worker processes, and one of them killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.store import Lake
from arb_pipelines.optimize.study import Study
from arb_pipelines.research import optimisation
from arb_pipelines.research.optimisation import run_window
from arb_pipelines.research.study_reports import WindowReport
from arb_pipelines.research.targets import OpenedTarget
from arb_pipelines.settings import load_settings
from tests.conftest import ROOT
from tests.fakes.searches import Bowl, study


@dataclass(frozen=True)
class Cluster:
    """Where the scheduler listens, and the worker processes."""

    address: str
    workers: tuple[subprocess.Popen[bytes], ...]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler and two workers of one thread each, on loopback, ended with the test."""
    pytest.importorskip("distributed", reason="needs the extra `cluster`")
    found = tmp_path / "scheduler.json"
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments]
        process = subprocess.Popen(
            [*command, "--no-dashboard", "--scheduler-file", str(found)],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    try:
        start("dask_scheduler", "--host", "127.0.0.1", "--port", "0")
        own = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        own += ("--local-directory", str(tmp_path))
        workers = tuple(start("dask_worker", *own) for _ in range(2))
        _until(lambda: found.exists() and found.stat().st_size > 0)
        yield Cluster(json.loads(found.read_text())["address"], workers)
    finally:
        for process in started:
            process.kill()
            process.wait()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def _run(
    chosen: Study, target: Bowl, monkeypatch: pytest.MonkeyPatch, cluster: str | None = None
) -> WindowReport:
    opened = OpenedTarget(target, "bowl")
    monkeypatch.setattr(optimisation, "open_target", lambda *_, **__: opened)
    lake = Lake(load_settings(cluster=cluster))
    return run_window(lake, chosen, "w00", workers=2, fresh=True)


def test_a_killed_worker_loses_no_trial(
    home: object, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every trial is there once, with the digest of a run on this machine alone."""
    log, gate = tmp_path / "log", tmp_path / "gate"
    target = Bowl(log, gate, gate_after=30)
    with ThreadPoolExecutor(1) as pool:
        searched = pool.submit(_run, study(), target, monkeypatch, cluster.address)
        # a trial stands at the gate on each worker; one of them dies with its trial
        _until(lambda: searched.done() or _lines(log) >= 32)
        cluster.workers[0].send_signal(signal.SIGKILL)
        cluster.workers[0].wait()
        gate.touch()
        report = searched.result(timeout=120)
    assert report.trials["trial_no"].to_list() == list(range(30))
    assert set(report.trials["state"]) == {"complete"}
    workers = {int(worker.rpartition(":")[2]) for worker in report.trials["worker"]}
    assert workers == {process.pid for process in cluster.workers}
    assert _lines(log) > 30 * 3 + 1, "the trial that was lost was measured again"
    alone = _run(study(), Bowl(), monkeypatch)
    assert alone.digest == report.digest
    assert alone.best["params"].item() == report.best["params"].item()


def _lines(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_a_trial_that_fails_on_a_cluster_says_why(
    home: object, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception over there is one line of its trial, as it is here."""
    report = _run(study(trials=12), Bowl(fail_above=1.0), monkeypatch, cluster.address)
    failed = report.trials.filter(state="failed")
    assert 0 < len(failed) < 12
    assert all("ConfigError: x is" in error for error in failed["error"])


def test_what_a_cluster_cannot_do_is_said(
    home: object, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory limit is the workers' own there; a scheduler that is not there is named."""
    with pytest.raises(ConfigError, match=r"memory_limit_mib: .* --memory-limit"):
        _run(study(memory_limit_mib=64), Bowl(), monkeypatch, cluster.address)
    monkeypatch.setattr("arb_pipelines.optimize.cluster._ANSWER_S", 1)
    with pytest.raises(ConfigError, match=r"ARB_CLUSTER: no Dask scheduler answers at tcp://127"):
        _run(study(), Bowl(), monkeypatch, "tcp://127.0.0.1:1")


def test_without_the_extra_it_is_named(home: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Dask installed: what to install."""
    monkeypatch.delitem(sys.modules, "arb_pipelines.optimize.cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"ARB_CLUSTER: needs Dask, the extra `cluster`"):
        _run(study(), Bowl(), monkeypatch, "tcp://127.0.0.1:1")
