"""Calls in processes of their own, which live on between calls.

The library's ``ProcessPoolExecutor`` is broken as a whole once one worker dies, and
gives up every call it was handed; that is why there is this. Here a worker that
dies (a segmentation fault, the kernel's out-of-memory killer, ``os._exit``) ends
what it ran with an error, and another takes its place.
"""

from __future__ import annotations

import pickle
import signal
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.reduction import ForkingPickler
from typing import Any

from arb_pipelines.containers.calls import Call, Done, one_line


@dataclass(slots=True, eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection[Any, Any]
    running: set[int] = field(default_factory=set)


class ProcessExecutor:
    """Runs calls in spawned processes, which inherit nothing but what they are sent.

    Calls, arguments and results are pickled: functions by their import path. A
    worker starts when a call first needs it, never sees Ctrl-C, and ends with its
    parent. A script that opens one starts under ``if __name__ == "__main__"``, since
    each worker imports it. ``serve`` is what a worker does with its pipe and ``arguments``; with
    fewer ``processes`` than ``slots`` it must take several calls at once.
    """

    def __init__(
        self,
        slots: int,
        serve: Callable[..., None],
        arguments: tuple[Any, ...],
        *,
        processes: int | None = None,
    ) -> None:
        self.slots = slots
        self._processes = processes or slots
        self._serve, self._arguments = serve, arguments
        self._spawn = get_context("spawn")
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._ended: list[Done] = []
        self._workers: list[_Worker] = []

    def submit(self, number: int, call: Call, argument: Any) -> None:
        """Send the call to a worker that is free, or let it wait for one."""
        try:
            packed = bytes(ForkingPickler.dumps((call, argument)))
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
            reason = f"the call cannot be sent to a worker process: {one_line(error)}"
            self._ended.append(Done(number, error=reason))
            return
        self._waiting.append((number, packed))
        self._deal()

    def wait(self) -> list[Done]:
        """Block until a call has ended; [] if none is open."""
        if not self._ended:
            busy = {worker.pipe: worker for worker in self._workers if worker.running}
            for pipe in wait(list(busy)) if busy else ():
                self._hear(busy[pipe])  # type: ignore[index]
        ended, self._ended = self._ended, []
        self._deal()
        return ended

    def close(self) -> None:
        """Kill the workers, whatever they are at, and wait until they are gone."""
        self._waiting.clear()
        self._ended.clear()
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            _bury(worker)
        self._workers.clear()

    def _deal(self) -> None:
        while self._waiting and (worker := self._free_worker()):
            number, packed = self._waiting[0]
            try:
                worker.pipe.send((number, packed))
            except OSError:  # it died before this call reached it: another shall have it
                self._give_up(worker)
                continue
            self._waiting.popleft()
            worker.running.add(number)

    def _free_worker(self) -> _Worker | None:
        if sum(len(worker.running) for worker in self._workers) >= self.slots:
            return None
        idlest = min(self._workers, key=lambda worker: len(worker.running), default=None)
        if idlest is None or (idlest.running and len(self._workers) < self._processes):
            return self._start()
        return idlest

    def _start(self) -> _Worker:
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(
            target=self._serve, args=(theirs, *self._arguments), daemon=True
        )
        process.start()
        theirs.close()  # so that the worker's death ends the pipe
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _hear(self, worker: _Worker) -> None:
        try:
            done: Done = worker.pipe.recv()
        except (EOFError, OSError):
            self._give_up(worker)
            return
        worker.running.discard(done.number)
        self._ended.append(_unpacked(done))

    def _give_up(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.kill()  # it may have closed its pipe and live
        why = _bury(worker)
        self._ended += [Done(number, error=why) for number in sorted(worker.running)]


def _bury(worker: _Worker) -> str:
    """Wait for a worker's end, free what it held, and say how it ended."""
    worker.process.join()
    code = worker.process.exitcode or 0
    worker.process.close()
    worker.pipe.close()
    how = f"of {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    hint = "; was it out of memory?" if code in (-signal.SIGKILL, -signal.SIGABRT) else ""
    return f"the worker process died {how} during this call{hint}"


def _unpacked(done: Done) -> Done:
    if done.error is not None:
        return done
    try:
        return Done(done.number, pickle.loads(done.result))  # noqa: S301 - our own worker's
    except Exception as error:  # noqa: BLE001 - unpickling runs code of the result's class
        return Done(done.number, error=f"the result cannot be read back: {one_line(error)}")
