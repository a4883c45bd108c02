"""Containers that raise in every phase, never end, are killed, or run where nobody expects."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from arb_pipelines.containers.executors import open_executor
from arb_pipelines.containers.modes import Mode, ThreadModel, allowed_models
from arb_pipelines.containers.runner import ContainerReport, run_container, run_containers
from arb_pipelines.containers.spec import CLOCK, COORDINATOR, component, container_spec
from tests.fakes import calls, components

ROOT = Path(__file__).parents[2]
#: Each thread model with a mode that allows it.
MODES = {model: mode for mode in Mode for model in allowed_models(mode)}
LOOPS = (ThreadModel.ASYNC_SINGLE, ThreadModel.ASYNC_MULTI, ThreadModel.MIXED)

PHASES = {
    "make": ("Evil: in make", ()),
    "nothing": ("ConfigError: tests.fakes.components:raising: yields no component", ()),
    "run": ("Evil: in run", ()),
    "await": ("Evil: in await", ()),
    "ping": (None, ()),
    "teardown": (None, ("Evil: in teardown",)),
    "twice": (None, ("yields more than once",)),
}


@pytest.mark.parametrize("model", [model for model in ThreadModel if model in MODES])
def test_raising_in_any_phase_is_a_line_of_ones_own(model: ThreadModel) -> None:
    """Whatever is raised, and when, the container before and the one after are well."""
    specs = []
    for at in PHASES:
        spec = {COORDINATOR: component(f"{components.HERE}:raising", at=at)}
        specs += [container_spec(at, spec), components.adder(f"after {at}")]
    reports = run_containers(specs, MODES[model], model=model, workers=_workers(model))
    values = set()
    for spec, report in zip(specs, reports, strict=True):
        error, teardown = PHASES.get(spec.name, (None, ()))
        assert str(report.error).startswith(str(error)), report
        assert len(report.teardown) == len(teardown)
        assert all(one in line for one, line in zip(teardown, report.teardown, strict=True))
        if spec.name not in PHASES:
            values.add(report.value)
    assert len(values) == 1


def test_ctrl_c_in_a_container_passes_through_and_tears_it_down() -> None:
    """It is the caller's to end, and the components have ended in order before."""
    components.torn_down.clear()
    spec = container_spec(
        "it",
        {
            CLOCK: component(f"{components.HERE}:thing", name="clock"),
            COORDINATOR: component(f"{components.HERE}:raising", at="interrupt"),
        },
    )
    with pytest.raises(KeyboardInterrupt):
        run_container(spec)
    assert components.torn_down == ["clock"]


@pytest.mark.parametrize("model", list(MODES))
def test_ctrl_c_ends_containers_that_never_end(model: ThreadModel, tmp_path: Path) -> None:
    """Once is enough in every thread model, and no process is left behind."""
    _interrupt(model, "EndlessOnLoop" if model in LOOPS else "Endless", tmp_path, times=1)


def test_a_second_ctrl_c_ends_a_container_that_holds_its_loop(tmp_path: Path) -> None:
    """The first asks it to end in order, which one that never awaits does not hear."""
    _interrupt(ThreadModel.ASYNC_SINGLE, "Endless", tmp_path, times=2)


def _interrupt(model: ThreadModel, name: str, tmp_path: Path, *, times: int) -> None:
    marker = tmp_path / "pid"
    script = (
        "from arb_pipelines.containers.modes import Mode, ThreadModel\n"
        "from arb_pipelines.containers.runner import run_containers\n"
        "from tests.fakes import components\n"
        "if __name__ == '__main__':\n"
        f"    spec = components.of({name!r}, path={str(marker)!r})\n"
        f"    run_containers([spec], Mode({MODES[model].value!r}), "
        f"model=ThreadModel({model.value!r}))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True
    ) as parent:
        pid = _read_pid(marker)
        try:
            for _ in range(times - 1):
                os.killpg(parent.pid, signal.SIGINT)
                with pytest.raises(subprocess.TimeoutExpired):
                    parent.communicate(timeout=1)
            os.killpg(parent.pid, signal.SIGINT)  # as a terminal does: to the whole group
            _, told = parent.communicate(timeout=60)
        finally:
            parent.kill()
    assert parent.returncode == -signal.SIGINT, told
    assert b"KeyboardInterrupt" in told
    assert not Path(f"/proc/{pid}").exists() or pid == parent.pid


def test_a_worker_killed_in_a_call_ends_that_call_alone(tmp_path: Path) -> None:
    """As by the out-of-memory killer: the error asks the question, and the next call runs."""
    executor = open_executor(ThreadModel.PROCESS_PARALLEL, 1)
    executor.submit(0, calls.stay, str(tmp_path / "pid"))
    executor.submit(1, calls.square, 5)
    os.kill(_read_pid(tmp_path / "pid"), signal.SIGKILL)
    killed, well = [*executor.wait(), *executor.wait()]
    executor.close()
    assert killed.error == (
        "the worker process died of SIGKILL during this call; was it out of memory?"
    )
    assert (well.number, well.result) == (1, 25)


@pytest.mark.parametrize("model", list(MODES))
def test_containers_run_from_any_thread(model: ThreadModel) -> None:
    """A plan that an orchestrator starts in a thread of its own comes to the same."""
    ended: list[ContainerReport] = []

    def run() -> None:
        specs = [components.adder("one"), components.of("Broken"), components.late_adder("two")]
        ended.extend(run_containers(specs, MODES[model], model=model, workers=_workers(model)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    one, broken, two = ended
    assert one.value == two.value is not None
    assert "has no Broken" in str(broken.error)


def _workers(model: ThreadModel) -> int:
    return 1 if model is ThreadModel.SINGLE_THREADED else 2


def _read_pid(marker: Path) -> int:
    while not (marker.exists() and marker.read_text()):
        os.sched_yield()
    return int(marker.read_text())
