"""Sessions that went without a word: they are marked, and perhaps asked for again.

And those that said their last word while the lake was away: it is brought there later.
"""

from __future__ import annotations

from dataclasses import dataclass

from arb_pipelines.clock import NS_PER_S, iso
from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction
from arb_pipelines.research.lost_records import bring_records
from arb_pipelines.research.request_folder import drop_request
from arb_pipelines.research.session_folders import Heartbeat, heartbeats, mark_lost
from arb_pipelines.research.session_requests import (
    RequestFile,
    new_request,
    session_key,
    strategy_file,
)
from arb_pipelines.trading.strategy import load_strategy
from arb_pipelines.yaml_files import read_model

#: A session that was lost sooner than this after its start would be lost again.
_TOO_SOON_NS = 60 * NS_PER_S
_ENDED = (SessionState.ENDED, SessionState.FAILED)


@dataclass(frozen=True, slots=True)
class LostSession:
    """A session that was lost: when it was last heard of, and what follows from it."""

    session: str
    heard: str
    pid: int
    restart: str


def give_up(lake: Lake, beat: Heartbeat) -> LostSession:
    """Mark a session as lost in the lake and in its folder, and ask for another if it is to be.

    What its journal has and the lake has not is brought there first; orders that were in
    flight are named in its end reason. Doing this again changes nothing.
    """
    heard = iso(beat.ts_ns)
    folder = lake.settings.sessions / beat.key
    reason = bring_records(lake, folder, f"not heard of since {heard}")

    def mark(transaction: Transaction) -> None:
        transaction.connection.execute(
            "UPDATE live_sessions SET state = ?, end_reason = ? WHERE session = ? AND state = ?",
            [SessionState.LOST, reason, beat.key, SessionState.RUNNING],
        )

    lake.commit(mark)
    restart = _restart(lake, beat)
    mark_lost(lake.settings, beat)
    return LostSession(beat.key, heard, beat.pid, restart)


def late_sessions(lake: Lake) -> list[Heartbeat]:
    """List the sessions that have ended, and of whose end the lake knows nothing."""
    over = [beat for beat in heartbeats(lake.settings).values() if beat.state in _ENDED]
    if not over:
        return []
    try:
        rows = lake.query("SELECT session, state FROM live_sessions").rows()
    except DataError:  # no lake yet
        rows = []
    told = dict(rows)
    return [
        beat
        for beat in over
        if told.get(beat.key) == SessionState.RUNNING
        or (beat.key not in told and beat.counts.get("unwritten"))
    ]


def bring_end(lake: Lake, beat: Heartbeat) -> None:
    """Bring to the lake what the journal of a session has that ended while the lake was away."""
    reason = str(beat.counts.get("reason") or "ended while the lake was away")
    bring_records(lake, lake.settings.sessions / beat.key, reason)

    def tell(transaction: Transaction) -> None:
        transaction.connection.execute(
            "UPDATE live_sessions SET state = ?, end_reason = ? WHERE session = ?",
            [beat.state, reason, beat.key],
        )

    lake.commit(tell)


def _restart(lake: Lake, beat: Heartbeat) -> str:
    """Ask for a session that continues a lost one, if its strategy says so; say what was done."""
    file = lake.settings.sessions / beat.key / "request.yaml"
    try:
        said = read_model(file, RequestFile)
        strategy = load_strategy(strategy_file(lake.settings, said.strategy))
        if not strategy.session.restart:
            return "no: session.restart is not set"
        started_ns = file.stat().st_mtime_ns
        lasted_ns = beat.ts_ns - started_ns
        if lasted_ns < _TOO_SOON_NS:
            return "no: it was lost within a minute of its start"
        left = None if said.minutes is None else said.minutes - lasted_ns / (60 * NS_PER_S)
        if left is not None and left <= 0:
            return "no: its time was over"
        key = session_key(strategy.name, said.venue or strategy.exchange, beat.ts_ns)
        request = new_request(
            lake.settings,
            said.strategy,
            venue=said.venue,
            mode=said.mode,
            minutes=left,
            continues=beat.key,
            cycles=said.cycles,
            dry_run=said.dry_run,
            key=key,
        )
        drop_request(lake.settings, request)
    except ConfigError as error:
        return f"no: {error}"
    return f"asked for as {key}"
