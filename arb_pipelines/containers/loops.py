"""Calls on asyncio loops, each loop in a thread: side by side while they await.

A call is a coroutine function, or a plain one, which then holds its loop for as
long as it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

from arb_pipelines.containers.calls import Call, Done, Setup, attempt_on_loop
from arb_pipelines.containers.threads import LOOK_UP_S, take_ended

Report = Callable[[Done], None]


class LoopThread:
    """One asyncio loop in a daemon thread; reports each call from that thread."""

    def __init__(self, report: Report, setup: Setup) -> None:
        self._report, self._setup = report, setup
        self._broken: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, number: int, call: Call, argument: Any) -> None:
        """Start the call as a task of the loop."""
        self._loop.call_soon_threadsafe(self._start, number, call, argument)

    def close(self) -> None:
        """Cancel the calls that run, wait until they have ended, and close the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        while self._thread.is_alive():
            self._thread.join(LOOK_UP_S)

    def _serve(self) -> None:
        self._broken = self._setup.run()
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.get_loop().run_forever()
            # leaving the runner cancels what runs, waits for it, and closes the loop

    def _start(self, number: int, call: Call, argument: Any) -> None:
        task = self._loop.create_task(self._run(number, call, argument))
        self._tasks.add(task)  # the loop itself holds its tasks weakly
        task.add_done_callback(self._tasks.discard)

    async def _run(self, number: int, call: Call, argument: Any) -> None:
        self._report(await attempt_on_loop(number, call, argument, self._broken))


class LoopExecutor:
    """Runs calls on loops in threads, dealt out to the loop that has fewest."""

    def __init__(self, workers: int, loops: int, setup: Setup) -> None:
        self.slots = workers
        self._waiting: list[tuple[int, Call, Any]] = []
        self._done: SimpleQueue[Done] = SimpleQueue()
        self._loops = [LoopThread(self._done.put, setup) for _ in range(loops)]
        self._on_loop: dict[LoopThread, set[int]] = {loop: set() for loop in self._loops}

    def submit(self, number: int, call: Call, argument: Any) -> None:
        """Start the call, or let it wait for one of the ``slots``."""
        self._waiting.append((number, call, argument))
        self._deal()

    def wait(self) -> list[Done]:
        """Block until a call has ended; [] if none is open."""
        ended = take_ended(self._done, sum(map(len, self._on_loop.values())))
        for numbers in self._on_loop.values():
            numbers.difference_update(done.number for done in ended)
        self._deal()
        return ended

    def close(self) -> None:
        """Drop the calls that wait and cancel those that run."""
        self._waiting.clear()
        for loop in self._loops:
            loop.close()
        self._loops.clear()
        self._on_loop.clear()

    def _deal(self) -> None:
        while self._waiting and sum(map(len, self._on_loop.values())) < self.slots:
            loop = min(self._loops, key=lambda loop: len(self._on_loop[loop]))
            number, call, argument = self._waiting.pop(0)
            self._on_loop[loop].add(number)
            loop.submit(number, call, argument)
