"""What a container costs: its creation and teardown, and a call's way to a process and back.

The container has eight components and metrics, as a backtest's. Calls do nothing, so
that what is measured is the executor. The peer of the process executor is the
library's pool of processes, which a single death breaks.
"""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import get_context

from arb_pipelines.containers.container import Container
from arb_pipelines.containers.executors import Executor, open_executor
from arb_pipelines.containers.factories import NoParams
from arb_pipelines.containers.memory import PeakMeter
from arb_pipelines.containers.modes import ThreadModel
from arb_pipelines.containers.runner import run_container
from arb_pipelines.containers.spec import ROLES, ContainerSpec, component

CONTAINERS = 1_000
CALLS = 1_000
RUNS = 7
LIMIT_MIB = 1_024
_HERE = "bench.containers"


@dataclass(frozen=True, slots=True)
class Amounts:
    """Parameters as a component's: a few numbers to check."""

    fast: int
    slow: int
    fraction: float


class Component:
    """A component that only stands there."""

    def __init__(self, params: Amounts, container: Container) -> None:
        self.params = params


class Idle:
    """A coordinator that does nothing."""

    def __init__(self, params: NoParams, container: Container) -> None:
        pass

    def run(self, container: Container) -> None:
        return None


def run() -> list[dict[str, object]]:
    """Measure each warm; give the medians over several runs."""
    parts = [
        (role, component(f"{_HERE}:Component", fast=10, slow=30, fraction=0.5))
        for role in ROLES
        if role != "coordinator"
    ]
    spec = ContainerSpec("bench", (*parts, ("coordinator", component(f"{_HERE}:Idle"))))
    made = _median_us(lambda: _make(spec), CONTAINERS)
    ran = _median_us(lambda: run_container(spec), CONTAINERS)
    metered = _median_us(lambda: PeakMeter().read(), CONTAINERS)
    calls = {
        "serial": _call_us(ThreadModel.SINGLE_THREADED),
        "thread": _call_us(ThreadModel.MULTI_THREADED),
        "process": _call_us(ThreadModel.PROCESS_PARALLEL),
        f"process, limit of {LIMIT_MIB} MiB": _call_us(ThreadModel.PROCESS_PARALLEL, LIMIT_MIB),
    }
    peer = _pool_us()
    rows = [
        _row(f"container of {len(ROLES)} components: create, initialise, tear down", made, 1_000),
        _row("the same, run and reported", ran, None),
        _row("peak memory of a run, measured", metered, None),
    ]
    for name, ours in calls.items():
        spawned = name.startswith("process")
        against = ", against ProcessPoolExecutor" if spawned else ""
        row = _row(f"call and answer, {name}{against}", ours, 5_000 if spawned else None)
        rows.append(row | ({"peer": peer, "ratio": peer / ours} if spawned else {}))
    return rows


def _row(name: str, ours_us: float, bar_us: int | None) -> dict[str, object]:
    return {
        "name": name,
        "ours": ours_us,
        "peer": None,
        "ratio": None,
        "unit": "us",
        "bar": None if bar_us is None else f"<= {bar_us:,} us",
        "holds": None if bar_us is None else ours_us <= bar_us,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _make(spec: ContainerSpec) -> None:
    container = Container(spec)
    container.initialise()
    container.teardown()


def _call_us(model: ThreadModel, limit_mib: int | None = None) -> float:
    with closing(open_executor(model, 1, memory_limit_mib=limit_mib)) as executor:
        return _median_us(lambda: _call(executor), CALLS)


def _call(executor: Executor) -> None:
    executor.submit(0, _nothing, 0)
    (done,) = executor.wait()
    assert done.error is None, done.error


def _pool_us() -> float:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return _median_us(lambda: pool.submit(_nothing, 0).result(), CALLS)


def _nothing(argument: object) -> None:
    return None


def _median_us(work: Callable[[], object], times: int) -> float:
    """Time of one, in us: median over several runs after one that warms up."""
    work()
    each = []
    for _ in range(RUNS):
        begun = time.perf_counter_ns()
        for _ in range(times):
            work()
        each.append((time.perf_counter_ns() - begun) / times / 1e3)
    return statistics.median(each)
