"""Tasks that begin at once: what one does before it first waits is done when it has been made.

A task of asyncio begins in the next round of its loop, after whatever else is due there. What
counts in microseconds, as an order that only has to be written down and sent, begins at once
instead, as eager tasks do from Python 3.12 on.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task  # documented for other kinds of tasks
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any, TypeVar

T = TypeVar("T")


def begin_now(
    tasks: asyncio.TaskGroup, coroutine: Coroutine[Any, Any, T], *, name: str | None = None
) -> asyncio.Task[T]:
    """Make a task of a group, and run it up to where it first waits.

    What it raises before it waits is raised in the task, as if it came later. Within a
    coroutine or a callback of the group's loop.
    """
    begun, context = _Begun(coroutine), copy_context()
    task = tasks.create_task(begun, name=name, context=context)
    loop, running = task.get_loop(), asyncio.current_task()
    if running is not None:
        _leave_task(loop, running)
    _enter_task(loop, task)
    try:
        context.run(begun.begin)
    finally:
        _leave_task(loop, task)
        if running is not None:
            _enter_task(loop, running)
    return task


class _Begun(Coroutine[Any, Any, T]):
    """A coroutine of which the first step can be made ahead of the task that asks for it."""

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._untold = False  # whether what the first step came to is still to be told
        self._waits_for: Any = None
        self._end: BaseException | None = None

    def begin(self) -> None:
        """Make the first step; what comes of it is kept for the task."""
        self._untold = True
        try:
            self._waits_for = self._coroutine.send(None)
        except BaseException as end:  # noqa: BLE001 - its end, which the task shall see
            self._end = end
        else:
            _mark(self._waits_for, handed_over=False)  # others may wait for it before the task does

    def send(self, value: Any) -> Any:
        """Resume, or give what the first step came to."""
        if not self._untold:
            return self._coroutine.send(value)
        self._untold = False
        if self._end is not None:
            self._raise_end()
        future, self._waits_for = self._waits_for, None
        _mark(future, handed_over=True)
        return future

    def throw(self, *error: Any) -> Any:
        """Resume by an error; a first step that ended it has ended it."""
        future, self._untold, self._waits_for = self._waits_for, False, None
        if future is not None:  # a task that runs would cancel it
            future.cancel()
        if self._end is not None:
            self._raise_end()
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """Close it."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    def _raise_end(self) -> None:
        """Raise its end, once; an error that its own traceback led to would be garbage."""
        end, self._end = self._end, None
        try:
            assert end is not None
            raise end
        finally:
            del end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)  # cr_frame and the like, for who debugs tasks


def _mark(future: Any, *, handed_over: bool) -> None:
    """Say of a future whether whoever awaits it is handing it to his task at this moment."""
    if hasattr(future, "_asyncio_future_blocking"):
        future._asyncio_future_blocking = handed_over
