"""Running many calls at once, and hearing of each as it ends.

The one way trials and containers are spread over threads, processes or a cluster.
What is run, and in which order results count, belongs to the caller.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol, assert_never

from arb_pipelines.containers.calls import Done, Setup
from arb_pipelines.containers.loops import LoopExecutor
from arb_pipelines.containers.memory import check_limit
from arb_pipelines.containers.modes import ThreadModel
from arb_pipelines.containers.processes import ProcessExecutor
from arb_pipelines.containers.serial import SerialExecutor
from arb_pipelines.containers.threads import ThreadExecutor
from arb_pipelines.containers.worker import packed_setup, serve_calls, serve_loop
from arb_pipelines.errors import ConfigError

__all__ = ["Done", "Executor", "open_executor"]


class Executor(Protocol):
    """Runs up to ``slots`` calls at once; further ones wait in order. For one thread's use."""

    slots: int

    def submit(self, number: int, call: Callable[[Any], Any], argument: Any) -> None:
        """Run ``call(argument)`` and report it under ``number``, unique among open calls."""
        ...

    def wait(self) -> list[Done]:
        """Block until at least one call has ended; give all that have. [] if none is open."""
        ...

    def close(self) -> None:
        """Stop the calls that have not ended, and leave nothing running."""
        ...


def open_executor(
    model: ThreadModel,
    workers: int,
    *,
    memory_limit_mib: int | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
) -> Executor:
    """Open what runs calls as a thread model says; whoever opens it closes it.

    ``workers`` is how many calls run at once. Loops and their processes are as many
    as the machine has cores, at most one a call. ``initializer(*initargs)`` runs once
    in each thread or process before its first call; if it fails, so does each call.
    ``memory_limit_mib`` is what each call may add to its process (``memory.limited``).

    Raises:
        ConfigError: fewer than one worker or more than one of SINGLE_THREADED; a
            memory limit where calls share a process or the system does not enforce it.
    """
    check_workers(model, workers)
    check_memory_limit(model, memory_limit_mib)
    setup = Setup(initializer, initargs)
    cores = min(workers, os.cpu_count() or 1)
    match model:
        case ThreadModel.SINGLE_THREADED:
            return SerialExecutor(setup, memory_limit_mib)
        case ThreadModel.MULTI_THREADED:
            return ThreadExecutor(workers, setup)
        case ThreadModel.PROCESS_PARALLEL:
            return ProcessExecutor(workers, serve_calls, (packed_setup(setup), memory_limit_mib))
        case ThreadModel.ASYNC_SINGLE:
            return LoopExecutor(workers, 1, setup)
        case ThreadModel.ASYNC_MULTI:
            return LoopExecutor(workers, cores, setup)
        case ThreadModel.MIXED:
            arguments = (packed_setup(setup),)
            return ProcessExecutor(workers, serve_loop, arguments, processes=cores)
        case _:
            assert_never(model)


def check_workers(model: ThreadModel, workers: int) -> None:
    """Refuse a number of workers that the model cannot have.

    Raises:
        ConfigError: fewer than one, or more than one of SINGLE_THREADED.
    """
    if workers < 1:
        raise ConfigError(f"{workers}: give at least 1", source="workers")
    if workers > 1 and model is ThreadModel.SINGLE_THREADED:
        raise ConfigError(
            f"{workers}: {model} runs one call at a time; "
            f"use {ThreadModel.PROCESS_PARALLEL} for more",
            source="workers",
        )


def check_memory_limit(model: ThreadModel, limit_mib: int | None) -> None:
    """Refuse a memory limit for each call where calls share a process; None is no limit.

    Raises:
        ConfigError: the model runs several calls in one process, or as ``memory.check_limit``.
    """
    if limit_mib is None:
        return
    if model not in (ThreadModel.SINGLE_THREADED, ThreadModel.PROCESS_PARALLEL):
        raise ConfigError(
            f"{model} runs several containers in one process, whose memory cannot be told "
            f"apart; use {ThreadModel.PROCESS_PARALLEL}",
            source="memory_limit_mib",
        )
    check_limit(limit_mib)
