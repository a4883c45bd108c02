"""Who hears of all that happens in a session: journal, state, recorder, and the lake's writer.

They listen on the bus of the strategy's container. An order waits for none of them but for
its intent to be on the disk, in the journal and in the account's state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from arb_pipelines.clock import steady_ns
from arb_pipelines.containers.spec import MARKET_DATA
from arb_pipelines.execution.components import run_of, universe_of
from arb_pipelines.execution.manager import Managed, SessionManager
from arb_pipelines.execution.orders.balance_watch import BalanceWatch
from arb_pipelines.execution.records.journal import Journal
from arb_pipelines.execution.records.recorder import Gauges, SessionRecorder
from arb_pipelines.execution.records.values import Batch, SessionState
from arb_pipelines.execution.state.follower import StateFollower
from arb_pipelines.research.lake_process import SessionLake
from arb_pipelines.research.session_values import SessionProgress
from arb_pipelines.research.session_writer import SessionWriter
from arb_pipelines.turns import pauses
from arb_pipelines.venues.base import MarketData, VenueConnection

#: Longest wait for the lake when all has ended.
_LAST_WRITES_S = 60.0
_LOOK_EVERY_S = 0.02
#: How long a batch for the lake leaves the loop alone while it is busy.
_PATIENCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Listeners:
    """The listeners of one session; made by ``listen``."""

    recorder: SessionRecorder
    journal: Journal
    writer: SessionWriter
    connection: VenueConnection
    feed: MarketData
    balances: BalanceWatch

    def health(self) -> dict[str, Any]:
        """Say what is wrong with connection, symbols, balances, orders, lake; None is well."""
        wrong = [f"{part} {what}" for part, what in self.connection.health().items() if what]
        late, refused = self.recorder.late_fills, self.feed.refused
        return {
            "venue": "; ".join(wrong) or None,
            "symbols": "; ".join(f"no book of {s}: {why}" for s, why in refused.items()) or None,
            "balances": self.balances.trouble,
            "orders": f"{late} traded after they were given up" if late else None,
            "lake": self.writer.trouble,
        }

    def standing(self) -> dict[str, Any]:
        """Count what has happened."""
        counts = self.recorder.counts()
        return {
            "books": counts.books,
            "signals": counts.signals,
            "executions": sum(counts.executions.values()),
            "in_flight": counts.in_flight,
            "orders": counts.orders,
            "profit": self.recorder.profit(),
        }

    async def finish(self, state: SessionState, reason: str, latest_s: Callable[[], float]) -> None:
        """Write the last records, as long as the lake and ``latest_s`` (loop's clock) allow."""
        loop = asyncio.get_running_loop()
        self.recorder.end(state, reason)
        self.journal.note("session", state=state, reason=reason, **self.standing())
        self.writer.end()
        patience_s = loop.time() + _LAST_WRITES_S
        while self.writer.running and loop.time() < min(patience_s, latest_s()):
            await asyncio.sleep(_LOOK_EVERY_S)
        self.writer.give_up()


def listen(
    lake: SessionLake,
    folder: Path,
    manager: SessionManager,
    managed: Managed,
    follower: StateFollower,
    *,
    reconcile: bool,
    on_flush: Callable[[SessionProgress], None],
) -> Listeners:
    """Join the listeners to a strategy's bus; whoever asked closes the journal.

    With ``reconcile`` the account's balances are held to what the recorder has booked.
    """
    loop, controls, bus = asyncio.get_running_loop(), managed.controls, managed.container.bus
    head = lake.head
    journal = Journal(
        folder,
        head.cycles,
        trouble=lambda what: loop.call_soon_threadsafe(controls.stop, what),
        is_idle=manager.is_idle,
    )
    journal.note("began", **head.facts())
    watched = manager if reconcile else None
    recorder = SessionRecorder(
        head,
        wall_ns=steady_ns,
        gauges=partial(_gauges, managed, journal, watched),
        told=journal.tell,
    )
    if reconcile:
        manager.balances.add(recorder)
    bus.subscribe(object, journal.hear)  # first: an intent is written before all else
    bus.subscribe(object, follower.hear)
    bus.subscribe(object, recorder.hear)
    flush_s = universe_of(managed.container).strategy.session.flush_s
    writer = _writer(lake, recorder, manager, flush_s, on_flush)
    writer.start()
    feed: Any = managed.container.get(MARKET_DATA)  # a venue's
    return Listeners(recorder, journal, writer, manager.connection, feed, manager.balances)


def _writer(
    lake: SessionLake,
    recorder: SessionRecorder,
    manager: SessionManager,
    flush_s: float,
    on_flush: Callable[[SessionProgress], None],
) -> SessionWriter:
    def write(batch: Batch) -> None:
        lake.write(batch, pauses(manager.is_idle, _PATIENCE_S))

    def tell(batch: Batch) -> None:
        try:
            lake.copy()
        finally:
            on_flush(SessionProgress.of(batch, batch.number + 1))
            if batch.end_reason is not None:
                lake.forget()

    return SessionWriter(
        recorder.take,
        write,
        flush_s,
        prepare=partial(lake.prepare, manager.connection.markets),
        on_written=tell,
    )


def _gauges(managed: Managed, journal: Journal, watched: SessionManager | None) -> Gauges:
    """What a session's metrics tell beside what its bus does; asked from the writer's thread."""
    feed: Any = managed.container.get(MARKET_DATA)  # a venue's
    told: dict[str, float | Mapping[str, float]] = {
        "dropped": sum(feed.dropped.values()),
        "echoes": run_of(managed.container).own.echoes,
        "journal_waiting": journal.waiting,
    }
    if watched is not None:
        told["unexplained"] = watched.balances.gauge()
    return told
