"""Running one session: from a request to what came of it.

Opens the venue, puts the strategy's container on it, and has everything that listens listen:
journal, records to the lake, heartbeat, limits, people at the controls. What is decided
belongs to ``trading``, how orders travel to ``execution``; asking for sessions, to
``session_requests``.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from arb_pipelines.clock import day_of, now_ns
from arb_pipelines.errors import ArbError, ConfigError
from arb_pipelines.execution.components import strategy_spec, universe_of
from arb_pipelines.execution.control import open_control
from arb_pipelines.execution.heartbeat import beat, beating
from arb_pipelines.execution.journal import Journal
from arb_pipelines.execution.limits import found_kill_file, kill_files, watch_kill_files
from arb_pipelines.execution.locks import held
from arb_pipelines.execution.manager import Managed, SessionManager, managing
from arb_pipelines.execution.recorder import SessionRecorder
from arb_pipelines.execution.records import Batch, SessionHead, SessionState
from arb_pipelines.execution.switches import Permission, check_key, permission
from arb_pipelines.execution.warm_up import warm_up
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.session_process import on_loop, stopped_by_signals
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.research.session_spent import spent_before
from arb_pipelines.research.session_tables import write_batch
from arb_pipelines.research.session_values import SessionProgress, SessionSummary
from arb_pipelines.research.session_writer import SessionWriter
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.strategy import load_strategy
from arb_pipelines.venues.base import VenueConnection
from arb_pipelines.venues.opening import open_venue
from arb_pipelines.venues.tasks import first_error

__all__ = ["SessionProgress", "SessionRequest", "SessionSummary", "run_session"]

#: Longest wait for the lake when all has ended.
_LAST_WRITES_S = 60.0
#: Once the process is asked to end: time for what is in flight, and until it is over.
_SETTLE_S, _END_S = 7.0, 9.0
_LOOK_EVERY_S = 0.02


def run_session(
    lake: Lake,
    request: SessionRequest,
    *,
    on_flush: Callable[[SessionProgress], None] = lambda progress: None,
    run_id: str | None = None,
) -> SessionSummary:
    """Trade until somebody or a limit ends it; give what came of it.

    Blocks. In the main thread SIGTERM and SIGINT end it within 10 s, in order. ``on_flush`` is
    called in a thread of its own after each write to the lake; ``run_id`` is the Dagster run's.

    Raises:
        ConfigError: strategy, settings, switches or balances do not do, a kill switch file is
            there, or another session trades the same strategy at the venue, or the account.
        DataError: the venue has none of the strategy's cycles.
        VenueError: the venue does not answer, or turns us away.
    """
    strategy = load_strategy(request.strategy)
    if request.venue is not None:
        strategy = strategy.model_copy(update={"exchange": request.venue})
    sessions, key = lake.settings.sessions, request.key
    found = found_kill_file(kill_files(sessions, key))
    if found is not None:
        raise ConfigError("is there, so no session begins; remove it first", source=str(found))
    with held(sessions / "locks", f"{strategy.name}@{strategy.exchange}", key):
        folder = sessions / key
        folder.mkdir(parents=True, exist_ok=True)
        session = _Session(lake, request, strategy, folder, on_flush, run_id)
        try:
            return on_loop(session.run())
        except asyncio.CancelledError:
            error = ArbError(f"{key} was asked to end before it began to trade")
            beat(folder, SessionState.FAILED, {"reason": str(error)})
            raise error from None
        except ArbError as error:
            beat(folder, SessionState.FAILED, {"reason": str(error)})
            raise


@dataclass(frozen=True, slots=True)
class _Listeners:
    """Who hears of everything that happens in a strategy's container."""

    recorder: SessionRecorder
    journal: Journal
    writer: SessionWriter


