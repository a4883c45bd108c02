"""Ending, in order, the sessions of services that are about to end."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from arb_pipelines.clock import now_ns
from arb_pipelines.research.session_folders import Heartbeat, active_sessions, heartbeats
from arb_pipelines.settings import Settings

#: A session settles, writes and ends within 10 s.
_PATIENCE_S = 12.0


def end_sessions_of(settings: Settings, leader: int, *, within_s: float = _PATIENCE_S) -> None:
    """Ask the sessions in the process session that ``leader`` leads to end; wait until they have.

    Their processes too, which have to tell of it. One that begins meanwhile is asked as
    well; one that takes longer is left as it is.
    """
    asked: set[int] = set()
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        begun = {beat.pid for beat in _hosted_by(settings, leader)} - asked
        for pid in begun:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        asked |= begun
        if not any(_leader_of(pid) == leader for pid in asked):
            return
        time.sleep(0.1)


def _hosted_by(settings: Settings, leader: int) -> list[Heartbeat]:
    beats = heartbeats(settings)
    active = (beats[key] for key in active_sessions(settings, now_ns()) if key in beats)
    return [beat for beat in active if _leader_of(beat.pid) == leader]


def _leader_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
