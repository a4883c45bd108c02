"""The process that writes to the lake for the sessions of this one.

Making rows and committing them is Python's work for most of its time, and would keep the
interpreter's lock from the loop that trades, for milliseconds at a time. Here it is done by
one child, for all sessions of an account: a lake takes one commit at a time anyway, and a
second child would cost its memory again. It is no ``containers`` executor, whose workers
import this process's main module (Dagster, in a run), and die of the SIGTERM that a whole
service is stopped by.

A child that dies (out of memory, killed) fails what it was asked, and the next call starts
another. Why nothing is written once this process is gone is in ``lake_scribe``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from arb_pipelines.errors import ArbError
from arb_pipelines.execution.records.values import Batch, SessionHead
from arb_pipelines.market.symbols import Market
from arb_pipelines.research.lake_child import Asked
from arb_pipelines.research.record_packing import packed_batch, packed_markets, packed_value
from arb_pipelines.research.state_files import StateFile
from arb_pipelines.settings import Settings
from arb_pipelines.turns import Pause, brief_pause

#: Longest wait for a child that has nothing left to do.
_END_S = 5.0
#: After so many writes another child goes on, and what libraries keep is given back.
_WRITES = 2_000


@dataclass(slots=True, eq=False)
class _Child:
    """A child that runs, and the sessions it knows."""

    process: subprocess.Popen[bytes]
    pipe: Connection[Any, Any]
    sessions: set[int] = field(default_factory=set)
    written: int = 0

    def ask(self, session: int, what: str, pieces: Sequence[bytes]) -> None:
        """Have it do something; waits without the interpreter's lock.

        Raises:
            ArbError: it could not, with its reason.
            OSError, EOFError: it is dead.
        """
        self.pipe.send_bytes(msgspec.msgpack.encode(Asked(session, what, len(pieces))))
        for piece in pieces:
            self.pipe.send_bytes(piece)
        wrong = self.pipe.recv_bytes()
        if wrong:
            raise ArbError(wrong.decode())

    def bury(self) -> str:
        """See that it is gone; say how it ended."""
        self.process.kill()  # it may have closed its pipe and live
        code = self.process.wait()
        self.pipe.close()
        how = f"of {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        hint = "; was it out of memory?" if code == -signal.SIGKILL else ""
        return f"the process that writes to the lake died {how}{hint}"


class LakeProcess:
    """Has one child write to the lake; may be asked from several threads, one after the other."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._asking = threading.Lock()
        self._child: _Child | None = None
        self._closed = threading.Event()
        self._numbers = count()

    @property
    def pid(self) -> int | None:
        """The child's, while there is one."""
        child = self._child
        return None if child is None else child.process.pid

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have the child start now, and end with the block; what it is at then is cut off."""
        with suppress(OSError):  # whoever asks first tries again, and is told
            self._child = _started(self.settings)
        try:
            yield
        finally:
            self._closed.set()
            if self._asking.acquire(blocking=False):
                self._end()
                self._asking.release()
            elif (child := self._child) is not None:
                child.process.kill()  # who waits for it hears of it, and buries it

    def session(self, head: SessionHead, file: StateFile) -> SessionLake:
        """Give what writes for one session, whose cycles are written down in ``file``."""
        return SessionLake(self, next(self._numbers), head, file)

    def ask(self, session: SessionLake, what: str, pieces: Sequence[bytes] = ()) -> None:
        """Have the child do something for a session, which it is told of before the first.

        Raises:
            ArbError: it could not, or died meanwhile.
            OSError: it cannot be started.
        """
        with self._asking:
            if self._closed.is_set():
                raise ArbError("nothing is written to the lake any more: its process has ended")
            if self._child is not None and self._child.written >= _WRITES:
                self._end()
            child = self._child = self._child or _started(self.settings)
            child.written += what == "write"
            try:
                if session.number not in child.sessions:
                    child.ask(session.number, "open", packed_value((session.head, session.file)))
                    child.sessions.add(session.number)
                child.ask(session.number, what, pieces)
            except ArbError:  # it answered
                raise
            except (OSError, EOFError):
                self._child = None
                raise ArbError(child.bury()) from None
            except BaseException:  # its answer would be taken for that to the next question
                self._child = None
                child.bury()
                raise
            finally:
                if self._closed.is_set():
                    self._end()

    def forget(self, session: SessionLake) -> None:
        """Have the child keep nothing of a session.

        Raises:
            ArbError: it died meanwhile.
        """
        self.ask(session, "forget")
        if self._child is not None:
            self._child.sessions.discard(session.number)

    def _end(self) -> None:
        """Let the child end by itself, if there is one, and see that it does."""
        child, self._child = self._child, None
        if child is not None:
            child.pipe.close()
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(_END_S)
            child.bury()


@dataclass(frozen=True, slots=True, eq=False)
class SessionLake:
    """Writes one session's records by the child of its process; all raise what ``ask`` does."""

    process: LakeProcess
    number: int
    head: SessionHead
    file: StateFile

    def prepare(self, markets: Sequence[Market]) -> None:
        """Store the venue's markets of the session's first day."""
        self.process.ask(self, "prepare", packed_markets(markets))

    def write(self, batch: Batch, pause: Pause = brief_pause) -> None:
        """Commit a batch, whole or not at all; writing it again changes nothing.

        ``pause`` comes before each few of its records are made ready.
        """
        self.process.ask(self, "write", packed_batch(batch, pause))

    def copy(self) -> None:
        """Copy the cycles that have ended from their state file."""
        self.process.ask(self, "copy")

    def forget(self) -> None:
        """Be done, unless something is asked again."""
        self.process.forget(self)


def _started(settings: Settings) -> _Child:
    ours, theirs = Pipe()
    with theirs:  # closed here, so that the child's death ends the pipe
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            # -P: whatever lies in the current folder is no module of ours
            [sys.executable, "-P", "-m", "arb_pipelines.research.lake_child", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a command's result goes there
            start_new_session=True,  # Ctrl-C is for who has a session to end
        )
    with suppress(OSError):  # if it is dead already, who asks it finds out
        ours.send((settings, os.getpid()))
    return _Child(process, ours)
