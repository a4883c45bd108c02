"""The sessions on one connection: those it begins with, and those that come while others trade.

A session that is replaced takes no more signals from that moment on, and settles what it has in
flight; the one in its place trades at once, as a session with a key and a folder of its own, with
what the other has free. What the other's executions still bring comes to it, and counts against
its limits. A file that does not do changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from arb_pipelines.clock import NS_PER_S, now_ns
from arb_pipelines.errors import ArbError, ConfigError
from arb_pipelines.execution.locks import held
from arb_pipelines.execution.manager import SessionManager
from arb_pipelines.execution.records.heartbeat import beat
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.research.hosted_session import HostedSession
from arb_pipelines.research.request_folder import begin_session, requests_folder, waiting_request
from arb_pipelines.research.session_requests import SessionRequest, session_key
from arb_pipelines.research.session_state import AccountStates
from arb_pipelines.research.session_values import SessionBrokenOff, SessionSummary
from arb_pipelines.trading.strategy import load_strategy

Make = Callable[[SessionRequest], HostedSession]
OnEnd = Callable[[SessionSummary], None]


def unheeded(summary: SessionSummary) -> None:
    """Take no note of what came of a session."""


class SessionHost:
    """Sessions on one connection; ``sessions`` grows by those that come later.

    ``make`` gives the session of a request, checked; ``opened`` lasts as long as they trade.
    ``on_end`` is told what came of each that traded when it ends, by an error too.
    """

    def __init__(
        self,
        sessions: list[HostedSession],
        manager: SessionManager,
        states: AccountStates,
        make: Make,
        opened: ExitStack,
        on_end: OnEnd = unheeded,
    ) -> None:
        self._sessions, self._manager, self._states = sessions, manager, states
        self._make, self._opened, self._on_end = make, opened, on_end
        self._locks: dict[str, ExitStack] = {}
        self._ends: dict[str, SessionSummary | BaseException] = {}
        self._tasks = asyncio.TaskGroup()

    def join(self) -> None:
        """Give each session its money and its container.

        Raises:
            ConfigError: switches, key or balances of one do not do.
            DataError: the venue has none of a strategy's cycles.
        """
        # who brings balances first: the others share what is left
        joining = sorted(self._sessions, key=lambda one: one.strategy.balances is None)
        for number, session in enumerate(joining):
            self._join(session, joining[number:])

    async def run(self) -> list[SessionSummary]:
        """Let all trade until the last has ended; raise the first error then."""
        async with self._tasks:
            for session in self._sessions:
                self._tasks.create_task(self._trade(session))
        ends = [self._ends[session.request.key] for session in self._sessions]
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return [end for end in ends if isinstance(end, SessionSummary)]

    def bring(self, by: HostedSession, file: Path, instead: bool) -> str:
        """Have a strategy's file traded, instead of the session that was asked or beside it.

        Beside it, the file may be that of a request that waits, which is held to all it says.
        Gives the key of its session, which has begun.

        Raises:
            ConfigError: the file, switches or balances do not do, the session is stopping, or
                the strategy's name is another's, or its own.
            DataError: the venue has none of its cycles.
        """
        request = self._request(by, file, instead)
        session = self._make(request)
        settings, venue = session.lake.settings, self._manager.connection.venue
        if session.strategy.exchange != venue:
            raise ConfigError(
                f"trades at {session.strategy.exchange}, not {venue}", source=str(file)
            )
        places_orders = session.permitted(self._manager.connection).places_orders
        if places_orders and self._states.seller is None:
            raise ConfigError(
                "places orders, and this process began with none that does: what a crash left "
                "open is looked for at a start alone; stop this one, and start it by itself",
                source=str(file),
            )
        if by.stopping:
            raise ConfigError(
                "is stopping, so nothing takes its place or joins it", source=by.request.key
            )
        session.late = True
        with ExitStack() as taken:
            if instead:
                session.takes_over = by
            else:
                name = f"{session.strategy.name}@{venue}"
                taken.enter_context(held(settings.sessions / "locks", name, request.key))
            self._join(session, [session])
            lock = self._opened.enter_context(taken.pop_all())
        # a place is taken with the lock on its name, if that came with a late one
        self._locks[request.key] = self._locks.pop(by.request.key, lock) if instead else lock
        begin_session(settings, request)
        self._sessions.append(session)
        self._tasks.create_task(self._trade(session))
        return request.key

    def _join(self, session: HostedSession, waiting: list[HostedSession]) -> None:
        session.bring = partial(self.bring, session)
        session.join(self._manager, self._states, [one.strategy for one in waiting])

    async def _trade(self, session: HostedSession) -> None:
        (end,) = await asyncio.gather(self._told(session), return_exceptions=True)
        self._ends[session.request.key] = end
        if isinstance(end, SessionSummary):  # what it has is free for others
            await self._manager.remove(session.name, "ended")
        if len(self._ends) < len(self._sessions):
            self._states.take_over(session.request.key)
        self._locks.pop(session.request.key, ExitStack()).close()
        summary = end if isinstance(end, SessionSummary) else session.broken_off
        if summary is not None:
            self._on_end(summary)

    async def _told(self, session: HostedSession) -> SessionSummary:
        if not session.late:  # the failure of one of the first is told by who began them
            return await session.trade()
        with failure_told(session):
            return await session.trade()

    def _request(self, by: HostedSession, file: Path, instead: bool) -> SessionRequest:
        settings = by.lake.settings
        waits = not instead and file.parent == requests_folder(settings)
        asked = waiting_request(settings, file) if waits else None
        name = load_strategy(file).name if asked is None else asked.strategy
        now = now_ns()
        trading = {one.strategy.name for one in self._sessions if one.request.key not in self._ends}
        if instead and name != by.strategy.name:
            raise ConfigError(
                f"name: {name} cannot take the place of {by.strategy.name}; give the file that "
                "name, or bring it with arb strategy add",
                source=str(file),
            )
        if not instead and name in trading:
            raise ConfigError(
                f"name: {name} trades already; see arb strategy replace", source=str(file)
            )
        key = session_key(name, self._manager.connection.venue, now)
        key = key if asked is None else asked.request.key
        if any(one.request.key == key for one in self._sessions):
            raise ConfigError("began within this second; ask again in a second", source=key)
        if asked is not None:
            return asked.request
        was = by.request
        minutes = was.minutes if instead else None
        if minutes is not None:
            minutes = max(minutes - (now - was.asked_ns) / (60 * NS_PER_S), 0.001)
        return SessionRequest(
            key, file, was.venue, was.mode, minutes, now,
            continues=was.key if instead else None,
            cycles=was.cycles if instead else None,
            dry_run=was.dry_run,
        )  # fmt: skip


@contextmanager
def failure_told(session: HostedSession) -> Iterator[None]:
    """Have a session's heartbeat say that it starts, and that it failed if it ends by an error.

    The error of another of its process is none of one that has told its own end.
    """
    session.folder.mkdir(parents=True, exist_ok=True)
    beat(session.folder, "starting", {})
    try:
        yield
    except (ArbError, asyncio.CancelledError) as error:
        said = str(error) or f"{session.request.key}: asked to end before it began to trade"
        if not session.told:
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
