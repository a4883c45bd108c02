"""The points at which an engine can die, found in the engine as it runs.

A point is a place at which a coroutine of ours is suspended or resumed, a transaction of the
state file before or after it is committed, or an order's intent in a log. It is named by
the innermost frames of our package, so that an await that is new is a point without anybody
listing it. In a recording run each is written down as it is passed; in a killing run the
process kills itself at one of them, at once and by SIGKILL.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

PLAN, PASSED = "torture-plan.json", "torture-passed.txt"
#: So many frames name a point: where it is, and who called.
_FRAMES = 2
_PACKAGE = f"{os.sep}arb_pipelines{os.sep}"


class Watcher:
    """Counts the points that this process passes once it is armed, and dies at the planned one.

    ``folder`` has the plan: ``{"when": "signal"}`` records, ``{"when": "start", "at": name,
    "occurrence": 2}`` kills; a name that ends with ``*`` is that of all that begin so. Which
    points were passed is in a file there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: Counter[str] = Counter()
        self._at: tuple[str, int] | None = None
        self._passed: int | None = None

    @property
    def armed(self) -> bool:
        """Whether points count."""
        return self._passed is not None

    def arm(self, when: str) -> None:
        """Read the plan; points count from now on if it says ``when``."""
        if self.armed:
            return
        try:
            plan = json.loads((self._folder / PLAN).read_bytes())
        except FileNotFoundError:
            return
        if plan["when"] != when:
            return
        self._at = (plan["at"], plan["occurrence"]) if "at" in plan else None
        flags = os.O_WRONLY | os.O_TRUNC | os.O_CREAT
        self._passed = os.open(self._folder / PASSED, flags, 0o600)

    def passes(self, name: str) -> None:
        """Pass a point: note it, or die of it."""
        self._counts[name] += 1
        fatal = self._at is not None and self._is_fatal(name, *self._at)
        assert self._passed is not None
        if self._at is None or fatal:
            os.write(self._passed, f"{name}#{self._counts[name]}\n".encode())
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_fatal(self, name: str, at: str, occurrence: int) -> bool:
        if not at.endswith("*"):
            return name == at and self._counts[name] == occurrence
        if not name.startswith(at[:-1]):
            return False
        alike = (count for passed, count in self._counts.items() if passed.startswith(at[:-1]))
        return sum(alike) == occurrence

    def passes_frames(self, what: str, frames: list[str]) -> None:
        """Pass a point that has frames of ours."""
        if frames:
            self.passes(f"{what} {' < '.join(frames)}")


class Watched(Coroutine[Any, Any, Any]):
    """A task's coroutine that tells of its suspensions and resumptions."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], watcher: Watcher) -> None:
        self._coroutine, self._watcher = coroutine, watcher

    def send(self, value: Any) -> Any:
        """Resume, and tell where it stops next."""
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        """Resume by an error."""
        return self._step(self._coroutine.throw, *error)

    def close(self) -> None:
        """Close it."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)  # cr_frame and the like, for who debugs tasks

    def _step(self, step: Callable[..., Any], *given: Any) -> Any:
        watcher = self._watcher
        if watcher.armed:
            watcher.passes_frames("resumed", awaiting(self._coroutine))
        future = step(*given)
        if watcher.armed:
            watcher.passes_frames("suspended", awaiting(self._coroutine))
        return future


def awaiting(coroutine: Any) -> list[str]:
    """Name the innermost frames of ours in which a coroutine waits, the innermost first."""
    found: list[str] = []
    while coroutine is not None:
        for kind, awaits in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
            frame = getattr(coroutine, f"{kind}_frame", None)
            if frame is not None:
                found += _named(frame)
                coroutine = getattr(coroutine, f"{kind}_{awaits}")
                break
        else:
            break
    return found[::-1][:_FRAMES]


def calling(frame: FrameType | None) -> list[str]:
    """Name the innermost frames of ours that called."""
    found: list[str] = []
    while frame is not None and len(found) < _FRAMES:
        found += _named(frame)
        frame = frame.f_back
    return found


def _named(frame: FrameType) -> list[str]:
    """``["orders/carrier.py:_carry:223"]``; nothing for a frame that is not ours."""
    code = frame.f_code
    _, ours, path = code.co_filename.rpartition(_PACKAGE)
    if not ours:
        return []
    return [f"{path.replace(os.sep, '/')}:{code.co_name}:{frame.f_lineno}"]


# -- in the engine's process -------------------------------------------------------------


def watch(watcher: Watcher) -> None:
    """Have every point of this process tell ``watcher``; call it before the engine's loop runs."""
    _watch_tasks(watcher)
    _watch_intents(watcher)
    _watch_commits(watcher)
    _arm_by_signals(watcher)
    watcher.arm("start")


def _watch_tasks(watcher: Watcher) -> None:
    import uvloop

    run = uvloop.run

    def make(loop: Any, coroutine: Any, **named: Any) -> asyncio.Task[Any]:
        return asyncio.Task(Watched(coroutine, watcher), loop=loop, **named)

    def new_loop() -> Any:
        loop = uvloop.new_event_loop()
        loop.set_task_factory(make)
        return loop

    def run_watched(main: Any, **named: Any) -> Any:
        return run(main, **named | {"loop_factory": new_loop})

    uvloop.run = run_watched


def _watch_intents(watcher: Watcher) -> None:
    from arb_pipelines.execution.records.journal import Journal
    from arb_pipelines.execution.state.intents import IntentLog
    from arb_pipelines.venues.base import NewOrder

    hear = Journal.hear

    def hear_watched(self: Any, event: object) -> None:
        counts = watcher.armed and isinstance(event, NewOrder)
        if counts:
            watcher.passes("before an intent in the journal")
        hear(self, event)
        if counts:
            watcher.passes("after an intent in the journal")

    add = IntentLog.add

    def add_watched(self: Any, intent: Any) -> None:
        add(self, intent)
        if watcher.armed:
            watcher.passes("after an intent in the log of intents")

    Journal.hear = hear_watched  # type: ignore[method-assign]
    IntentLog.add = add_watched  # type: ignore[method-assign]


def _watch_commits(watcher: Watcher) -> None:
    from arb_pipelines.execution.state.store import StateStore

    together, depth = StateStore.together, 0

    @contextmanager
    def together_watched(self: Any) -> Iterator[None]:
        nonlocal depth
        outermost = watcher.armed and depth == 0
        by = [name for name in calling(sys._getframe(2)) if "together" not in name]
        depth += 1
        try:
            with together(self):
                yield
                if outermost:
                    watcher.passes_frames("before the commit of", by)
        finally:
            depth -= 1
        if outermost:
            watcher.passes_frames("after the commit of", by)

    StateStore.together = together_watched  # type: ignore[method-assign]


def _arm_by_signals(watcher: Watcher) -> None:
    from arb_pipelines.execution.session import LiveSession

    on_signals = LiveSession.on_signals

    def on_signals_watched(self: Any, signals: Any) -> None:
        watcher.arm("signal")
        on_signals(self, signals)

    LiveSession.on_signals = on_signals_watched  # type: ignore[method-assign]
