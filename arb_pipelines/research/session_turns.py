"""Whose turn it is: which of the sessions that were asked for may begin, beside those that run.

One session a strategy and venue at a time, and one process an account. The settings name one
account of each venue, so that a venue stands for its account here; a process itself locks the
account that the venue tells it of. Who may join one that runs, ``session_handover`` sees to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from arb_pipelines.research.request_folder import Asked

#: How a key ends after strategy and venue: ``-20260105T093000Z``.
_STAMP = len("-20260105T093000Z")


@dataclass(frozen=True, slots=True)
class Turn:
    """A request, and why it has to wait; ``None`` lets it begin.

    One that ``may_join`` waits for nothing but its account, which others trade.
    """

    asked: Asked
    wait: str | None
    may_join: bool = False


def whose_turn(asked: Iterable[Asked], active: Collection[str]) -> list[Turn]:
    """Decide about each request, in their order, beside the sessions of the keys ``active``.

    A request whose own session is active has had its turn, and is left out.
    """
    busy = list(active)
    turns = []
    for each in asked:
        if each.request.key in busy:
            continue
        turn = _turn(each, busy)
        turns.append(turn)
        if turn.wait is None:
            busy.append(each.request.key)
    return turns


def trades_at(key: str, venue: str) -> bool:
    """Whether a key is that of a session at ``venue``."""
    return key[:-_STAMP].endswith(f"-{venue}")


def _turn(asked: Asked, busy: Collection[str]) -> Turn:
    key, who = asked.request.key, f"{asked.strategy}-{asked.venue}"
    for other in busy:
        if other[:-_STAMP] == who:
            wait = f"{key} waits for {other}: one session a strategy and venue at a time"
            return Turn(asked, wait)
    for other in busy:
        if trades_at(other, asked.venue):
            wait = f"{key} waits for {other}: one session an account at a time"
            return Turn(asked, wait, may_join=True)
    return Turn(asked, None)
