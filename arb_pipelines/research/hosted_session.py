"""One session within its process: a strategy that trades, and all that listens to it.

The connection it trades on is its host's (``sessions``), who may host several. What is
decided belongs to ``trading``, how orders travel to ``execution``.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arb_pipelines.clock import now_ns
from arb_pipelines.containers.container import Container
from arb_pipelines.execution.allotment import funded
from arb_pipelines.execution.components import run_of, session_risk_of, strategy_spec, universe_of
from arb_pipelines.execution.control.desk import Bring
from arb_pipelines.execution.control.service import open_control
from arb_pipelines.execution.limits import Spent, kill_files, watch_kill_files
from arb_pipelines.execution.manager import Managed, SessionManager
from arb_pipelines.execution.records.heartbeat import beat, beating
from arb_pipelines.execution.records.journal_reading import RECOVERED
from arb_pipelines.execution.records.values import SessionHead, SessionState
from arb_pipelines.execution.recovery.values import Recovered
from arb_pipelines.execution.state.files import account_name
from arb_pipelines.execution.state.follower import StateFollower
from arb_pipelines.execution.switches import Permission, check_key, permission
from arb_pipelines.research.lake_process import LakeProcess
from arb_pipelines.research.session_listeners import Listeners, listen
from arb_pipelines.research.session_past import earlier_folders, spent_before
from arb_pipelines.research.session_pauses import alert_of_refused, keeping_pauses, pause_told
from arb_pipelines.research.session_recovery import unknown_of
from arb_pipelines.research.session_requests import SessionRequest
from arb_pipelines.research.session_state import AccountStates
from arb_pipelines.research.session_values import SessionProgress, SessionSummary
from arb_pipelines.research.state_files import StateFile, account_state
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.reports import CycleReport
from arb_pipelines.venues.base import VenueConnection
from arb_pipelines.venues.tasks import worst_error

#: Once the process is asked to end: time for what is in flight, and until it is over.
_SETTLE_S, _END_S = 7.0, 8.0
#: Longest wait for the venue's balances to be what was booked, when all has ended.
_LATE_BALANCES_S = 1.0


@dataclass(frozen=True, slots=True)
class _Joined:
    """A session whose strategy has its container on the connection."""

    manager: SessionManager
    managed: Managed
    states: AccountStates
    chosen: Permission
    id_prefix: str
    started: int


@dataclass(slots=True)
class HostedSession:
    """A session to be hosted: ``join``, then ``trade``; ``folder`` is its own.

    One that is ``late`` comes while others trade, and may take the place of one
    (``takes_over``); ``bring`` has others come. ``recovered`` is what became of cycles that
    earlier sessions of the account left open. ``broken_off`` is what came of it where an error
    ended it while it traded; ``told`` says that its heartbeat has its end.
    """

    lake: LakeProcess
    request: SessionRequest
    strategy: Strategy
    folder: Path
    on_flush: Callable[[SessionProgress], None]
    run_id: str | None
    takes_over: HostedSession | None = field(default=None, init=False)
    late: bool = field(default=False, init=False)
    bring: Bring | None = field(default=None, init=False)
    broken_off: SessionSummary | None = field(default=None, init=False)
    told: bool = field(default=False, init=False)
    recovered: Sequence[Recovered] = field(default=(), init=False)
    _joined: _Joined | None = field(default=None, init=False)
    _over_by_s: float = field(default=math.inf, init=False)  # on the loop's clock

    def join(
        self, manager: SessionManager, states: AccountStates, waiting: Sequence[Strategy]
    ) -> None:
        """Decide what it may do, and give its strategy money and a container.

        ``waiting`` are the strategies that are still to be given money, its own among them.

        Raises:
            ConfigError: switches, key or balances do not do.
            DataError: the venue has none of the strategy's cycles.
        """
        settings, started = self.lake.settings, now_ns()
        chosen = self.permitted(manager.connection)
        store = states.of(places_orders=chosen.places_orders)
        id_prefix = store.new_prefix(f"{self.request.key} {started}")
        before = self.takes_over
        free = manager.money.free if before is None else manager.reach(before.name)
        spent = spent_before(self._past()) if before is None else before.spent
        spec = strategy_spec(
            funded(self.strategy, free, waiting),
            places_orders=chosen.places_orders,
            id_prefix=id_prefix,
            max_cycles=settings.max_cycles,
            spent=spent,
            name=self.name,
        )
        allot = chosen.places_orders or self.strategy.balances is None
        if before is None:
            managed = manager.add(spec, allot=allot)
        else:
            managed = manager.replace(before.name, spec, allot=allot)
            _count_on(before.container, managed.container)
        self._joined = _Joined(manager, managed, states, chosen, id_prefix, started)

    def permitted(self, connection: VenueConnection) -> Permission:
        """Decide what it may do there.

        Raises:
            ConfigError: switches or key do not do.
        """
        chosen = permission(
            local=connection.local,
            strategy=self.strategy.mode,
            asked=self.request.mode,
            allowed=self.lake.settings.allow_live == "yes",
            dry_run=self.request.dry_run,
        )
        check_key(chosen, connection.can_withdraw)
        return chosen

    @property
    def name(self) -> str:
        """Name its container has: its strategy's, or its key where another may have that."""
        return self.request.key if self.late else self.strategy.name

    @property
    def stopping(self) -> bool:
        """Whether it takes no more signals."""
        return self._joined is None or self._joined.managed.controls.stopping.is_set()

    @property
    def spent(self) -> Spent:
        """What counts against its limits so far; once it has joined."""
        return session_risk_of(self.container).spent

    @property
    def container(self) -> Container:
        """The container of its strategy, once it has joined."""
        assert self._joined is not None, "a session joins first"
        return self._joined.managed.container

    async def trade(self) -> SessionSummary:
        """Trade until it is stopped, then write down what is left to write.

        Raises:
            ConfigError: its socket cannot be opened.
        """
        joined = self._joined
        assert joined is not None, "a session joins before it trades"
        managed = joined.managed
        async with self._listening(joined) as heard:
            control = open_control(
                managed.container,
                self.folder,
                joined.chosen,
                id_prefix=joined.id_prefix,
                bring=self.bring,
            )
            self._tell_recovered(heard)
            joined.manager.start(self.name)
            with worst_error():
                async with asyncio.TaskGroup() as tasks:
                    beside = [tasks.create_task(work) for work in self._watches(managed)]
                    beside.append(tasks.create_task(control.run()))
                    await managed.ended.wait()
                    for task in beside:
                        task.cancel()
            if joined.chosen.places_orders:
                await joined.states.sold(self._time_to_sell_s())
                await joined.manager.balances.conclude(_LATE_BALANCES_S)
            failed = managed.error is not None or joined.manager.failure is not None
            state = SessionState.FAILED if failed else SessionState.ENDED
            reason = managed.controls.stop_reason or "ended"
            summary = await self._conclude(joined, heard, state, reason)
        beat(self.folder, state, {"reason": reason, **heard.standing(), **self.left(summary)})
        self.told = True
        return summary

    def left(self, summary: SessionSummary) -> dict[str, Any]:
        """Give what its last heartbeat says of what is left, to look into or to write."""
        return {
            "in_flight": summary.in_flight,
            "open_orders": [*summary.open_orders],
            "unrecovered": unknown_of(self.recovered, self.request.key),
            "unwritten": summary.unwritten,
        }

    def end_soon(self, reason: str) -> None:
        """Stop within seconds, since the process is asked to end."""
        self._over_by_s = min(self._over_by_s, asyncio.get_running_loop().time() + _END_S)
        if self._joined is not None:
            self._joined.managed.controls.stop(reason, settle_s=_SETTLE_S)

    def _time_to_sell_s(self) -> float:
        """Most time that there is for what its cycles left, once they have settled."""
        left_s = self._over_by_s - asyncio.get_running_loop().time() - _LATE_BALANCES_S
        return min(self.strategy.session.settle_s, left_s)

    def _past(self) -> list[Path]:
        return earlier_folders(self.lake.settings.sessions, self.request)

    def _tell_recovered(self, heard: Listeners) -> None:
        """Have its journal say what became of cycles that others left open.

        What it left itself, as an earlier start under its key, its journal says already.
        """
        for one in self.recovered:
            if one.session != self.request.key:
                heard.journal.note(RECOVERED, session=one.session, **one.facts())

    # -- what accompanies it -----------------------------------------------------------

    @asynccontextmanager
    async def _listening(self, joined: _Joined) -> AsyncIterator[Listeners]:
        """Have listeners and heartbeat follow the strategy within the block."""
        managed, controls = joined.managed, joined.managed.controls
        with self._followed(joined) as follower:
            heard = listen(
                self.lake.session(self._head(joined), self._state(joined)),
                self.folder,
                joined.manager,
                managed,
                follower,
                reconcile=joined.chosen.places_orders,
                on_flush=self.on_flush,
            )

            def pulse() -> tuple[str, Mapping[str, Any]]:
                state = "stopping" if controls.stopping.is_set() else SessionState.RUNNING
                return state, heard.standing() | heard.health() | pause_told(managed.container)

            tables = joined.states.of(places_orders=joined.chosen.places_orders).risk
            settings, key = self.lake.settings, self.request.key
            with (
                closing(heard.journal),
                keeping_pauses(settings, key, managed.container, tables),
            ):
                async with beating(self.folder, pulse):
                    try:
                        yield heard
                    except BaseException:
                        controls.stop("what keeps the session failed", settle_s=_SETTLE_S)
                        await joined.manager.ended(self.name)
                        reason = str(controls.stop_reason)
                        failed = SessionState.FAILED
                        self.broken_off = await self._conclude(joined, heard, failed, reason)
                        raise

    def _followed(self, joined: _Joined) -> AbstractContextManager[StateFollower]:
        """Have the cycles of its strategy written down within the block."""
        return joined.states.followed(
            joined.managed.container,
            self.request.key,
            places_orders=joined.chosen.places_orders,
            id_prefix=joined.id_prefix,
            trouble=joined.managed.controls.stop,
        )

    def _state(self, joined: _Joined) -> StateFile:
        """Where its cycles are written down."""
        connection, tested = joined.manager.connection, not joined.chosen.places_orders
        settings = self.lake.settings
        return account_state(settings, connection.venue, connection.account_id, tested=tested)

    def _watches(self, managed: Managed) -> list[Any]:
        """What may end the session from outside, or tells a person, to be run beside it."""
        files = kill_files(self.lake.settings.sessions, self.request.key)
        watches: list[Any] = [watch_kill_files(files, managed.controls.stop)]
        watches.append(alert_of_refused(self.lake.settings, self.request.key, managed.container))
        if self.request.minutes is not None:
            watches.append(_end_after(self.request.minutes, managed))
        return watches

    def _head(self, joined: _Joined) -> SessionHead:
        connection = joined.manager.connection
        return SessionHead(
            session=self.request.key,
            strategy=self.strategy.name,
            venue=connection.venue,
            mode=joined.chosen.mode,
            account=account_name(connection.account_id),
            strategy_digest=self.strategy.digest,
            ts_started=joined.started,
            cycles=universe_of(joined.managed.container).traded.cycles,
            run_id=self.run_id,
        )

    async def _conclude(
        self, joined: _Joined, heard: Listeners, state: SessionState, reason: str
    ) -> SessionSummary:
        """Write down what is left to write, and sum up."""
        recorder = heard.recorder
        left = run_of(joined.managed.container).session.open_orders
        if left:
            heard.journal.note("left", open_orders=left)
        await heard.finish(state, reason, lambda: self._over_by_s)
        joined.manager.balances.end(recorder)
        return SessionSummary(
            session=self.request.key,
            strategy=self.strategy.name,
            venue=joined.manager.connection.venue,
            mode=joined.chosen.mode,
            places_orders=joined.chosen.places_orders,
            state=state,
            reason=reason,
            ts_started=joined.started,
            ts_ended=now_ns(),
            counts=recorder.counts(),
            profit=recorder.profit(),
            booked={of: f"{by:f}" for of, by in sorted(recorder.booked().items()) if by},
            in_flight=recorder.in_flight,
            unwritten=heard.writer.unwritten,
            open_orders=left,
        )


def _count_on(before: Container, after: Container) -> None:
    """Count what a replaced session's executions still bring against who took its place."""
    traded, risk = universe_of(before).traded, session_risk_of(after)

    def count(report: CycleReport) -> None:
        risk.on_recovered(traded.cycles.currencies[traded.start(report.cycle)], report.profit)

    before.bus.subscribe(CycleReport, count)


async def _end_after(minutes: float, managed: Managed) -> None:
    await asyncio.sleep(minutes * 60)
    managed.controls.stop(f"its {minutes:g} minutes are over")
