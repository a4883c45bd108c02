"""How a session sits in its process: its loop, and the signals that ask it to end."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from arb_pipelines.clock import now_ns
from arb_pipelines.execution.kill_switch import throw

T = TypeVar("T")
_log = structlog.get_logger()


def on_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the quickest loop there is."""
    try:
        import uvloop
    except ImportError:  # not made for Windows
        return asyncio.run(main)
    return uvloop.run(main)


@contextmanager
def stopped_by_signals(
    stop: Callable[[str], object], kill_file: Path | None = None
) -> Iterator[None]:
    """Have SIGTERM and SIGINT call ``stop`` with their name on the loop, within the block.

    With ``kill_file`` SIGUSR1 does so, too, and throws that kill switch for everybody else.
    Elsewhere than in the main thread, which alone hears of signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    calls: dict[signal.Signals, Callable[[], object]] = {
        number: partial(stop, number.name) for number in (signal.SIGTERM, signal.SIGINT)
    }
    if kill_file is not None:
        calls[signal.SIGUSR1] = partial(_kill, stop, kill_file)
    before = {number: signal.getsignal(number) for number in calls}
    for number, call in calls.items():
        loop.add_signal_handler(number, call)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _kill(stop: Callable[[str], object], file: Path) -> None:
    """Stop what runs here at once, then throw the switch for all, where the disk takes a file."""
    stop("kill switch: SIGUSR1")
    try:
        throw(file, who=f"process {os.getpid()}", reason="SIGUSR1", now_ns=now_ns())
    except OSError as error:
        _log.error("kill_switch.not_written", file=str(file), error=str(error))
