"""Pausing and resuming a strategy, and how it stands: on the tables of a state file.

For who holds the file open: the engine that trades, or a command while none does.
"""

from __future__ import annotations

from dataclasses import dataclass

from arb_pipelines.errors import ConfigError
from arb_pipelines.execution.state.risk import RiskEvent, RiskTables
from arb_pipelines.trading.risk.book import RiskBook
from arb_pipelines.trading.risk.breakers import BY_PERSON, Pause


@dataclass(frozen=True, slots=True)
class Standing:
    """How a strategy stands: what pauses it, its counters, and what was last told of pauses.

    ``last`` is newest first.
    """

    strategy: str
    pauses: tuple[Pause, ...]
    book: RiskBook | None
    last: tuple[RiskEvent, ...]


def standing(tables: RiskTables, strategy: str, *, last: int = 10) -> Standing:
    """Say how a strategy stands in a state file."""
    return Standing(
        strategy,
        tables.pauses(strategy),
        tables.book(strategy),
        tuple(tables.events(strategy, last)),
    )


def pause_strategy(
    tables: RiskTables, strategy: str, *, who: str, reason: str, now_ns: int
) -> RiskEvent:
    """Have a strategy begin nothing until a person resumes it, over restarts, too.

    Raises:
        ConfigError: no reason is given.
    """
    event = RiskEvent(strategy, now_ns, "paused", BY_PERSON, _said(reason), who)
    tables.note(event)
    return event


def resume_strategy(
    tables: RiskTables, strategy: str, *, who: str, reason: str, now_ns: int
) -> RiskEvent:
    """End every pause of a strategy; what was breached is measured anew from here on.

    Raises:
        ConfigError: no reason is given, or it is not paused.
    """
    why = _said(reason)
    with tables.together():
        pauses = tables.pauses(strategy)
        if not pauses:
            raise ConfigError("it is not paused by risk or a person", source=strategy)
        event = RiskEvent(strategy, now_ns, "resumed", None, why, who)
        tables.note(event)
        tables.forgive(strategy, {pause.check for pause in pauses})
    return event


def _said(reason: str) -> str:
    said = " ".join(reason.split())
    if not said:
        raise ConfigError("say why; it is kept with the strategy's history", source="reason")
    return said
