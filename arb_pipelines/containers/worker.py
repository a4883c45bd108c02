"""What a worker process does: one call after the other, or several on a loop, until its pipe ends.

Runs in the child. Who starts and replaces workers is in ``processes``.
"""

from __future__ import annotations

import os
import pickle
import signal
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from threading import Lock, Thread
from typing import Any

from arb_pipelines.containers.calls import Done, Setup, attempt, settled
from arb_pipelines.containers.loops import LoopThread
from arb_pipelines.containers.memory import limited
from arb_pipelines.errors import ConfigError, DataError


def packed_setup(setup: Setup) -> Setup:
    """Make a setup that can be loaded in any process, and fails there only when it is run.

    Raises:
        ConfigError: it cannot be sent to another process.
    """
    try:
        return Setup(_run_packed, (bytes(ForkingPickler.dumps(setup)),))
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"cannot be sent to a worker process: {error}", source="initializer"
        ) from None


def _run_packed(packed: bytes) -> None:
    setup: Setup = pickle.loads(packed)  # noqa: S301 - our own parent's
    if setup.initializer is not None:
        setup.initializer(*setup.initargs)


def serve_calls(pipe: Connection[Any, Any], setup: Setup, memory_limit_mib: int | None) -> None:
    """Run calls one at a time."""
    _follow_parent()
    broken = setup.run()

    def run(packed: bytes) -> bytes:
        call, argument = pickle.loads(packed)  # noqa: S301 - our own parent's
        with limited(memory_limit_mib):
            result = call(argument)
        return _pack_result(result)

    try:
        while True:
            number, packed = pipe.recv()
            pipe.send(attempt(number, run, packed, broken))
    except (EOFError, OSError):  # the parent let go, or is gone
        return


def serve_loop(pipe: Connection[Any, Any], setup: Setup) -> None:
    """Run calls side by side on one asyncio loop."""
    _follow_parent()
    sending = Lock()

    def report(done: Done) -> None:
        with sending:
            pipe.send(done)

    async def run(packed: bytes) -> bytes:
        call, argument = pickle.loads(packed)  # noqa: S301 - our own parent's
        return _pack_result(await settled(call(argument)))

    loop = LoopThread(report, setup)
    try:
        while True:
            number, packed = pipe.recv()
            loop.submit(number, run, packed)
    except (EOFError, OSError):
        os._exit(0)  # what still runs has nobody to report to


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it has, also in the middle of a call."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=end, daemon=True).start()


def _pack_result(result: object) -> bytes:
    try:
        return bytes(ForkingPickler.dumps(result))
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"the result, a {type(result).__name__}, cannot be sent back from a worker process: "
            f"{error}; return plain values"
        ) from None
