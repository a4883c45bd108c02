"""Executions that a session's end cut short: which they are, and what the venue says of them.

Their orders were written down before they left, so each can be looked up by its client id,
whatever became of the process. What they hold is reported, not traded: a person, or the next
session, decides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec

from arb_pipelines.errors import Rejected, Transient
from arb_pipelines.execution.amounts import Booked
from arb_pipelines.execution.journal_reading import journal_lines
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import Market
from arb_pipelines.venues.base import Account

#: The name under which the journal says what was found out of an execution.
RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An execution without an end: the client ids of its orders, with their symbols."""

    execution: str
    orders: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What an unfinished execution changed each balance by, as the venue tells it, exactly.

    ``unknown`` are orders of which it tells no end: it did not answer, or they are open.
    """

    execution: str
    changes: Mapping[str, Decimal]
    unknown: tuple[str, ...]


class _Line(msgspec.Struct):
    """``{"event":"intent","client_id":"3465efc67f4d-7-0","symbol":"ETH-USDT",…}``,
    ``{"event":"ended","execution":"3465efc67f4d-7",…}`` or
    ``{"event":"recovered","execution":"3465efc67f4d-7","unknown":[],…}``
    """

    event: str
    client_id: str = ""
    symbol: str = ""
    execution: str | int | None = None
    unknown: list[str] = []


def read_unfinished(folders: Iterable[Path]) -> list[Unfinished]:
    """List the executions that sent orders and did not end, nor were recovered since.

    ``folders`` are of sessions that went on one after the other, the oldest first.
    """
    orders: dict[str, dict[str, str]] = {}
    for folder in folders:
        for line in journal_lines(folder, _Line):
            if line.event == "intent":
                execution = line.client_id.rpartition("-")[0]
                orders.setdefault(execution, {})[line.client_id] = line.symbol
            elif line.event in ("ended", RECOVERED) and not line.unknown:
                orders.pop(str(line.execution), None)
    return [Unfinished(name, tuple(sent.items())) for name, sent in orders.items()]


async def look_into(
    unfinished: Unfinished,
    account: Account,
    markets: Mapping[str, Market],
    fees: Mapping[str, Decimal],
) -> Recovered:
    """Ask the venue what became of each order; one that it does not know never arrived.

    Raises:
        Fatal: the keys do not do.
    """
    changes: defaultdict[str, Decimal] = defaultdict(Decimal)
    unknown: list[str] = []
    for client_id, symbol in unfinished.orders:
        try:
            report = await account.look_up(client_id, symbol)
        except (Transient, Rejected):
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
