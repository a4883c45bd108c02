"""One call and how it ended: what every executor hands out, and how errors become one line.

Where calls run (threads, loops, processes) belongs to the modules beside this one.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any

Call = Callable[[Any], Any]
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Done:
    """A call that ended: its number, and its result or one line on what went wrong."""

    number: int
    result: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker does once, before its first call."""

    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()

    def run(self) -> str | None:
        """Prepare this worker; give what went wrong, to be the end of each of its calls."""
        initializer = self.initializer
        if initializer is None:
            return None
        wrong = attempt(0, lambda arguments: initializer(*arguments), self.initargs).error
        return wrong and f"the worker's initializer failed: {wrong}"


def attempt(number: int, call: Call, argument: Any, broken: str | None = None) -> Done:
    """Run a call to its end, whatever that is; ``broken`` is why this worker runs none."""
    if broken is not None:
        return Done(number, error=broken)
    try:
        return Done(number, call(argument))
    except BaseException as error:  # the edge of a call, which may raise anything
        if isinstance(error, KeyboardInterrupt) and current_thread() is main_thread():
            raise  # Ctrl-C is not the call's doing
        done, exhausted = Done(number, error=one_line(error)), isinstance(error, MemoryError)
    if exhausted:
        gc.collect()  # what it filled the memory with may hang in cycles
    return done


async def attempt_on_loop(
    number: int, call: Call, argument: Any, broken: str | None = None
) -> Done:
    """As ``attempt``; a call that gives an awaitable has it awaited, and may be cancelled."""
    if broken is not None:
        return Done(number, error=broken)
    try:
        return Done(number, await settled(call(argument)))
    except BaseException as error:  # noqa: BLE001 - the edge of a call
        return Done(number, error=one_line(error))


async def settled(value: Any | Awaitable[Any]) -> Any:
    """Await what can be awaited, and give the rest as it is."""
    return await value if inspect.isawaitable(value) else value


def one_line(error: BaseException) -> str:
    """Say type, message and place of an error in one line of at most 500 characters."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the message is code of whoever raised it
        message = "(its message cannot be printed)"
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    trace = error.__traceback__
    if trace is None:
        return text
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{text} (at {Path(code.co_filename).name}:{trace.tb_lineno} in {code.co_name})"
