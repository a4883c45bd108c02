"""Proof that containers do not touch each other, whatever is in them, however they are spread."""

from __future__ import annotations

import gc
import os
import pickle
import random
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

from arb_pipelines.backtest.kernel import run_kernel
from arb_pipelines.backtest.records import Outcome
from arb_pipelines.backtest.reference import run_reference
from arb_pipelines.backtest.scenario import prepare
from arb_pipelines.containers.bus import EventBus, Subscription
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.modes import Mode, ThreadModel
from arb_pipelines.containers.runner import ContainerReport, run_container, run_containers
from arb_pipelines.containers.shared import SharedServices
from arb_pipelines.containers.spec import ContainerSpec
from arb_pipelines.trading.parameters import Strategy
from tests.fakes import components
from tests.fakes.backtest_worlds import random_world

TRIALS = 200
PARALLEL = Mode.BACKTEST_PARALLEL


def bits(report: ContainerReport) -> Any:
    """All that a run came to but the time it took, exactly."""
    assert report.error is None, report.error
    assert report.metrics is not None
    value, metrics = report.value, report.metrics
    if isinstance(value, Outcome):
        arrays = (value.trades, value.legs, value.signals, value.refused)
        value = (value.updates, *(array.tobytes() for array in arrays))
    figures = (metrics.final_value, metrics.max_drawdown, metrics.sharpe)
    counts = (metrics.events, metrics.orders, metrics.fills)
    return report.name, pickle.dumps((value, figures, counts)), report.teardown


def run(specs: list[ContainerSpec], model: ThreadModel) -> dict[str, Any]:
    reports = run_containers(
        specs, PARALLEL, model=model, workers=None, open_shared=components.open_services
    )
    return {report.name: bits(report) for report in reports}


@pytest.fixture(scope="module")
def trials() -> list[ContainerSpec]:
    return components.trials(TRIALS)


@pytest.fixture(scope="module")
def one_by_one(trials: list[ContainerSpec]) -> dict[str, Any]:
    """What each trial comes to in one process, in order."""
    found = run(trials, ThreadModel.SINGLE_THREADED)
    assert len(found) == TRIALS
    assert len({outcome for _, outcome, _ in found.values()}) > TRIALS * 0.9
    return found


@pytest.mark.parametrize("model", [ThreadModel.MULTI_THREADED, ThreadModel.PROCESS_PARALLEL])
def test_trials_are_bit_identical_in_threads_and_processes(
    model: ThreadModel, trials: list[ContainerSpec], one_by_one: dict[str, Any]
) -> None:
    """200 trials of mixed kinds and parameters come to the same, however they are spread."""
    assert run(trials, model) == one_by_one


@pytest.mark.parametrize("model", [ThreadModel.SINGLE_THREADED, ThreadModel.MULTI_THREADED])
def test_trials_are_bit_identical_in_any_order(
    model: ThreadModel, trials: list[ContainerSpec], one_by_one: dict[str, Any]
) -> None:
    """Nothing of a trial depends on those that ran before it in the same process."""
    shuffled = random.Random(5).sample(trials, TRIALS)
    assert shuffled != trials
    assert run(shuffled, model) == one_by_one


def test_a_container_gives_what_the_engines_give(one_by_one: dict[str, Any]) -> None:
    """The cycle components in a container are the reference engine and the kernel, bit for bit."""
    world = random_world(components.WORLD, updates=60, depth=3)
    shared = SharedServices(components.open_services())
    for spec in components.trials(16):
        if not spec.name.startswith("cycles"):
            continue
        params = Strategy.model_validate_json(spec.components[0][1].params)
        cycles = world.scenario.cycles
        scenario = prepare(params, world.markets, cycles, components.DAY)
        outcome = run_container(spec, shared).value
        for engine in (run_reference, run_kernel):
            expected = engine(scenario, [world.books])
            assert len(expected.trades)
            for name in ("trades", "legs", "signals", "refused"):
                assert np.array_equal(getattr(outcome, name), getattr(expected, name)), name


@pytest.mark.parametrize("model", [ThreadModel.SINGLE_THREADED, ThreadModel.MULTI_THREADED])
def test_hostile_containers_harm_nobody(
    model: ThreadModel, trials: list[ContainerSpec], one_by_one: dict[str, Any]
) -> None:
    """Writing to shared books, leaking, raising anything anywhere stays a line of one's own."""
    well = trials[:40]
    evil = components.hostile_specs()
    mixed = [spec for pair in zip(well, evil * 5, strict=False) for spec in pair]
    reports = run_containers(mixed, PARALLEL, model=model, open_shared=components.open_services)
    for report in reports:
        if report.name.startswith("hostile"):
            assert (report.error is None) == (report.name == "hostile_leak"), report
            assert len(report.teardown) == 1
            assert "Evil: in teardown" in report.teardown[0]
        else:
            assert bits(report) == one_by_one[report.name]
    components.forget_leaks()


def test_a_thousand_containers_leave_nothing_behind() -> None:
    """Memory, objects, threads, open files and subscriptions are what they were before them."""
    shared = SharedServices(components.open_services())
    small = [components.adder(seed=seed) for seed in range(24)]
    specs = [*components.trials(4), *components.hostile_specs()[:4], *small]

    def run_some(count: int) -> None:
        for number in range(count):
            run_container(specs[number % len(specs)], shared)
        components.forget_leaks()

    run_some(32)  # what is imported, compiled and cached once
    before = resources()
    tracemalloc.start()
    run_some(64)
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    run_some(1_000)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - used
    tracemalloc.stop()
    assert resources() == before
    assert grown < 256 * 1024  # a quarter of a KiB each; a container kept alive would be several


def resources() -> dict[str, int]:
    """What could leak, counted."""
    gc.collect()
    kinds = (Container, EventBus, Subscription)
    living = gc.get_objects()
    return {
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208
        **{kind.__name__: sum(type(one) is kind for one in living) for kind in kinds},
    }
