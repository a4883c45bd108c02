"""Handing a request to the process that trades its account, instead of having it wait.

An account has one process, and that may host several strategies. So a request in whose way is
nothing but its account goes to a session that trades there, over its control socket, as
``arb strategy add`` does. It is the running process that decides, and begins the session.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.control.client import ask
from arb_pipelines.execution.records.values import SessionState
from arb_pipelines.research.request_folder import Asked
from arb_pipelines.research.session_folders import heartbeats
from arb_pipelines.research.session_turns import Turn, trades_at
from arb_pipelines.settings import Settings


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What is said of each request, and why whom refused which: ``"<request> <session>"``."""

    said: list[str]
    refused: dict[str, str]


def hand_over(
    settings: Settings,
    waiting: Iterable[Turn],
    hosted: Collection[str],
    refused: Mapping[str, str],
    now_ns: int,
) -> HandedOver:
    """Offer each request that may join to a session on its account, and say what came of it.

    ``hosted`` are the keys of sessions whose runs Dagster has under way: a process that a person
    began is left alone. Who has ``refused`` a request is not asked again, since each time costs
    those that trade some milliseconds.
    """
    said, still = [], {}
    for turn in waiting:
        key = turn.asked.request.key
        host = _host_of(settings, turn.asked, hosted, now_ns) if turn.may_join else None
        if host is None:
            said.append(str(turn.wait))
            continue
        pair = f"{key} {host}"
        why = refused.get(pair) or _refusal(settings, turn.asked, host)
        if why is None:
            said.append(f"{key} trades in the process of {host}")
        else:
            still[pair] = why
            said.append(f"{turn.wait}, and it was not taken in: {why}")
    return HandedOver(said, still)


def _host_of(settings: Settings, asked: Asked, hosted: Collection[str], now_ns: int) -> str | None:
    """Find a session that trades the account, in a process that a run of Dagster's is."""
    beats = heartbeats(settings)
    processes = {beats[key].pid for key in hosted if key in beats}
    return next(
        (
            key
            for key, beat in beats.items()
            if trades_at(key, asked.venue)
            and beat.pid in processes
            and beat.state == SessionState.RUNNING
            and not beat.silent(now_ns)
        ),
        None,
    )


def _refusal(settings: Settings, asked: Asked, host: str) -> str | None:
    try:
        ask(settings.sessions / host, "add", {"strategy": str(asked.file)})
    except ConfigError as error:
        return str(error)
    return None
