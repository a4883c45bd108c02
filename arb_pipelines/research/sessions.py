"""Running sessions: from requests to what came of them.

Opens the venue, takes the locks, and hosts one session or several on the one connection; a
session itself is in ``hosted_session``. Asking for sessions belongs to ``session_requests``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Any

from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.limits import KILL_FILE, found_kill_file, kill_files
from arb_pipelines.execution.locks import account_held, held
from arb_pipelines.execution.manager import SessionManager, managing
from arb_pipelines.execution.recovery.recover import end_tested
from arb_pipelines.execution.recovery.values import Recovery
from arb_pipelines.execution.rehearsal import rehearsing
from arb_pipelines.execution.warm_up import warm_up
from arb_pipelines.garbage import collected_when_idle
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.hosted_session import HostedSession
from arb_pipelines.research.lake_process import LakeProcess
from arb_pipelines.research.session_host import (
    Make,
    OnEnd,
    SessionHost,
    failure_told,
    unheeded,
)
from arb_pipelines.research.session_process import on_loop, stopped_by_signals
from arb_pipelines.research.session_recovery import account_engine, recover_account
from arb_pipelines.research.session_requests import SessionRequest, checked_key
from arb_pipelines.research.session_state import AccountStates, account_states
from arb_pipelines.research.session_values import (
    SessionBrokenOff,
    SessionProgress,
    SessionSummary,
)
from arb_pipelines.settings import Settings
from arb_pipelines.trading.strategy import load_strategy
from arb_pipelines.venues.opening import open_venue

__all__ = [
    "SessionBrokenOff",
    "SessionProgress",
    "SessionRequest",
    "SessionSummary",
    "recover_only",
    "run_session",
    "run_sessions",
]

OnFlush = Callable[[SessionProgress], None]


def _unheard(progress: SessionProgress) -> None:
    return None


def run_session(
    lake: Lake,
    request: SessionRequest,
    *,
    on_flush: OnFlush = _unheard,
    run_id: str | None = None,
) -> SessionSummary:
    """Trade until somebody or a limit ends it; give what came of it, or of what replaced it.

    Blocks. In the main thread SIGTERM and SIGINT end it within 10 s, in order. ``on_flush`` is
    called in a thread of its own after each write to the lake; ``run_id`` is the Dagster run's.

    Raises:
        ConfigError: strategy, settings, switches or balances do not do, a kill switch file is
            there, or another session trades the same strategy at the venue, or the account.
        DataError: the venue has none of the strategy's cycles.
        VenueError: the venue does not answer, or turns us away.
        SessionBrokenOff: an error ended it while it traded, and it left something.
    """
    return run_sessions(lake, [request], on_flush=on_flush, run_id=run_id)[-1]


def run_sessions(
    lake: Lake,
    requests: Sequence[SessionRequest],
    *,
    on_flush: OnFlush = _unheard,
    on_end: OnEnd = unheeded,
    run_id: str | None = None,
) -> list[SessionSummary]:
    """Host several sessions on one account: as ``run_session``, each with a folder of its own.

    They share connection, rate budget and account. None begins unless all can; one that fails
    ends alone. Summaries are in order of their beginnings, of those that came later too.
    ``on_end`` is told each as it ends, on the loop, so it may not dawdle; also of one that an
    error ended while it traded.

    Raises:
        ConfigError: as ``run_session``, or they trade at different venues.
    """
    settings, writing = lake.settings, LakeProcess(lake.settings)
    sessions = [_hosted(writing, request, on_flush, run_id) for request in requests]
    venue = _one_venue(sessions)
    locks = settings.sessions / "locks"
    with ExitStack() as stack:
        for session in sessions:
            name = f"{session.strategy.name}@{venue}"
            stack.enter_context(held(locks, name, session.request.key))
        stack.enter_context(writing.running())  # it imports while kernels are loaded
        warm_up()
        for session in sessions:
            stack.enter_context(failure_told(session))
        make = partial(_hosted, writing, on_flush=on_flush, run_id=run_id)
        return on_loop(_host(settings, venue, sessions, make, on_end))


def recover_only(lake: Lake, requests: Sequence[SessionRequest]) -> Recovery:
    """Bring to its end what earlier sessions left open on an account, and begin nothing.

    By the rules of the strategies that ``requests`` name, which leave no folder. Blocks.
    Stopped on its way, it goes on when it is asked for again.

    Raises:
        ConfigError: as ``run_sessions``.
        VenueError: the venue does not answer, or turns us away.
    """
    writing = LakeProcess(lake.settings)  # which nothing is asked of
    sessions = [_hosted(writing, request, _unheard, None) for request in requests]
    return on_loop(_recover_alone(lake.settings, _one_venue(sessions), sessions))


def _one_venue(sessions: Sequence[HostedSession]) -> str:
    venues = sorted({session.strategy.exchange for session in sessions})
    if len(venues) != 1:
        raise ConfigError(
            f"sessions of one process trade at one venue, not at {' and '.join(venues)}",
            source="venue",
        )
    return venues[0]


def _hosted(
    lake: LakeProcess,
    request: SessionRequest,
    on_flush: OnFlush,
    run_id: str | None,
) -> HostedSession:
    strategy = load_strategy(request.strategy)
    if request.venue is not None:
        strategy = strategy.model_copy(update={"exchange": request.venue})
    if request.cycles is not None:
        bounded = strategy.session.model_copy(update={"max_executions": request.cycles})
        strategy = strategy.model_copy(update={"session": bounded})
    boundless = sorted(set(strategy.session.max_loss) - set(strategy.start))
    if boundless:
        raise ConfigError(
            f"session.max_loss: {', '.join(boundless)} is no start currency, so nothing could be "
            f"lost in it; name {' or '.join(strategy.start)}",
            source=str(request.strategy),
        )
    found = found_kill_file(kill_files(lake.settings.sessions, request.key))
    if found is not None:
        raise ConfigError(
            "is there, so no session begins; remove it first (arb kill --lift)", source=str(found)
        )
    folder = lake.settings.sessions / checked_key(request.key)
    return HostedSession(lake, request, strategy, folder, on_flush, run_id)


async def _host(
    settings: Settings, venue: str, sessions: list[HostedSession], make: Make, on_end: OnEnd
) -> list[SessionSummary]:
    """Connect, have every session join, then let all trade until the last has ended."""
    task = asyncio.current_task()
    assert task is not None
    trading = asyncio.Event()
    names = ", ".join(session.request.key for session in sessions)
    end_soon = partial(_end_soon, sessions, task, trading)
    with stopped_by_signals(end_soon, settings.root / KILL_FILE):
        async with _on_account(settings, venue, names) as (manager, states):
            await _recover(settings, sessions, manager, states)
            async with states.selling(manager):
                with ExitStack() as opened:
                    host = SessionHost(sessions, manager, states, make, opened, on_end)
                    host.join()
                    manager.balances.tell(states.see_balances)
                    await manager.ready()
                    rehearsals = rehearsing(
                        settings.rehearse_ms / 1e3, manager.connection.make_ready, manager.is_idle
                    )
                    with collected_when_idle(manager.is_idle):
                        async with rehearsals:
                            trading.set()
                            return await host.run()


async def _recover_alone(
    settings: Settings, venue: str, sessions: Sequence[HostedSession]
) -> Recovery:
    """Connect, recover, and leave."""
    async with _on_account(settings, venue, "recovery") as (manager, states):
        return await _recover(settings, sessions, manager, states)


@asynccontextmanager
async def _on_account(
    settings: Settings, venue: str, names: str
) -> AsyncIterator[tuple[SessionManager, AccountStates]]:
    """Have an account to oneself within the block, its connection in service and its state open."""
    async with open_venue(venue, settings) as connection:
        with account_held(settings.sessions / "locks", venue, connection.account_id, names):
            async with (
                account_states(settings, connection, names) as states,
                managing(names, connection) as manager,
            ):
                yield manager, states


async def _recover(
    settings: Settings,
    sessions: Sequence[HostedSession],
    manager: SessionManager,
    states: AccountStates,
) -> Recovery:
    """Bring to its end what earlier sessions left open on the account, before any has its money.

    Raises:
        ConfigError: switches or key of a session do not do.
        VenueError: the venue does not answer, or turns us away.
    """
    placing = [s for s in sessions if s.permitted(manager.connection).places_orders]
    tested = end_tested(states.of(places_orders=False)) if len(placing) < len(sessions) else []
    recovery = Recovery(tested, None)
    if placing:
        strategies = [session.strategy for session in placing]
        store = states.of(places_orders=True)
        engine, states.seller = account_engine(settings, store, manager.connection, strategies)
        await manager.ready()
        placed = await recover_account(settings, engine)
        recovery = Recovery([*tested, *placed.cycles], placed.unexplained)
        await manager.count_anew(store.held())
    for session in sessions:
        session.recovered = recovery.cycles
    return recovery


def _end_soon(
    sessions: Sequence[HostedSession],
    task: asyncio.Task[Any],
    trading: asyncio.Event,
    reason: str,
) -> None:
    for session in sessions:
        session.end_soon(reason)
    if not trading.is_set():
        task.cancel()
