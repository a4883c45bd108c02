"""Running sessions: from requests to what came of them.

Opens the venue, takes the locks, and hosts one session or several on the one connection; a
session itself is in ``hosted_session``. Asking for sessions belongs to ``session_requests``.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from arb_pipelines.errors import ArbError, ConfigError
from arb_pipelines.execution.limits import found_kill_file, kill_files
from arb_pipelines.execution.locks import held
from arb_pipelines.execution.manager import managing
from arb_pipelines.execution.records.heartbeat import beat
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.execution.warm_up import warm_up
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.hosted_session import HostedSession
from arb_pipelines.research.session_process import on_loop, stopped_by_signals
from arb_pipelines.research.session_requests import SessionRequest, checked_key
from arb_pipelines.research.session_state import account_states
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
    """Trade until somebody or a limit ends it; give what came of it.

    Blocks. In the main thread SIGTERM and SIGINT end it within 10 s, in order. ``on_flush`` is
    called in a thread of its own after each write to the lake; ``run_id`` is the Dagster run's.

    Raises:
        ConfigError: strategy, settings, switches or balances do not do, a kill switch file is
            there, or another session trades the same strategy at the venue, or the account.
        DataError: the venue has none of the strategy's cycles.
        VenueError: the venue does not answer, or turns us away.
        SessionBrokenOff: an error ended it while it traded, and it left something.
    """
    (summary,) = run_sessions(lake, [request], on_flush=on_flush, run_id=run_id)
    return summary


def run_sessions(
    lake: Lake,
    requests: Sequence[SessionRequest],
    *,
    on_flush: OnFlush = _unheard,
    run_id: str | None = None,
) -> list[SessionSummary]:
    """Host several sessions on one account: as ``run_session``, each with a folder of its own.

    They share connection, rate budget and account. None begins unless all can; one that fails
    ends alone.

    Raises:
        ConfigError: as ``run_session``, or they trade at different venues.
    """
    settings = lake.settings
    sessions = [_hosted(lake, request, requests, on_flush, run_id) for request in requests]
    venues = sorted({session.strategy.exchange for session in sessions})
    if len(venues) != 1:
        raise ConfigError(
            f"sessions of one process trade at one venue, not at {' and '.join(venues)}",
            source="venue",
        )
    warm_up()
    locks = settings.sessions / "locks"
    with ExitStack() as stack:
        for session in sessions:
            name = f"{session.strategy.name}@{venues[0]}"
            stack.enter_context(held(locks, name, session.request.key))
            stack.enter_context(_failure_told(session))
        return on_loop(_host(settings, venues[0], sessions))


@contextmanager
def _failure_told(session: HostedSession) -> Iterator[None]:
    """Have a session's heartbeat say that it starts, and that it failed if it ends by an error."""
    session.folder.mkdir(parents=True, exist_ok=True)
    beat(session.folder, "starting", {})
    try:
        yield
    except (ArbError, asyncio.CancelledError) as error:
        said = str(error) or f"{session.request.key}: asked to end before it began to trade"
        beat(session.folder, SessionState.FAILED, {"reason": said, **_left_by(session)})
        if session.broken_off is not None and session.broken_off.left_something:
            raise SessionBrokenOff(said, session.broken_off) from error
        if isinstance(error, ArbError):
            raise
        raise ArbError(said) from None


def _left_by(session: HostedSession) -> dict[str, Any]:
    """Say what is out of a session that an error ended; nothing is known of any other."""
    ended = session.broken_off
    if ended is None:
        return {}
    return session.left(ended)


def _hosted(
    lake: Lake,
    request: SessionRequest,
    requests: Sequence[SessionRequest],
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
        raise ConfigError("is there, so no session begins; remove it first", source=str(found))
    folder = lake.settings.sessions / checked_key(request.key)
    return HostedSession(lake, request, strategy, folder, on_flush, run_id, requests)


async def _host(
    settings: Settings, venue: str, sessions: Sequence[HostedSession]
) -> list[SessionSummary]:
    """Connect, have every session join, then let all trade until the last has ended."""
    task = asyncio.current_task()
    assert task is not None
    trading = asyncio.Event()
    names = ", ".join(session.request.key for session in sessions)
    with stopped_by_signals(partial(_end_soon, sessions, task, trading)):
        async with open_venue(venue, settings) as connection:
            account = f"account-{venue}-{connection.account_id}"
            with held(settings.sessions / "locks", account, names):
                async with (
                    account_states(settings, connection, names) as states,
                    managing(names, connection) as manager,
                ):
                    # who brings balances first: the others share what is left
                    joining = sorted(sessions, key=lambda one: one.strategy.balances is None)
                    for number, session in enumerate(joining):
                        session.join(manager, states, [one.strategy for one in joining[number:]])
                    manager.balances.tell(states.see_balances)
                    await manager.ready()
                    # What is there now stays: nothing of it shall be walked again, which
                    # takes a fifth of a second, while a signal waits.
                    gc.collect()
                    gc.freeze()
                    trading.set()
                    ends = (session.trade() for session in sessions)
                    return _all_of(await asyncio.gather(*ends, return_exceptions=True))


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


def _all_of(ends: Sequence[SessionSummary | BaseException]) -> list[SessionSummary]:
    """Give the summaries, or raise the first error once all have ended."""
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return [end for end in ends if isinstance(end, SessionSummary)]
