"""What a container is run for, how its containers share the machine, and which goes with which."""

from __future__ import annotations

from enum import StrEnum

from arb_pipelines.errors import ConfigError


class Mode(StrEnum):
    """What containers are run for."""

    BACKTEST_SINGLE = "backtest_single"  # one backtest
    BACKTEST_PARALLEL = "backtest_parallel"  # many independent ones
    OPTIMIZATION = "optimization"  # trials of a study
    LIVE_TRADING = "live_trading"  # a session against a venue
    PAPER_TRADING = "paper_trading"  # the same against simulated fills
    REPLAY = "replay"  # a recorded session, again


class ThreadModel(StrEnum):
    """How running containers share processes, threads and event loops."""

    SINGLE_THREADED = "single_threaded"  # one after the other, in the caller's thread
    MULTI_THREADED = "multi_threaded"  # threads of one process
    PROCESS_PARALLEL = "process_parallel"  # processes, one container at a time in each
    ASYNC_SINGLE = "async_single"  # interleaved on one asyncio loop
    ASYNC_MULTI = "async_multi"  # on several loops, each in a thread
    MIXED = "mixed"  # on several loops, each in a process


_COMPUTING = (
    ThreadModel.PROCESS_PARALLEL,
    ThreadModel.MULTI_THREADED,
    ThreadModel.SINGLE_THREADED,
)
_WAITING = (ThreadModel.ASYNC_SINGLE, ThreadModel.ASYNC_MULTI, ThreadModel.MIXED)
_NEVER_AWAITS = "it computes and never awaits, so that containers on a loop would run in turn"
_AWAITS = "it waits for the network, which belongs on an asyncio loop"

#: Thread models of each mode, its default first, and why there are no others.
_ALLOWED: dict[Mode, tuple[tuple[ThreadModel, ...], str]] = {
    Mode.BACKTEST_SINGLE: (
        (ThreadModel.SINGLE_THREADED, ThreadModel.PROCESS_PARALLEL),
        "it is one container, which runs here or in a process of its own",
    ),
    Mode.BACKTEST_PARALLEL: (_COMPUTING, _NEVER_AWAITS),
    Mode.OPTIMIZATION: (_COMPUTING, _NEVER_AWAITS),
    Mode.LIVE_TRADING: (_WAITING, _AWAITS),
    Mode.PAPER_TRADING: (_WAITING, _AWAITS),
    Mode.REPLAY: (
        (ThreadModel.SINGLE_THREADED, ThreadModel.ASYNC_SINGLE),
        "it repeats one sequence of events, whose order several threads would lose",
    ),
}


def allowed_models(mode: Mode) -> tuple[ThreadModel, ...]:
    """Give the thread models that make sense for a mode, its default first."""
    return _ALLOWED[mode][0]


def thread_model(mode: Mode, asked: ThreadModel | None = None) -> ThreadModel:
    """Choose the thread model: the one asked for, or the mode's default.

    Raises:
        ConfigError: the model makes no sense for the mode; says why, and which do.
    """
    models, reason = _ALLOWED[mode]
    if asked is None:
        return models[0]
    if asked not in models:
        raise ConfigError(
            f"{mode} cannot run {asked}: {reason}; use {' or '.join(models)}",
            source="thread_model",
        )
    return asked
