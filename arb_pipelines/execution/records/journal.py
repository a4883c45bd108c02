"""The journal of a session: an order's intent before it leaves, everything else soon after.

An intent is written through to the system in the session's loop: a process that is killed
leaves no order at the venue that its journal does not name. All else is queued, and a thread
writes it a tenth of a second later, or two while the loop is busy; it survives the process only
then. Nothing here
survives the loss of power but what the system has put on its disk.

When the disk is full, ``trouble`` hears of it, and whoever it belongs to takes no more
signals. What is in flight settles: a reserve on the disk is given up for its intents, and
the rest waits in memory for room. An intent that finds no room either keeps its order here.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from arb_pipelines.clock import NS_PER_S, now_ns
from arb_pipelines.errors import Transient
from arb_pipelines.execution.orders.given_up import LateFill
from arb_pipelines.execution.records.journal_lines import (
    EVENTS,
    event_line,
    late_line,
    object_line,
    opportunity_line,
    refusal_line,
    refusals_line,
)
from arb_pipelines.execution.records.reserve import Reserve
from arb_pipelines.execution.records.rolling_file import RollingFile, Write
from arb_pipelines.execution.records.values import ExecutionRecord
from arb_pipelines.execution.signals.intake import SignalRefused
from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.trading.events import Approved, CycleSignal, Refused
from arb_pipelines.turns import Pause, brief_pause, pauses
from arb_pipelines.venues.base import NewOrder

#: Gives the bytes of a line, newline included; called by the thread that writes it.
Line = Callable[[], bytes]

JOURNAL, LOG, RESERVE = "journal.ndjson", "session.log", "journal.reserve"
#: Files go on in another beyond this size.
MAX_BYTES = 64 << 20
#: Room on the disk for some 1,000 intents.
RESERVE_BYTES = 256 << 10
#: The thread wakes so often, and leaves the loop alone for so long.
_EVERY_S, _PATIENCE_S = 0.1, 0.1
#: It writes so many lines at once, more if many wait, and then lets the loop have the
#: interpreter's lock: a line takes some 3 µs.
_LINES_AT_ONCE, _SHARE_AT_ONCE = 8, 1 / 32
#: Refusals of a strategy's own signals are told summed up, at most so often.
_SUM_UP_EVERY_NS = NS_PER_S
#: With more waiting than this the disk is too slow to go on.
_MOST_WAITING = 100_000


class Journal:
    """Journal and log of one session in ``folder``; ``cycles`` names what reports number.

    ``hear`` belongs on the session's bus, ``tell`` hears of executions that have ended.
    ``trouble`` is called, from either thread, with what is wrong with the disk; ``is_idle``, by
    the other thread, tells whether the loop has time for it.
    """

    def __init__(
        self,
        folder: Path,
        cycles: CycleSet,
        *,
        trouble: Callable[[str], object],
        is_idle: Callable[[], bool] = lambda: True,
        wall_ns: Callable[[], int] = now_ns,
        max_bytes: int = MAX_BYTES,
        write: Write = os.write,
    ) -> None:
        self._cycles, self._trouble, self._wall_ns = cycles, trouble, wall_ns
        self._is_idle = is_idle
        self._journal = RollingFile(folder / JOURNAL, max_bytes, write=write)
        self._events = _Outlet(self._journal)
        self._log = _Outlet(RollingFile(folder / LOG, max_bytes, write=write))
        self._reserve = Reserve(folder / RESERVE, RESERVE_BYTES)
        self._named: set[int] = set()
        self._refused: Counter[str] = Counter()
        self._summed_up_ns = wall_ns()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Lines that are not on the disk yet."""
        return len(self._events.queue) + len(self._log.queue)

    def hear(self, event: object) -> None:
        """Take in one event of the bus; an order's intent is on the disk when this returns.

        Raises:
            Transient: the intent could not be written; the order must not leave.
        """
        if type(event) not in EVENTS:
            return
        ts = self._wall_ns()
        if isinstance(event, NewOrder):
            self._intend(ts, event)
        elif isinstance(event, Refused) and _is_own(event):
            self._refused[event.reason] += 1
            if ts - self._summed_up_ns >= _SUM_UP_EVERY_NS:
                self._sum_up(ts)
        else:
            if isinstance(event, Approved):
                self._name(event)
            self._put(self._events, partial(event_line, ts, event))
            if isinstance(event, SignalRefused):
                self._put(self._log, partial(refusal_line, ts, event))
            elif isinstance(event, LateFill):
                self._put(self._log, partial(late_line, ts, event))

    def tell(self, record: ExecutionRecord) -> None:
        """Have the log say what came of an opportunity."""
        self._put(self._log, partial(opportunity_line, record, self._cycles))

    def note(self, name: str, **facts: Any) -> None:
        """Write down something that is no event of the bus."""
        self._put(self._events, partial(object_line, self._wall_ns(), name, facts))

    def close(self) -> int:
        """Write what waits, and close; give how many lines found no room."""
        self._sum_up(self._wall_ns())
        self._stop.set()
        self._thread.join()
        if not self._write_waiting(brief_pause):
            self._reserve.give_up()
            self._write_waiting(brief_pause)
        self._reserve.give_up()
        for outlet in (self._events, self._log):
            outlet.file.close()
        return self.waiting

    def _put(self, outlet: _Outlet, line: Line) -> None:
        outlet.queue.append(line)
        if len(outlet.queue) == _MOST_WAITING:
            self._trouble(f"{_MOST_WAITING} lines wait to be written: the disk is too slow")

    def _intend(self, ts: int, order: NewOrder) -> None:
        line = event_line(ts, order)
        try:
            self._journal.append(line)
            return
        except OSError as error:
            self._trouble(_said(error))
        self._reserve.give_up()
        try:
            self._journal.append(line)
        except OSError as error:
            raise Transient(f"order {order.client_id} stays here: {_said(error)}") from None

    def _name(self, approved: Approved) -> None:
        """Say once which cycle a number stands for."""
        signal = approved.signal
        if isinstance(signal, CycleSignal) and signal.cycle not in self._named:
            self._named.add(signal.cycle)
            self.note("cycle_named", cycle=signal.cycle, key=self._cycles.key(signal.cycle))

    def _sum_up(self, ts: int) -> None:
        """Say in one line how many signals were refused since the last time."""
        self._summed_up_ns = ts
        refused, self._refused = self._refused, Counter()
        if refused:
            self._put(self._events, partial(object_line, ts, "refusals", refused))
            self._put(self._log, partial(refusals_line, ts, refused))

    # -- the thread --------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            self._write_waiting(pauses(self._is_idle, _PATIENCE_S))

    def _write_waiting(self, pause: Pause) -> bool:
        """Write what waits; whether there was room for all of it."""
        try:
            for outlet in (self._events, self._log):
                while outlet.queue:
                    pause()
                    outlet.write_some()
        except OSError as error:
            self._trouble(_said(error))
            return False
        return True


class _Outlet:
    """Lines on their way to a file: one thread puts them, another writes them."""

    def __init__(self, file: RollingFile) -> None:
        self.file = file
        self.queue: deque[Line] = deque()

    def write_some(self) -> None:
        """Write the first of what waits. What finds no room waits on.

        Raises:
            OSError: the disk is full, or fails.
        """
        waiting = len(self.queue)
        most = max(_LINES_AT_ONCE, int(waiting * _SHARE_AT_ONCE))
        some = [self.queue[k] for k in range(min(waiting, most))]
        self.file.append(b"".join(line() for line in some))
        for _ in some:
            self.queue.popleft()


def _said(error: OSError) -> str:
    return f"the journal cannot be written: {error.strerror}; make room on its disk"


def _is_own(refused: Refused) -> bool:
    """Whether nobody outside waits to hear of it."""
    signal = refused.signal
    return not (isinstance(signal, CycleSignal) and signal.correlation_id is not None)
