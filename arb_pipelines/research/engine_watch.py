"""What a person has to look at in the engines' state: breached limits, and cycles that stick.

Each is told once and again only when it comes anew; what is over is over by itself. Who tells
people of it is in ``sensors.engine``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from arb_pipelines.clock import NS_PER_S, iso, now_ns
from arb_pipelines.errors import ArbError
from arb_pipelines.execution.state.reader import StateReader
from arb_pipelines.execution.state.values import Cycle, CycleState
from arb_pipelines.research.state_files import StateFile, reading_state, state_files
from arb_pipelines.research.state_reports import pauses_in, renewed
from arb_pipelines.settings import Settings
from arb_pipelines.trading.risk.breakers import BY_PERSON

#: A panic sale that finds a market is over long before; one that lasts holds what it cannot sell.
_PANIC_S = 30


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that stands: ``key`` is its own as long as it does; ``facts`` are plain."""

    key: str
    event: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class News:
    """What began since the last look, keys of what is over, and the cursor of this look."""

    began: Sequence[Trouble]
    over: Sequence[str]
    cursor: str


def news(cursor: str | None, standing: Iterable[Trouble]) -> News:
    """Tell apart what is new, what was told, and what is over."""
    told: set[str] = set(orjson.loads(cursor)) if cursor else set()
    now = {trouble.key: trouble for trouble in standing}
    return News(
        [trouble for key, trouble in now.items() if key not in told],
        sorted(told - now.keys()),
        orjson.dumps(sorted(now)).decode(),
    )


def breached_limits(settings: Settings) -> list[Trouble]:
    """Find the risk limits whose breach has a strategy paused; a person's own pause is none."""
    return _in_all_files(settings, _breached)


def stuck_cycles(settings: Settings, at_ns: int | None = None) -> list[Trouble]:
    """Find the cycles that do not come to their end by themselves, as of a time, default now.

    One is open for longer than the settings allow, its panic sale holds what it cannot sell,
    or no engine runs on its account.
    """
    now = now_ns() if at_ns is None else at_ns
    return _in_all_files(settings, partial(_stuck, now=now, longest_s=settings.stuck_after_s))


def _in_all_files(
    settings: Settings, look: Callable[[StateFile, sqlite3.Connection], list[Trouble]]
) -> list[Trouble]:
    """Look into every state file; one that cannot be read hides none of the others."""
    found = []
    for file in state_files(settings):
        try:
            with reading_state(file) as connection:
                found += look(file, connection)
        except ArbError as error:
            facts = {"account": file.name, "reason": str(error)}
            found.append(Trouble(f"{file.name}/unread", "state cannot be read", facts))
    return found


def _breached(file: StateFile, connection: sqlite3.Connection) -> list[Trouble]:
    return [
        Trouble(
            f"{file.name}/{strategy}/{pause.check}/{pause.since_ns}",
            "risk limit breached",
            {
                "account": file.name,
                "strategy": strategy,
                "check": pause.check,
                "reason": pause.why,
                "since": iso(pause.since_ns),
                "until": f"a person resumes it: arb strategy resume {strategy} --reason WHY"
                if pause.until_ns is None
                else iso(pause.until_ns),
            },
        )
        for strategy, pause in pauses_in(connection)
        if pause.check != BY_PERSON
    ]


def _stuck(
    file: StateFile, connection: sqlite3.Connection, *, now: int, longest_s: float
) -> list[Trouble]:
    state = StateReader(connection)
    alive = renewed(state.lease, now)
    return [
        Trouble(
            f"{file.name}/{cycle.id}",
            "cycle is stuck",
            {
                "account": file.name,
                "cycle": cycle.id,
                "strategy": cycle.strategy,
                "state": str(cycle.state),
                "reason": reason,
                "in_hand": {of: f"{amount:f}" for of, amount in cycle.held.items()},
                "started": iso(cycle.started_ns),
            },
        )
        for cycle in state.open_cycles()
        if (reason := _why_stuck(cycle, now, longest_s, alive=alive)) is not None
    ]


def _why_stuck(cycle: Cycle, now: int, longest_s: float, *, alive: bool) -> str | None:
    if not alive:
        return "no engine runs on its account; start one, which brings it to its end"
    if now - cycle.updated_ns > _PANIC_S * NS_PER_S and cycle.state is CycleState.PANIC_SELLING:
        return "its panic sale holds what it finds no way for"
    if now - cycle.started_ns > longest_s * NS_PER_S:
        return f"open for over {longest_s:g} s"
    return None
