"""Every session there is word of: asked for, running, ended or lost, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from arb_pipelines.clock import iso, now_ns
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.store import Lake
from arb_pipelines.research.request_folder import waiting_requests
from arb_pipelines.research.session_folders import heartbeats
from arb_pipelines.research.session_reports import SessionStanding, session_rows, session_standing
from arb_pipelines.research.session_requests import checked_key


@dataclass(frozen=True, slots=True)
class Listed:
    """One session at a glance. ``heard`` is its last sign of life, as text."""

    session: str
    state: str
    mode: str | None = None
    heard: str | None = None
    executions: int | None = None
    remark: str | None = None


def list_sessions(lake: Lake) -> list[Listed]:
    """List the sessions that wait, then those there are, newest first.

    ``state`` is 'asked' while its request waits, then the heartbeat's or the lake's word;
    'silent' if a heartbeat is overdue. A file that is no request shows why.
    """
    asked, wrong = waiting_requests(lake.settings)
    waiting = [
        Listed(each.request.key, "asked", each.request.mode, iso(each.request.asked_ns))
        for each in asked
    ]
    return [
        *(Listed(one.file.name, "rejected", remark=one.reason) for one in wrong),
        *waiting,
        *sorted(_known(lake), key=lambda one: one.session[-16:], reverse=True),
    ]


def show_session(lake: Lake, key: str) -> dict[str, Any]:
    """Give all there is to know of a session at a glance, by name.

    Raises:
        ConfigError: there is no word of it, or it is no key.
    """
    checked_key(key)
    facts: dict[str, Any] = {}
    waiting = [each for each in waiting_requests(lake.settings)[0] if each.request.key == key]
    if waiting:
        facts |= {"state": "asked", "request": str(waiting[0].file)}
    if (standing := _standing(lake, key)) is not None:
        facts |= {name: value for name, value in standing.row.items() if value is not None}
        facts |= {
            "profit": dict(standing.profit),
            "refusals": standing.refusals,
            "latency_p50_ms": dict(standing.latency_ms("p50")),
            "latency_p99_ms": dict(standing.latency_ms("p99")),
        }
    folder = lake.settings.sessions / key
    if (folder / "request.yaml").exists():
        facts = {"state": "starting", "folder": str(folder)} | facts
    if (beat := heartbeats(lake.settings).get(key)) is not None:
        facts |= {"state": beat.state, "heard": iso(beat.ts_ns), "pid": beat.pid}
        facts |= {"silent": beat.silent(now_ns()), "now": dict(beat.counts)}
    if not facts:
        raise ConfigError("no such session; see arb session list", source=key)
    return {"session": key} | facts


def _known(lake: Lake) -> Iterator[Listed]:
    rows = {row["session"]: row for row in _rows(lake)}
    beats, now = heartbeats(lake.settings), now_ns()  # the lake may take its time
    begun = {file.parent.name for file in lake.settings.sessions.glob("*/request.yaml")}
    for key in beats.keys() | rows.keys() | begun:
        row, beat = rows.get(key, {}), beats.get(key)
        heard_ns = max(row.get("ts_heard", 0), beat.ts_ns if beat else 0)
        state, remark = row.get("state", "starting"), row.get("end_reason")
        if beat is not None:
            state = "silent" if beat.silent(now) else beat.state
            remark = remark or beat.counts.get("reason")
        yield Listed(
            key,
            state,
            row.get("mode"),
            iso(heard_ns) if heard_ns else None,
            row.get("executions"),
            remark,
        )


def _rows(lake: Lake) -> list[dict[str, Any]]:
    try:
        return session_rows(lake)
    except DataError:  # no lake yet
        return []


def _standing(lake: Lake, key: str) -> SessionStanding | None:
    try:
        return session_standing(lake, key)
    except DataError:  # no lake yet
        return None