@dataclass(slots=True)
class _Session:
    """One session, from its connection to its summary."""

    lake: Lake
    request: SessionRequest
    strategy: Strategy
    folder: Path
    on_flush: Callable[[SessionProgress], None]
    run_id: str | None
    manager: SessionManager | None = None
    over_by_s: float = math.inf  # on the loop's clock

    async def run(self) -> SessionSummary:
        beat(self.folder, "starting", {})
        task = asyncio.current_task()
        assert task is not None
        with stopped_by_signals(partial(self._end_soon, task)):
            return await self._open()

    async def _open(self) -> SessionSummary:
        settings, key = self.lake.settings, self.request.key
        async with open_venue(self.strategy.exchange, settings) as connection:
            chosen = permission(
                local=connection.local,
                strategy=self.strategy.mode,
                asked=self.request.mode,
                allowed=settings.allow_live == "yes",
            )
            check_key(chosen, connection.can_withdraw)
            account = f"account-{connection.venue}-{connection.account_id}"
            with held(settings.sessions / "locks", account, key):
                async with managing(key, connection, places_orders=chosen.places_orders) as manager:
                    return await self._trade(manager, chosen)

    async def _trade(self, manager: SessionManager, chosen: Permission) -> SessionSummary:
        started, settings = now_ns(), self.lake.settings
        id_prefix = _id_prefix(self.request.key, started)
        spec = strategy_spec(
            self.strategy,
            places_orders=chosen.places_orders,
            id_prefix=id_prefix,
            max_cycles=settings.max_cycles,
            spent=spent_before(settings.sessions, self.request),
        )
        managed = manager.add(spec)
        await asyncio.to_thread(warm_up, universe_of(managed.container))
        async with self._listening(managed, manager.connection, chosen, started) as heard:
            control = open_control(managed.container, self.folder, chosen, id_prefix=id_prefix)
            self.manager = manager
            manager.start(spec.name)
            with first_error():
                async with asyncio.TaskGroup() as tasks:
                    beside = [tasks.create_task(work) for work in self._watches(manager)]
                    beside.append(tasks.create_task(control.run()))
                    await manager.wait()
                    for task in beside:
                        task.cancel()
            state = SessionState.FAILED if managed.error else SessionState.ENDED
            reason = managed.controls.stop_reason or "ended"
            await self._finish(heard, state, reason)
        recorder = heard.recorder
        beat(self.folder, state, {"reason": reason, **_standing(recorder)})
        return SessionSummary(
            session=self.request.key,
            strategy=self.strategy.name,
            venue=manager.connection.venue,
            mode=chosen.mode,
            places_orders=chosen.places_orders,
            state=state,
            reason=reason,
            ts_started=started,
            ts_ended=now_ns(),
            counts=recorder.counts(),
            profit=recorder.profit(),
            booked={of: f"{by:f}" for of, by in sorted(recorder.booked().items()) if by},
            in_flight=recorder.in_flight,
            unwritten=heard.writer.unwritten,
        )

    @asynccontextmanager
    async def _listening(
        self, managed: Managed, connection: VenueConnection, chosen: Permission, started: int
    ) -> AsyncIterator[_Listeners]:
        """Have journal, recorder and heartbeat hear of a strategy within the block."""
        cycles, bus = universe_of(managed.container).traded.cycles, managed.container.bus
        account = hashlib.sha256(connection.account_id.encode()).hexdigest()[:16]
        head = SessionHead(
            session=self.request.key,
            strategy=self.strategy.name,
            venue=connection.venue,
            mode=chosen.mode,
            account=account,
            strategy_digest=self.strategy.digest,
            ts_started=started,
            cycles=cycles,
            run_id=self.run_id,
        )
        loop, controls = asyncio.get_running_loop(), managed.controls
        journal = Journal(
            self.folder,
            cycles,
            trouble=lambda what: loop.call_soon_threadsafe(controls.stop, what),
        )
        recorder = SessionRecorder(head, wall_ns=now_ns)
        writer = self._writer(recorder, connection)

        def pulse() -> tuple[str, Mapping[str, Any]]:
            state = "stopping" if controls.stopping.is_set() else SessionState.RUNNING
            return state, _standing(recorder) | {"lake": writer.trouble}

        with closing(journal):
            bus.subscribe(object, journal.hear)  # first: an intent is written before all else
            bus.subscribe(object, recorder.hear)
            writer.start()
            heard = _Listeners(recorder, journal, writer)
            async with beating(self.folder, pulse):
                try:
                    yield heard
                except BaseException:
                    await self._finish(heard, SessionState.FAILED, "its connection failed")
                    raise

    def _watches(self, manager: SessionManager) -> list[Any]:
        """What may end a session from outside, to be run beside it."""
        files = kill_files(self.lake.settings.sessions, self.request.key)
        watches: list[Any] = [watch_kill_files(files, manager.stop)]
        if self.request.minutes is not None:
            watches.append(_end_after(self.request.minutes, manager))
        return watches

    def _end_soon(self, task: asyncio.Task[Any], signal_name: str) -> None:
        self.over_by_s = min(self.over_by_s, asyncio.get_running_loop().time() + _END_S)
        if self.manager is not None:
            self.manager.stop(signal_name, settle_s=_SETTLE_S)
        else:
            task.cancel()

    async def _finish(self, heard: _Listeners, state: SessionState, reason: str) -> None:
        """Write the last records, as long as the lake and whoever waits allow."""
        loop = asyncio.get_running_loop()
        heard.recorder.end(state, reason)
        heard.journal.note("session", state=state, reason=reason, **_standing(heard.recorder))
        heard.writer.end()
        latest_s = loop.time() + _LAST_WRITES_S
        while heard.writer.running and loop.time() < min(latest_s, self.over_by_s):
            await asyncio.sleep(_LOOK_EVERY_S)

    def _writer(self, recorder: SessionRecorder, connection: VenueConnection) -> SessionWriter:
        lake, day = self.lake, day_of(now_ns())

        def tell(batch: Batch) -> None:
            self.on_flush(SessionProgress.of(batch, batch.number + 1))

        return SessionWriter(
            recorder.take,
            partial(write_batch, lake),
            self.strategy.session.flush_s,
            prepare=partial(
                store_markets, lake, connection.venue, day, connection.markets, list_day=day
            ),
            on_written=tell,
        )


async def _end_after(minutes: float, manager: SessionManager) -> None:
    await asyncio.sleep(minutes * 60)
    manager.stop(f"its {minutes:g} minutes are over")


def _id_prefix(key: str, started: int) -> str:
    """Begin the client ids of a session: no other start of any session has the same."""
    return f"{hashlib.sha256(f'{key} {started}'.encode()).hexdigest()[:12]}-"


def _standing(recorder: SessionRecorder) -> dict[str, Any]:
    """What a heartbeat tells of a session."""
    counts = recorder.counts()
    return {
        "books": counts.books,
        "signals": counts.signals,
        "executions": sum(counts.executions.values()),
        "in_flight": counts.in_flight,
        "orders": counts.orders,
        "profit": recorder.profit(),
    }
