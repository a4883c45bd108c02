"""Executions that a session's end cut short: which they are, and what the venue says of them.

Their orders were written down before they left, so each can be looked up by its client id,
whatever became of the process. What they hold is reported, not traded: a person, or the next
session, decides.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec
import structlog

from arb_pipelines.clock import NS_PER_S, now_ns
from arb_pipelines.errors import Fatal, VenueError
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.records.journal import JOURNAL, MAX_BYTES
from arb_pipelines.execution.records.journal_lines import object_line
from arb_pipelines.execution.records.journal_reading import RECOVERED, journal_lines
from arb_pipelines.execution.records.rolling_file import RollingFile
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import Market
from arb_pipelines.venues.base import Account, OrderReport

_log = structlog.get_logger()
#: An order that was sent less than ten seconds ago is asked for again where it is not known.
_MOST_QUESTIONS, _PAUSE_S = 40, 0.25


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An execution without an end: the client ids of its orders, with their symbols.

    ``start`` is the currency that it began with, ``sent_ns`` when its newest order left.
    """

    execution: str
    orders: tuple[tuple[str, str], ...]
    start: str
    sent_ns: int = 0


@dataclass(frozen=True, slots=True)
class Recovered:
    """What an unfinished execution changed each balance by, as the venue tells it, exactly.

    ``unknown`` are orders of which it tells no end: it did not answer so that it could be
    read, or they are open.
    """

    execution: str
    changes: Mapping[str, Decimal]
    unknown: tuple[str, ...]

    def facts(self) -> dict[str, object]:
        """Give it as a journal says it."""
        return {
            "execution": self.execution,
            "changes": {currency: f"{by:f}" for currency, by in self.changes.items()},
            "unknown": list(self.unknown),
        }


class _Line(msgspec.Struct):
    """``{"event":"intent","client_id":"3465efc67f4d-7-0","symbol":"ETH-USDT","side":0,…}``,
    ``{"event":"ended","execution":"3465efc67f4d-7",…}`` or
    ``{"event":"recovered","execution":"3465efc67f4d-7","unknown":[],…}``
    """

    event: str
    ts_ns: int = 0
    client_id: str = ""
    symbol: str = ""
    side: int = BUY
    execution: str | int | None = None
    unknown: list[str] = []


def read_unfinished(folder: Path) -> list[Unfinished]:
    """List the executions of a folder's journal that sent orders and did not end.

    Nor were they recovered since, which its journal says too: see ``note_recovered``.
    """
    orders: dict[str, dict[str, str]] = {}
    starts: dict[str, str] = {}
    sent_ns: dict[str, int] = {}
    for line in journal_lines(folder, _Line):
        if line.event == "intent":
            execution = line.client_id.rpartition("-")[0]
            orders.setdefault(execution, {})[line.client_id] = line.symbol
            sent_ns[execution] = line.ts_ns
            base, _, quote = line.symbol.partition("-")
            starts.setdefault(execution, quote if line.side == BUY else base)
        elif line.event in ("ended", RECOVERED) and not line.unknown:
            orders.pop(str(line.execution), None)
    return [
        Unfinished(name, tuple(sent.items()), starts[name], sent_ns[name])
        for name, sent in orders.items()
    ]


def note_recovered(folder: Path, found: Recovered) -> None:
    """Say in the journal of a session that runs no more what was found out of an execution."""
    try:
        journal = RollingFile(folder / JOURNAL, MAX_BYTES)
        try:
            journal.append(object_line(now_ns(), RECOVERED, found.facts()))
        finally:
            journal.close()
    except OSError as error:  # it is looked into again by the next session
        _log.warning("session.recovery_not_noted", folder=str(folder), error=str(error))


async def look_into(
    unfinished: Unfinished,
    account: Account,
    markets: Mapping[str, Market],
    fees: Mapping[str, Decimal],
) -> Recovered:
    """Ask the venue what became of each order; one that it does not know never arrived.

    One that it tells nothing of, or nothing that can be read, is unknown, and warned of.

    Raises:
        Fatal: the keys do not do.
    """
    changes: defaultdict[str, Decimal] = defaultdict(Decimal)
    unknown: list[str] = []
    for client_id, symbol in unfinished.orders:
        try:
            report = await _told(account, client_id, symbol, unfinished.sent_ns)
        except Fatal:
            raise
        except VenueError as error:
            _log.warning("session.order_not_told", client_id=client_id, error=str(error))
            unknown.append(client_id)
            continue
        if report is None:
            continue
        if report.active or symbol not in markets:
            unknown.append(client_id)
            continue
        market = markets[symbol]
        booked = Booked.of(report, fees[symbol], market)
        given, got = market.quote, market.base
        if report.side != BUY:
            given, got = got, given
        changes[given] -= booked.spent
        changes[got] += booked.received
        if booked.fee_currency not in (given, got):
            changes[booked.fee_currency] -= booked.fee
    moved = {currency: by for currency, by in changes.items() if by}
    return Recovered(unfinished.execution, moved, tuple(unknown))


async def _told(account: Account, client_id: str, symbol: str, sent_ns: int) -> OrderReport | None:
    """What became of an order; one sent a moment ago may still be on its way."""
    for _ in range(_MOST_QUESTIONS):
        report = await account.look_up(client_id, symbol)
        if report is not None or now_ns() - sent_ns > _MOST_QUESTIONS * _PAUSE_S * NS_PER_S:
            return report
        await asyncio.sleep(_PAUSE_S)
    return None
