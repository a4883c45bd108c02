"""Whose turn it is: which of the sessions that were asked for may begin, beside those that run.

One session a strategy and venue at a time, and one an account. The settings name one account
of each venue, so that a venue stands for its account here; a session itself locks the account
that the venue tells it of.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from arb_pipelines.research.request_folder import Asked

#: How a key ends after strategy and venue: ``-20260105T093000Z``.
_STAMP = len("-20260105T093000Z")


@dataclass(frozen=True, slots=True)
class Turn:
    """A request, and why it has to wait; ``None`` lets it begin."""

    asked: Asked
    wait: str | None


def whose_turn(asked: Iterable[Asked], active: Collection[str]) -> list[Turn]:
    """Decide about each request, in their order, beside the sessions of the keys ``active``.

    A request whose own session is active has had its turn, and is left out.
    """
    busy = list(active)
    turns = []
    for each in asked:
        if each.request.key in busy:
            continue
        wait = next((reason for key in busy if (reason := _in_the_way(each, key))), None)
        turns.append(Turn(each, wait))
        if wait is None:
            busy.append(each.request.key)
    return turns


def _in_the_way(asked: Asked, key: str) -> str | None:
    who = key[:-_STAMP]
    if who == f"{asked.strategy}-{asked.venue}":
        return f"{asked.request.key} waits for {key}: one session a strategy and venue at a time"
    if who.endswith(f"-{asked.venue}"):
        return f"{asked.request.key} waits for {key}: one session an account at a time"
    return None
