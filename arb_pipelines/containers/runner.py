"""Running containers: many specs, one mode, one thread model; a report each, in their order.

From here down, a container's failure is a line in its own report. What a run means
is its coordinator's; how calls are spread is ``executors``'.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from arb_pipelines.containers.breaker import CircuitBreaker
from arb_pipelines.containers.calls import Call, Done, attempt, attempt_on_loop, settled
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.executors import (
    Executor,
    check_memory_limit,
    check_workers,
    open_executor,
)
from arb_pipelines.containers.memory import PeakMeter, limited
from arb_pipelines.containers.metrics import ContainerMetrics
from arb_pipelines.containers.modes import Mode, ThreadModel, thread_model
from arb_pipelines.containers.shared import SharedServices
from arb_pipelines.containers.spec import ContainerSpec

#: Gives the services to be shared, by name; called once in each process.
OpenShared = Callable[[], Mapping[str, object]]
_Run = Callable[[ContainerSpec, SharedServices | None], Any]

_LOOPS = (ThreadModel.ASYNC_SINGLE, ThreadModel.ASYNC_MULTI, ThreadModel.MIXED)
_PROCESSES = (ThreadModel.PROCESS_PARALLEL, ThreadModel.MIXED)
_ALONE = (ThreadModel.SINGLE_THREADED, ThreadModel.PROCESS_PARALLEL)


@dataclass(frozen=True, slots=True)
class ContainerReport:
    """How one container ended: its value, or the one line that says why there is none.

    ``teardown`` has a line for each component whose teardown failed; the value
    stands all the same. ``metrics`` is None where the container never ran, or its
    process died.
    """

    name: str
    value: Any = None
    error: str | None = None
    teardown: tuple[str, ...] = ()
    metrics: ContainerMetrics | None = None


def run_containers(
    specs: Sequence[ContainerSpec],
    mode: Mode,
    *,
    model: ThreadModel | None = None,
    workers: int | None = None,
    open_shared: OpenShared | None = None,
    memory_limit_mib: int | None = None,
    breaker: CircuitBreaker | None = None,
) -> list[ContainerReport]:
    """Run each spec in a container of its own; give the reports in the order of the specs.

    ``workers`` is how many run at once: by default one where the model runs one at
    a time, all where they wait on loops, else as many as there are cores. With a
    ``breaker`` that is open, the containers whose turn comes are not run. Where the
    model spreads over processes, ``open_shared`` is imported there by name, and
    what the coordinators give is sent back.

    Raises:
        ConfigError: the mode cannot run that model, or the model that memory limit or
            number of workers.
    """
    model = thread_model(mode, model)
    if workers is None:
        workers = _default_workers(model, len(specs))
    check_workers(model, workers)
    check_memory_limit(model, memory_limit_mib)
    workers = min(workers, max(1, len(specs)))  # a thread or loop each, from the start
    call: _Run = _run_on_loop
    if model not in _LOOPS:
        call = partial(run_container, memory_limit_mib=memory_limit_mib, alone=model in _ALONE)
    if model in _PROCESSES:
        setup: dict[str, Any] = {"initializer": _share_here, "initargs": (open_shared,)}
        call = partial(_with_services_here, call)
    else:
        setup = {}
        call = partial(_with_services, call, _freeze(open_shared))
    with closing(open_executor(model, workers, **setup)) as executor:
        ended = _run_all(executor, call, specs, breaker)
    return [_report(spec, ended[number]) for number, spec in enumerate(specs)]


def run_container(
    spec: ContainerSpec,
    shared: SharedServices | None = None,
    *,
    memory_limit_mib: int | None = None,
    alone: bool = False,
) -> ContainerReport:
    """Make, initialise, run and tear down one container, here and now; only Ctrl-C raises.

    A coordinator's coroutine runs on a loop of its own. ``alone`` says that the
    process runs nothing else, so that its peak memory is the container's.
    """
    peak = PeakMeter() if alone else None
    container = Container(spec, shared)
    try:
        done = attempt(0, partial(_live, memory_limit_mib=memory_limit_mib), container)
    finally:
        container.teardown()  # also where Ctrl-C passes through
    return _end(container, done, peak)


async def _run_on_loop(spec: ContainerSpec, shared: SharedServices | None) -> ContainerReport:
    container = Container(spec, shared)
    return _end(container, await attempt_on_loop(0, _begin, container), None)


def _live(container: Container, *, memory_limit_mib: int | None) -> Any:
    with limited(memory_limit_mib):
        value = _begin(container)
        return asyncio.run(settled(value)) if inspect.isawaitable(value) else value


def _begin(container: Container) -> Any:
    container.initialise()
    return container.run()


def _end(container: Container, done: Done, peak: PeakMeter | None) -> ContainerReport:
    failures = container.teardown()
    metrics = container.meter.read(peak.read() if peak else None)
    return ContainerReport(container.spec.name, done.result, done.error, failures, metrics)


def _with_services(call: _Run, shared: SharedServices, spec: ContainerSpec) -> Any:
    return call(spec, shared)


def _with_services_here(call: _Run, spec: ContainerSpec) -> Any:
    return call(spec, _here)


#: What containers share in this process, if it is a worker of ``run_containers``.
_here: SharedServices | None = None


def _share_here(open_shared: OpenShared | None) -> None:
    global _here
    _here = _freeze(open_shared)


def _freeze(open_shared: OpenShared | None) -> SharedServices:
    return SharedServices(open_shared() if open_shared is not None else {})


def _run_all(
    executor: Executor, call: Call, specs: Sequence[ContainerSpec], breaker: CircuitBreaker | None
) -> dict[int, Done]:
    """Keep the slots full, in order; ask the breaker before each and tell it after each."""
    ended: dict[int, Done] = {}
    turn, running = 0, 0
    while turn < len(specs) or running:
        while turn < len(specs) and running < executor.slots:
            if breaker is not None and breaker.probing:
                break  # what comes of it decides about those that follow
            if breaker is None or breaker.allows(turn):
                executor.submit(turn, call, specs[turn])
                running += 1
            else:
                ended[turn] = Done(turn, error=_not_run(breaker))
            turn += 1
        for done in executor.wait():
            running -= 1
            ended[done.number] = done
            if breaker is not None:
                failed = done.error is not None or done.result.error is not None
                breaker.record(done.number, failed=failed)
    return ended


def _not_run(breaker: CircuitBreaker) -> str:
    return (
        f"not run: the circuit breaker is open after {breaker.failures} failures in a row; "
        "see the reports before this one"
    )


def _report(spec: ContainerSpec, done: Done) -> ContainerReport:
    if done.error is not None:
        return ContainerReport(spec.name, error=done.error)
    report: ContainerReport = done.result
    return report


def _default_workers(model: ThreadModel, specs: int) -> int:
    if model is ThreadModel.SINGLE_THREADED:
        return 1
    if model in _LOOPS:
        return max(1, specs)
    return max(1, min(specs, os.cpu_count() or 1))
