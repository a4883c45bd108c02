"""What the folders of sessions tell: which run, which ended, and which went silent.

A session beats every second into ``<ARB_HOME>/sessions/<key>/heartbeat.json``; one that was
not heard of for a while without having ended is lost. What it did is in the lake.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.settings import Settings

#: Silence after which a session is lost.
SILENCE_NS = 15 * NS_PER_S
#: The same while it connects and asks for symbols and fees, which takes its time and beats once.
_SILENCE_AT_START_NS = 180 * NS_PER_S
#: Beats that a session whose run is over may still have missed, in time.
_LATE_NS = 3 * NS_PER_S
#: States of a heartbeat after which no other comes.
_OVER = {"ended", "failed", "lost"}


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The last sign of life of a session: when, of which process, and what it counted."""

    key: str
    ts_ns: int
    pid: int
    state: str
    counts: Mapping[str, Any]

    @property
    def over(self) -> bool:
        """Whether the session said that it ended, or was found to be lost."""
        return self.state in _OVER

    def silent(self, now_ns: int) -> bool:
        """Whether it is not over and was not heard of for too long.

        One heard of in a future is as silent: the clock was set back, and a session that
        lives beats by the new one.
        """
        patience_ns = _SILENCE_AT_START_NS if self.state == "starting" else SILENCE_NS
        return not self.over and abs(now_ns - self.ts_ns) > patience_ns


def heartbeats(settings: Settings) -> dict[str, Heartbeat]:
    """Read the last heartbeat of every session that has one, by key, in order of keys."""
    found = (_read(file) for file in sorted(settings.sessions.glob("*/heartbeat.json")))
    return {beat.key: beat for beat in found if beat is not None}


def active_sessions(settings: Settings, now_ns: int) -> list[str]:
    """List the keys of the sessions that run, by their heartbeats."""
    beats = heartbeats(settings).values()
    return [beat.key for beat in beats if not beat.over and not beat.silent(now_ns)]


def lost_sessions(settings: Settings, now_ns: int, finished: Collection[str]) -> list[Heartbeat]:
    """List the sessions that went silent, those whose runs are over (``finished``) at once.

    A run may be marked as over while its process lives: that session is not lost.
    """
    return [
        beat
        for beat in heartbeats(settings).values()
        if beat.silent(now_ns)
        or (not beat.over and beat.key in finished and abs(now_ns - beat.ts_ns) > _LATE_NS)
    ]


def mark_lost(settings: Settings, beat: Heartbeat) -> None:
    """Write into a session's folder that it is lost; one that is heard of again says otherwise."""
    file = settings.sessions / beat.key / "heartbeat.json"
    document = orjson.loads(file.read_bytes()) | {"state": "lost"}
    part = file.with_name(f".heartbeat.{os.getpid()}.part")
    part.write_bytes(orjson.dumps(document))
    part.replace(file)


def _read(file: Path) -> Heartbeat | None:
    """Read one, such as ``{"ts_ns": 1, "pid": 7, "state": "running", "executions": 3}``."""
    try:
        said = orjson.loads(file.read_bytes())
        counts = {k: v for k, v in said.items() if k not in {"ts_ns", "pid", "state"}}
        return Heartbeat(
            file.parent.name, int(said["ts_ns"]), int(said["pid"]), str(said["state"]), counts
        )
    except (OSError, ValueError, KeyError, TypeError):  # removed meanwhile, or not ours
        return None
