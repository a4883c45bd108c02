"""What is written to the lake for sessions, in the process that does so (``lake_child``).

*Nothing is written once the sessions' process is gone*, so nothing over what a later start has
told since, or who marked a session as lost. A commit asks last of all, within the lake's lock,
whether that process is still our parent, and is undone if not. If it is, a later start begins
only after that, and its first commit waits for the lock: it comes after ours, and its rows
replace them. The end of the pipe alone does not do: a process that gets no time from its
system may be in the middle of a commit long after.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from arb_pipelines import logs
from arb_pipelines.clock import day_of
from arb_pipelines.execution.records.values import SessionHead
from arb_pipelines.lake.maintenance import flush
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction
from arb_pipelines.research.record_packing import (
    unpacked_batch,
    unpacked_markets,
    unpacked_value,
)
from arb_pipelines.research.session_tables import write_batch
from arb_pipelines.research.state_tables import StateCopier
from arb_pipelines.settings import Settings

T = TypeVar("T")

#: Rows of ours that may wait in the catalog: whoever reads them there takes three times as long
#: as in a file.
_WAITING = 5_000


class OwnedLake(Lake):
    """A lake that takes no commit once the process ``owner`` is not our parent any more.

    It uses one thread: a batch's rows are few, so more make nothing quicker, and want the core
    that trades.
    """

    uses = 50  # each commit adds 0.1 MiB to what an instance keeps

    def __init__(self, settings: Settings, owner: int) -> None:
        super().__init__(settings.model_copy(update={"lake_threads": 1}))
        self._owner = owner

    def commit(self, work: Callable[[Transaction], T], *, attempts: int = 12) -> T:
        """Run ``work`` in one transaction and commit it, or end this process."""

        def owned(transaction: Transaction) -> T:
            result = work(transaction)
            if os.getppid() != self._owner:
                raise SystemExit(1)
            return result

        return super().commit(owned, attempts=attempts)


@dataclass(frozen=True, slots=True)
class _Session:
    head: SessionHead
    copier: StateCopier


class Scribe:
    """Writes for the sessions of the process ``owner``, which numbers them."""

    def __init__(self, settings: Settings, owner: int) -> None:
        logs.configure(settings)
        self._lake = OwnedLake(settings, owner)
        self._sessions: dict[int, _Session] = {}
        self._waiting = 0

    def do(self, session: int, what: str, pieces: Sequence[bytes]) -> str:
        """Do what a ``SessionLake`` asks; give why it failed, or nothing."""
        try:
            if what == "open":
                head, file = unpacked_value(pieces)
                self._sessions[session] = _Session(head, StateCopier(self._lake, file))
            elif what == "forget":
                del self._sessions[session]
            else:
                self._write(self._sessions[session], what, pieces)
        except Exception as error:  # noqa: BLE001 - the edge of the process: who asked is told
            return str(error) or type(error).__name__
        return ""

    def _write(self, session: _Session, what: str, pieces: Sequence[bytes]) -> None:
        head = session.head
        if what == "prepare":
            day = day_of(head.ts_started)
            store_markets(self._lake, head.venue, day, unpacked_markets(pieces), list_day=day)
        elif what == "write":
            self._waiting += sum(write_batch(self._lake, unpacked_batch(head, pieces)).values())
        elif what == "copy":
            self._waiting += session.copier.copy().rows
        else:
            raise ValueError(f"nothing is known of {what}")
        if self._waiting >= _WAITING:
            flush(self._lake)
            self._waiting = 0
