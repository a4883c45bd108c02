"""Pausing and resuming a strategy, and how it stands: on the tables of a state file.

For who holds the file open: the engine that trades, or a command while none does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from arb_pipelines.clock import iso
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


def standing_facts(found: Standing) -> dict[str, Any]:
    """Give it as plain values: exact amounts as text, times in RFC 3339."""
    book = found.book
    return {
        "paused": {
            pause.check: {
                "why": pause.why,
                "since": iso(pause.since_ns),
                "until": "a person resumes" if pause.until_ns is None else iso(pause.until_ns),
            }
            for pause in found.pauses
        },
        "day": None if book is None else str(book.day),
        "cycles": 0 if book is None else book.cycles,
        "losses_in_a_row": 0 if book is None else book.in_a_row,
        "profit_today": {} if book is None else _plain(book.today),
        "profit": {} if book is None else _plain(book.profit),
        "below_peak": {}
        if book is None
        else _plain({currency: book.below_peak(currency) for currency in book.profit}),
        "last": [
            {"time": iso(event.ts_ns), "what": event.what, "check": event.check}
            | {"why": event.why, "who": event.who}
            for event in found.last
        ],
    }


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


def _plain(amounts: Mapping[str, Decimal]) -> dict[str, str]:
    return {currency: f"{amount:f}" for currency, amount in amounts.items()}
