"""How a session sits in its process: its loop, and the signals that ask it to end."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


def on_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the quickest loop there is."""
    try:
        import uvloop
    except ImportError:  # not made for Windows
        return asyncio.run(main)
    return uvloop.run(main)


@contextmanager
def stopped_by_signals(stop: Callable[[str], object]) -> Iterator[None]:
    """Have SIGTERM and SIGINT call ``stop`` with their name on the loop, within the block.

    Elsewhere than in the main thread, which alone hears of signals, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        loop.add_signal_handler(number, partial(stop, signal.Signals(number).name))
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
