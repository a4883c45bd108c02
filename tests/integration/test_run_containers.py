"""Running containers as a mode and a thread model say: results, limits, failures, the breaker."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from arb_pipelines.containers.breaker import CircuitBreaker
from arb_pipelines.containers.executors import open_executor
from arb_pipelines.containers.modes import Mode, ThreadModel, allowed_models
from arb_pipelines.containers.runner import ContainerReport, run_container, run_containers
from arb_pipelines.containers.spec import (
    CLOCK,
    COORDINATOR,
    ContainerSpec,
    component,
    container_spec,
)
from arb_pipelines.errors import ConfigError
from tests.fakes import components

SPAWNED = {ThreadModel.PROCESS_PARALLEL: Mode.OPTIMIZATION, ThreadModel.MIXED: Mode.PAPER_TRADING}
#: Each mode with each model that it allows; those that start processes (slow) once.
PAIRS = [
    (mode, model)
    for mode in Mode
    for model in allowed_models(mode)
    if SPAWNED.get(model, mode) is mode
]
ALONE = (ThreadModel.SINGLE_THREADED, ThreadModel.PROCESS_PARALLEL)


@pytest.mark.parametrize(("mode", "model"), PAIRS)
def test_every_mode_runs_containers_by_each_of_its_models(mode: Mode, model: ThreadModel) -> None:
    """The same values in the specs' order, with metrics, from coordinators of both kinds."""
    specs = [components.adder(f"a{seed}", seed=seed) for seed in range(3)]
    specs += [components.late_adder(f"b{seed}", seed=seed) for seed in range(3)]
    reports = run_containers(specs, mode, model=model)
    expected = [run_container(spec) for spec in specs]
    assert [(r.name, r.value, r.error) for r in reports] == [
        (e.name, e.value, None) for e in expected
    ]
    for report, same in zip(reports, expected, strict=True):
        assert report.metrics is not None
        assert same.metrics is not None
        assert report.metrics.events == 100
        assert report.metrics.final_value == same.metrics.final_value
        assert report.metrics.max_drawdown == same.metrics.max_drawdown
        assert (report.metrics.peak_memory_bytes is not None) == (model in ALONE)


@pytest.mark.parametrize("model", ALONE)
def test_peak_memory_is_what_the_container_needed(model: ThreadModel) -> None:
    """A container that fills 100 MiB has that peak, and the one after it does not."""
    small, big = components.of("Glutton", mib=1), components.of("Glutton", mib=100)
    specs = [small, big, small]  # the first also pays for what it imports
    _, big_one, small_one = run_containers(specs, Mode.OPTIMIZATION, model=model, workers=1)
    assert big_one.metrics is not None
    assert small_one.metrics is not None
    assert 99 <= (big_one.metrics.peak_memory_bytes or 0) / 2**20 < 120
    assert (small_one.metrics.peak_memory_bytes or 0) / 2**20 < 50


@pytest.mark.parametrize("model", ALONE)
def test_a_container_over_its_memory_limit_ends_alone(model: ThreadModel) -> None:
    """It says how much it was allowed, is torn down, and the others run."""
    specs = [components.adder("one"), components.of("Glutton", mib=600), components.adder("two")]
    one, big, two = run_containers(
        specs, Mode.OPTIMIZATION, model=model, workers=1, memory_limit_mib=128
    )
    assert str(big.error).startswith("MemoryError: needed more than its limit of 128 MiB")
    assert big.metrics is not None
    assert one.value == two.value is not None


@pytest.mark.parametrize("model", ALONE)
def test_a_container_within_a_limited_call_says_which_limit_it_broke(model: ThreadModel) -> None:
    """Whoever limits the call around it, the report is as clear, and the teardown has memory."""
    executor = open_executor(model, 1, memory_limit_mib=128)
    spec = container_spec(
        "it",
        {
            CLOCK: component(f"{components.HERE}:thing", raises=True),
            COORDINATOR: component(f"{components.HERE}:Glutton", mib=600),
        },
    )
    for number, each in enumerate([spec, components.adder()]):
        executor.submit(number, run_container, each)
    big, well = sorted([*executor.wait(), *executor.wait()], key=lambda done: done.number)
    executor.close()
    assert str(big.result.error).startswith("MemoryError: needed more than its limit of 128 MiB")
    assert len(big.result.teardown) == 1
    assert well.result.error is None


