"""Running one session: from a request to what came of it.

Opens the venue, puts the strategy's container on it, and has everything that listens listen:
records to the lake, heartbeat, limits, people at the controls. What is decided belongs to
``trading``, how orders travel to ``execution``; asking for sessions, to ``session_requests``.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from arb_pipelines.clock import day_of, now_ns
from arb_pipelines.containers.container import Container
from arb_pipelines.containers.spec import PORTFOLIO
from arb_pipelines.errors import ArbError
from arb_pipelines.execution.components import strategy_spec, universe_of
from arb_pipelines.execution.control import SessionControl, open_control
from arb_pipelines.execution.heartbeat import beat, keep_beating
from arb_pipelines.execution.locks import held
from arb_pipelines.execution.manager import SessionManager, managing
from arb_pipelines.execution.recorder import SessionRecorder
from arb_pipelines.execution.records import Batch, SessionHead, SessionState
from arb_pipelines.execution.switches import Permission, check_key, permission
from arb_pipelines.lake.markets import store_markets
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.research.session_tables import write_batch
from arb_pipelines.research.session_values import SessionProgress, SessionSummary, profit_of
from arb_pipelines.research.session_writer import SessionWriter
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.strategy import load_strategy
from arb_pipelines.venues.base import VenueConnection
from arb_pipelines.venues.opening import open_venue
from arb_pipelines.venues.tasks import first_error

__all__ = ["SessionProgress", "SessionRequest", "SessionSummary", "run_session"]

T = TypeVar("T")
#: Longest wait for the lake when all has ended.
_LAST_WRITE_S = 1.5


def run_session(
    lake: Lake,
    request: SessionRequest,
    *,
    on_flush: Callable[[SessionProgress], None] = lambda progress: None,
    run_id: str | None = None,
) -> SessionSummary:
    """Trade until somebody or a limit ends it; give what came of it.

    Blocks. In the main thread SIGTERM and SIGINT end it in order. ``on_flush`` is called in a
    thread of its own after each write to the lake; ``run_id`` is the Dagster run's.

    Raises:
        ConfigError: strategy, settings, switches or balances do not do, or another session
            trades the same strategy at the venue, or the same account.
        DataError: the venue has none of the strategy's cycles.
        VenueError: the venue does not answer, or turns us away.
    """
    strategy = load_strategy(request.strategy)
    if request.venue is not None:
        strategy = strategy.model_copy(update={"exchange": request.venue})
    folder = lake.settings.sessions / request.key
    locks = lake.settings.sessions / "locks"
    with held(locks, f"{strategy.name}@{strategy.exchange}", request.key):
        folder.mkdir(parents=True, exist_ok=True)
        session = _Session(lake, request, strategy, folder, on_flush, run_id)
        try:
            return _on_loop(session.run())
        except ArbError as error:
            beat(folder, SessionState.FAILED, {"reason": str(error)})
            raise


@dataclass(slots=True)
class _Session:
    """One session from its connection to its summary."""

    lake: Lake
    request: SessionRequest
    strategy: Strategy
    folder: Path
    on_flush: Callable[[SessionProgress], None]
    run_id: str | None

    async def run(self) -> SessionSummary:
        settings, key = self.lake.settings, self.request.key
        beat(self.folder, "starting", {})
        with first_error():
            async with open_venue(self.strategy.exchange, settings) as connection:
                chosen = permission(
                    local=connection.local,
                    strategy=self.strategy.mode,
                    asked=self.request.mode,
                    allowed=settings.allow_live == "yes",
                )
                check_key(chosen, connection.can_withdraw)
                account = f"{connection.venue}-{connection.account_id}"
                with held(settings.sessions / "locks", f"account-{account}", key):
                    return await self._trade(connection, chosen)

    async def _trade(self, connection: VenueConnection, chosen: Permission) -> SessionSummary:
        key, started = self.request.key, now_ns()
        async with managing(key, connection, places_orders=chosen.places_orders) as manager:
            id_prefix = _id_prefix(key, started)
            spec = strategy_spec(
                self.strategy,
                places_orders=chosen.places_orders,
                id_prefix=id_prefix,
                max_cycles=self.lake.settings.max_cycles,
            )
            managed = manager.add(spec)
            recorder = SessionRecorder(
                self._head(managed.container, connection, chosen, started), wall_ns=now_ns
            )
            managed.container.bus.subscribe(object, recorder.hear)
            control = open_control(managed.container, self.folder, chosen, id_prefix=id_prefix)
            writer = self._writer(recorder, connection)
            writer.start()
            manager.start(spec.name)
            try:
                with _stopped_by_signals(manager):
                    await self._watch(manager, control)
            finally:
                failed = managed.error is not None or not managed.ended.is_set()
                state = SessionState.FAILED if failed else SessionState.ENDED
                reason = managed.controls.stop_reason or "its connection failed"
                recorder.end(state, reason)
                unwritten = await asyncio.to_thread(writer.finish, _LAST_WRITE_S)
            booked = _booked(managed.container)
        last = recorder.take()
        beat(self.folder, state, {"reason": reason, **_counts(last)})
        return SessionSummary(
            session=key,
            strategy=self.strategy.name,
            venue=connection.venue,
            mode=chosen.mode,
            places_orders=chosen.places_orders,
            state=state,
            reason=reason,
            ts_started=started,
            ts_ended=now_ns(),
            counts=last.counts,
            profit=profit_of(last),
            booked=booked,
            in_flight=recorder.in_flight,
            unwritten=unwritten,
        )

    async def _watch(self, manager: SessionManager, control: SessionControl) -> None:
        """Keep what accompanies a session going until its strategies have ended."""
        async with asyncio.TaskGroup() as tasks:
            beside = [
                tasks.create_task(keep_beating(self.folder, lambda: SessionState.RUNNING, dict)),
                tasks.create_task(control.run()),
            ]
            if self.request.minutes is not None:
                beside.append(tasks.create_task(_end_after(self.request.minutes, manager)))
            await manager.wait()
            for task in beside:
                task.cancel()

    def _writer(self, recorder: SessionRecorder, connection: VenueConnection) -> SessionWriter:
        writer: SessionWriter

        def store_listed() -> None:
            day = day_of(now_ns())
            store_markets(self.lake, connection.venue, day, connection.markets, list_day=day)

        def tell(batch: Batch) -> None:
            self.on_flush(SessionProgress.of(batch, writer.written))

        writer = SessionWriter(
            recorder.take,
            lambda batch: write_batch(self.lake, batch),
            self.strategy.session.flush_s,
            first=store_listed,
            on_written=tell,
        )
        return writer

    def _head(
        self, container: Container, connection: VenueConnection, chosen: Permission, started: int
    ) -> SessionHead:
        return SessionHead(
            session=self.request.key,
            strategy=self.strategy.name,
            venue=connection.venue,
            mode=chosen.mode,
            account=hashlib.sha256(connection.account_id.encode()).hexdigest()[:16],
            strategy_digest=self.strategy.digest,
            ts_started=started,
            cycles=universe_of(container).traded.cycles,
            run_id=self.run_id,
        )


async def _end_after(minutes: float, manager: SessionManager) -> None:
    await asyncio.sleep(minutes * 60)
    manager.stop(f"its {minutes:g} minutes are over")


def _id_prefix(key: str, started: int) -> str:
    """Begin the client ids of a session: no other start of any session has the same."""
    return f"{hashlib.sha256(f'{key} {started}'.encode()).hexdigest()[:12]}-"


def _booked(container: Container) -> dict[str, float]:
    """What the session's orders changed each balance by."""
    before = universe_of(container).strategy.balances
    after = container.get(PORTFOLIO).balances()
    changes = {of: after.get(of, 0.0) - before.get(of, 0.0) for of in {*before, *after}}
    return {of: change for of, change in sorted(changes.items()) if change}


def _counts(batch: Batch) -> dict[str, Any]:
    counts = batch.counts
    return {
        "books": counts.books,
        "signals": counts.signals,
        "executions": sum(counts.executions.values()),
        "in_flight": counts.in_flight,
    }


def _on_loop(main: Coroutine[Any, Any, T]) -> T:
    try:
        import uvloop
    except ImportError:  # not made for Windows
        return asyncio.run(main)
    return uvloop.run(main)


@contextmanager
def _stopped_by_signals(manager: SessionManager) -> Iterator[None]:
    """Let SIGTERM and SIGINT end the session in order, within the block."""
    if threading.current_thread() is not threading.main_thread():  # which alone hears them
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        loop.add_signal_handler(number, manager.stop, signal.Signals(number).name)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
