"""Following an order that left, or may have, to its end: asked until it is known.

Whatever the answer to an order was (or if there was none), what became of it is what the
account tells. Who sends orders, and what is booked of them, belongs to ``venue_broker`` and
``runner``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from arb_pipelines.errors import (
    Fatal,
    OutcomeUnknown,
    ProtocolViolation,
    Rejected,
    Transient,
    Unfunded,
)
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import OrderEntry, OrderReport
from arb_pipelines.venues.retry import Patience

#: Look-ups of one order: the first pause, doubled each time up to the longest.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
#: Pauses before an order that did not leave is tried again.
_AGAIN = Patience(first_wait_s=0.05, longest_wait_s=1.0)
#: So little time is none: a timer does not tell it from nothing, and would wait for it for ever.
_NO_TIME_S = 1e-6
#: By then a pause is as long as it gets.
_MOST_FAILURES = 10

TurnAway = Callable[[Fatal | ProtocolViolation], object]
Ask = Callable[[float], Awaitable[OrderReport | None]]


class Answer(Enum):
    """What the venue said to an order."""

    AWAITED = auto()
    ACCEPTED = auto()
    LOST = auto()


class Unresolved(Enum):
    """Why an order's end is not known: it never arrived, or the venue tells us nothing more."""

    NEVER_ARRIVED = auto()
    NOT_TOLD = auto()


@dataclass(slots=True, eq=False)
class Sending:
    """One attempt to send an order, and what was answered to it.

    ``since_s`` is when it was first tried, on the loop's clock.
    """

    client_id: str
    symbol: str
    since_s: float
    answer: Answer = Answer.AWAITED

    @property
    def waited_ms(self) -> float:
        """Time since it was first tried."""
        return (asyncio.get_running_loop().time() - self.since_s) * 1e3


class Waits(Protocol):
    """How long to wait for what, as ``SessionRules`` has it."""

    @property
    def fill_wait_ms(self) -> float: ...
    @property
    def leg_timeout_ms(self) -> float: ...
    @property
    def unknown_wait_ms(self) -> float: ...


async def followed_to_end(
    ask: Ask, entry: OrderEntry, sending: Sending, waits: Waits, turn_away: TurnAway
) -> OrderReport | Unresolved:
    """Ask for an order until nothing more of it will fill; it is taken back when that lasts.

    ``ask`` gives what is known after it has waited for so many seconds at most. ``turn_away``
    hears why the venue tells us nothing more; the order is asked for until its time is over.
    """
    wait_s, pause_s, known = waits.fill_wait_ms / 1e3, _FIRST_PAUSE_S, False
    asked_back = False
    while True:
        report: OrderReport | None = None
        answered = False
        try:
            report = await ask(wait_s)
            answered = True
        except (Transient, Rejected):
            pass  # the question got no answer: ask again
        except (Fatal, ProtocolViolation) as over:
            turn_away(over)
            if sending.waited_ms > waits.leg_timeout_ms:
                return Unresolved.NOT_TOLD
        if report is not None and not report.active:
            return report
        known = known or report is not None or sending.answer is Answer.ACCEPTED
        waited_ms = sending.waited_ms
        # only who says that it does not know an order tells that it never arrived
        lost = sending.answer is Answer.LOST and answered and not known
        if lost and waited_ms > waits.unknown_wait_ms:
            if asked_back:
                return Unresolved.NEVER_ARRIVED
            asked_back = True  # should it be on its way, it is not to trade any more
            await take_back(entry, sending.client_id, sending.symbol, turn_away)
        if report is not None and waited_ms > waits.leg_timeout_ms:
            await take_back(entry, sending.client_id, sending.symbol, turn_away)
        wait_s, pause_s = pause_s, min(2 * pause_s, _LONGEST_PAUSE_S)


async def take_back(entry: OrderEntry, client_id: str, symbol: str, turn_away: TurnAway) -> None:
    """Ask for an order back; asking twice does no harm, and the next look-up tells."""
    try:
        await entry.cancel(client_id, symbol)
    except (Transient, Rejected, OutcomeUnknown):
        pass
    except (Fatal, ProtocolViolation) as over:
        turn_away(over)


def pause_before_again_s(
    not_yet: Transient | Unfunded, failures: int, waited_ms: float, rules: SessionRules
) -> float | None:
    """Say how long to wait before an order that did not leave is tried again; ``None``: no more.

    ``failures`` counts from 1. What was not funded may be in a moment, where proceeds settle
    late; what did not leave may leave as long as a leg has time.
    """
    late = isinstance(not_yet, Unfunded)
    most_ms = rules.balance_wait_ms if late else rules.leg_timeout_ms
    left_s = (most_ms - waited_ms) / 1e3
    if left_s <= _NO_TIME_S:
        return None
    asked_s = not_yet.retry_after_s if isinstance(not_yet, Transient) else None
    return min(_AGAIN.wait_s(min(failures, _MOST_FAILURES), asked_s), left_s)