def test_a_container_that_kills_its_process_ends_alone() -> None:
    """Its report says how the process died; those before and after it have their values."""
    specs = [components.adder(str(n)) for n in range(6)]
    specs[2] = components.of("Dying")
    reports = run_containers(specs, Mode.BACKTEST_PARALLEL, workers=2)
    assert reports[2].error == "the worker process died with exit code 3 during this call"
    assert reports[2].metrics is None
    assert all(report.error is None for report in reports if report is not reports[2])


@pytest.mark.parametrize("model", allowed_models(Mode.OPTIMIZATION))
def test_services_that_cannot_be_opened_are_said_to_be_so(model: ThreadModel) -> None:
    """In this process the error is raised; in a worker it is the end of each container."""
    specs = [components.adder(str(n)) for n in range(3)]

    def run() -> list[ContainerReport]:
        return run_containers(
            specs, Mode.OPTIMIZATION, model=model, open_shared=components.fail_to_open
        )

    if model is ThreadModel.PROCESS_PARALLEL:
        errors = {report.error for report in run()}
        assert len(errors) == 1
        assert "initializer failed: ValueError: no books" in str(errors)
    else:
        with pytest.raises(ValueError, match="no books"):
            run()


@pytest.mark.parametrize("model", [ThreadModel.SINGLE_THREADED, ThreadModel.MULTI_THREADED])
def test_an_open_breaker_ends_the_rest_unrun(model: ThreadModel) -> None:
    """After three failures in a row what remains is not run, and says so."""
    bad = components.of("Broken")
    specs: list[ContainerSpec] = [components.adder(), bad, bad, bad, *[components.adder()] * 4]
    breaker = CircuitBreaker(3, cool_down_ns=10, now_ns=lambda: 0)
    reports = run_containers(specs, Mode.OPTIMIZATION, model=model, workers=1, breaker=breaker)
    assert reports[0].error is None
    assert all("has no Broken" in str(report.error) for report in reports[1:4])
    assert {report.error for report in reports[4:]} == {
        "not run: the circuit breaker is open after 3 failures in a row; "
        "see the reports before this one"
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_a_breaker_that_cooled_down_lets_one_try_and_then_all(workers: int) -> None:
    """Time passing between two containers is enough for the first of them to be the probe."""
    now = iter(range(10**6))
    bad = components.of("Broken")
    specs: list[Any] = [bad, bad, *[components.adder(str(n)) for n in range(4)]]
    breaker = CircuitBreaker(2, cool_down_ns=1, now_ns=lambda: next(now))
    reports = run_containers(
        specs,
        Mode.OPTIMIZATION,
        model=ThreadModel.MULTI_THREADED,
        workers=workers,
        breaker=breaker,
    )
    assert [report.error is None for report in reports] == [False, False, True, True, True, True]


def test_no_more_workers_begin_than_there_are_containers() -> None:
    """A million workers of one container are one thread, not a machine on its knees."""
    before = threading.active_count()
    (report,) = run_containers(
        [components.of("Counting")],
        Mode.BACKTEST_PARALLEL,
        model=ThreadModel.MULTI_THREADED,
        workers=1_000_000,
    )
    assert report.value == before + 1


def test_no_specs_give_no_reports() -> None:
    """Nothing to run is not an error, in any mode."""
    assert [run_containers([], mode) for mode in Mode] == [[] for _ in Mode]


def test_what_cannot_be_is_refused_before_anything_runs() -> None:
    """A mode's other models, and limits that nobody could keep."""
    with pytest.raises(ConfigError, match="backtest_parallel cannot run async_single"):
        run_containers([], Mode.BACKTEST_PARALLEL, model=ThreadModel.ASYNC_SINGLE)
    with pytest.raises(ConfigError, match="workers: 2: single_threaded runs one call at a time"):
        run_containers([], Mode.OPTIMIZATION, model=ThreadModel.SINGLE_THREADED, workers=2)
    with pytest.raises(ConfigError, match="use process_parallel"):
        run_containers([], Mode.OPTIMIZATION, model=ThreadModel.MULTI_THREADED, memory_limit_mib=10)


def test_default_workers_are_as_many_as_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one core, containers that compute run one at a time, still in another process."""
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    reports = run_containers([components.adder(), components.adder()], Mode.BACKTEST_PARALLEL)
    assert reports[0].value == reports[1].value is not None
