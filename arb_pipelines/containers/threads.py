"""Calls in threads of this process: side by side while they release the interpreter's lock."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from arb_pipelines.containers.calls import Call, Done, Setup, attempt

#: While another thread computes, one that waits without end does not hear of Ctrl-C (CPython 3.11).
LOOK_UP_S = 0.2
_Work = tuple[int, Call, Any]


class ThreadExecutor:
    """Runs calls in threads that live as long as it does.

    A thread cannot be killed: calls that run when it is closed go on to their end,
    heard by nobody. The threads are daemons, so that a process that exits (Ctrl-C)
    does not wait for them.
    """

    def __init__(self, workers: int, setup: Setup) -> None:
        self.slots = workers
        self._open = 0
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._done: SimpleQueue[Done] = SimpleQueue()
        self._threads = [
            Thread(target=_serve, args=(setup, self._work, self._done), daemon=True)
            for _ in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, number: int, call: Call, argument: Any) -> None:
        """Hand the call to the next thread that is free."""
        self._open += 1
        self._work.put((number, call, argument))

    def wait(self) -> list[Done]:
        """Block until a call has ended; [] if none is open."""
        ended = take_ended(self._done, self._open)
        self._open -= len(ended)
        return ended

    def close(self) -> None:
        """Drop the calls that have not begun; those that have end without being waited for."""
        try:
            while True:
                self._work.get_nowait()
        except Empty:
            pass
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads if not self._open else ():
            thread.join()
        self._threads.clear()
        self._open = 0


def take_ended(queue: SimpleQueue[Done], open_calls: int) -> list[Done]:
    """Take all that have ended, waiting for the first; [] if no call is open."""
    if not open_calls:
        return []
    ended: list[Done] = []
    while not ended:
        try:
            ended.append(queue.get(timeout=LOOK_UP_S))
        except Empty:
            continue
    try:
        while len(ended) < open_calls:
            ended.append(queue.get_nowait())
    except Empty:
        pass
    return ended


def _serve(setup: Setup, work: SimpleQueue[_Work | None], done: SimpleQueue[Done]) -> None:
    broken = setup.run()
    while (item := work.get()) is not None:
        done.put(attempt(*item, broken))
        del item  # an idle thread keeps no argument alive
