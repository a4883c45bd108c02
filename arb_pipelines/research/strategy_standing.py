"""How a strategy stands with its risk limits, and pausing and resuming it, running or not.

A session that runs is asked over its socket, since it alone writes its account's state. Where
none runs, the state file is written here, under the same lock. What a session does about its
own pauses is in ``session_pauses``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arb_pipelines.clock import now_ns
from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.control.client import ask
from arb_pipelines.execution.risk import pauses
from arb_pipelines.execution.risk.pauses import Standing
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.risk import RiskTables, risk_read
from arb_pipelines.research.session_folders import active_sessions
from arb_pipelines.research.state_files import StateFile, reading_state, state_files
from arb_pipelines.settings import Settings


@dataclass(frozen=True, slots=True)
class Changed:
    """Where a strategy was paused or resumed: a session that runs, or a state file."""

    where: str
    running: bool


def running_sessions(settings: Settings, strategy: str) -> list[str]:
    """Give the keys of the sessions that run a strategy, as they say themselves."""
    found = []
    for key in active_sessions(settings, now_ns()):
        if not key.startswith(f"{strategy}-"):
            continue
        try:
            config = ask(settings.sessions / key, "config")["config"]
        except ConfigError:  # it ended, or was killed, a moment ago
            continue
        if config["strategy"]["name"] == strategy:
            found.append(key)
    return found


def standing(settings: Settings, strategy: str) -> Mapping[str, Standing]:
    """Say how a strategy stands, by the name of each state file that knows of it.

    Raises:
        ConfigError: none does, or the key of the settings does not open a file.
        DataError: a file cannot be read.
    """
    found: dict[str, Standing] = {}
    for file in _knowing(settings, strategy):
        with reading_state(file) as connection:
            found[file.name] = pauses.standing(risk_read(connection), strategy)
    return found


def pause_strategy(settings: Settings, strategy: str, *, who: str, reason: str) -> list[Changed]:
    """Have a strategy begin nothing, now and after restarts, until a person resumes it.

    Raises:
        ConfigError: no session runs it and no state knows of it, or another engine has its
            state file; says which.
    """

    def pause(tables: RiskTables) -> None:
        pauses.pause_strategy(tables, strategy, who=who, reason=reason, now_ns=now_ns())

    asked = {"keep": True, "who": who, "reason": reason}
    return _change(settings, strategy, "pause", asked, _knowing, pause)


def resume_strategy(settings: Settings, strategy: str, *, who: str, reason: str) -> list[Changed]:
    """End every pause of a strategy; who, when and why are kept in its state.

    Raises:
        ConfigError: no reason is given, it is not paused, or another engine has its state file.
    """

    def resume(tables: RiskTables) -> None:
        pauses.resume_strategy(tables, strategy, who=who, reason=reason, now_ns=now_ns())

    return _change(settings, strategy, "resume", {"who": who, "reason": reason}, _pausing, resume)


def _change(
    settings: Settings,
    strategy: str,
    op: str,
    asked: Mapping[str, Any],
    which: Callable[[Settings, str], Sequence[StateFile]],
    write: Callable[[RiskTables], None],
) -> list[Changed]:
    """Ask the sessions that run a strategy; where none does, write the state files."""
    running = running_sessions(settings, strategy)
    if running:
        for key in running:
            ask(settings.sessions / key, op, asked)
        return [Changed(key, running=True) for key in running]
    changed = []
    for file in which(settings, strategy):
        with open_state(
            file.database.path,
            key=settings.state_key,
            durability=settings.state_durability,
            holder=f"arb strategy {op}",
        ) as store:
            write(store.risk)
        changed.append(Changed(file.name, running=False))
    return changed


def _knowing(settings: Settings, strategy: str) -> list[StateFile]:
    """List the state files that know of a strategy.

    Raises:
        ConfigError: none does.
    """
    found, known = [], set()
    for file in state_files(settings):
        with reading_state(file) as connection:
            names = risk_read(connection).strategies()
        known |= set(names)
        if strategy in names:
            found.append(file)
    if not found:
        others = f"; known are {', '.join(sorted(known))}" if known else ""
        raise ConfigError(f"no state knows of it: it has never traded{others}", source=strategy)
    return found


def _pausing(settings: Settings, strategy: str) -> list[StateFile]:
    """List the state files in which a strategy is paused.

    Raises:
        ConfigError: there is none.
    """
    found = []
    for file in _knowing(settings, strategy):
        with reading_state(file) as connection:
            if risk_read(connection).pauses(strategy):
                found.append(file)
    if not found:
        raise ConfigError("is not paused by a limit or a person", source=strategy)
    return found
