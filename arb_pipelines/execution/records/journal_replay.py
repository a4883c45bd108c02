"""A session's records made again from its journal: what its recorder knew, and could not say.

For a session that was killed: whatever was told to its bus until a moment before is told to
a recorder once more. Cycles and symbols go by names, as the journal has them; their numbers
are this module's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from arb_pipelines.errors import DataError
from arb_pipelines.execution.records.journal import JOURNAL
from arb_pipelines.execution.records.journal_lines import EVENTS
from arb_pipelines.execution.records.journal_reading import RECOVERED, read_journal
from arb_pipelines.execution.records.recorder import SessionRecorder
from arb_pipelines.execution.records.values import Batch, SessionHead, SessionState
from arb_pipelines.market.cycles import SIDES, CycleSet
from arb_pipelines.trading.events import Approved, Cancelled, CycleSignal, Ended, Order, OrderFill
from arb_pipelines.trading.ledger import Parts
from arb_pipelines.trading.orders import Fill
from arb_pipelines.trading.reports import CycleReport, LegReport
from arb_pipelines.trading.session_rules import TradingMode

_TYPES = {name: kind for kind, name in EVENTS.items() if kind is not Ended}
Document = dict[str, Any]
#: Executions of a batch: a session of hours is not held in memory at once.
_A_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class _Names:
    """What the numbers of a journal's reports stand for."""

    cycles: CycleSet
    #: The journal's number of a cycle -> this set's.
    number: Mapping[int, int]


def replayed(folder: Path, reason: str) -> Iterator[Batch]:
    """Give all that the last start of a session did, by its journal, some executions a batch.

    Its state is LOST, for the ``reason`` given. Nothing if the journal has no start. Counts of
    books and signals are not in a journal, and are 0.

    Raises:
        DataError: the journal lacks what its events build on.
    """
    try:
        yield from _replayed(folder, reason)
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"cannot be told once more: {error!r}; its orders are still read off it one by one",
            source=str(folder / JOURNAL),
        ) from None


def _replayed(folder: Path, reason: str) -> Iterator[Batch]:
    start = _last_start(folder)
    if start is None:
        return
    names, first = start
    documents = islice(read_journal(folder), first, None)
    head = _head(next(documents), names.cycles)
    now = head.ts_started
    recorder = SessionRecorder(head, wall_ns=lambda: now)
    recorder.end(SessionState.LOST, reason)
    symbols: dict[str, str] = {}
    ended = ""
    untaken = 0
    for document in documents:
        if document["event"] == RECOVERED:  # by another session, when this one was over
            continue
        now = document["ts_ns"]
        event = _event(document)
        match event:
            case None:
                continue
            case Order():
                symbols[event.client_id] = event.symbol
            case Approved(signal=CycleSignal() as signal):
                event = replace(event, signal=replace(signal, cycle=names.number[signal.cycle]))
            case LegReport():
                symbol = names.cycles.symbols.index(symbols.pop(ended))
                event = replace(event, symbol=symbol)
            case CycleReport():
                event = replace(event, cycle=names.number[event.cycle])
                untaken += 1
            case OrderFill() | Cancelled():
                ended = event.client_id
            case _:
                pass
        recorder.hear(event)
        if untaken == _A_BATCH:
            yield recorder.take()
            untaken = 0
    yield recorder.take()


def _last_start(folder: Path) -> tuple[_Names, int] | None:
    """Find the last ``began``: its place among the events, and what is named after it."""
    began: int | None = None
    keys: dict[int, str] = {}
    ordered: set[str] = set()
    for place, document in enumerate(read_journal(folder)):
        match document["event"]:
            case "began":
                began = place
                keys.clear()
                ordered.clear()
            case "cycle_named":
                keys[document["cycle"]] = document["key"]
            case "order":
                ordered.add(document["symbol"])
    return None if began is None else (_names(keys, ordered), began)


def _head(began: Document, cycles: CycleSet) -> SessionHead:
    facts = {name: value for name, value in began.items() if name not in ("ts_ns", "event")}
    return SessionHead(**facts | {"mode": TradingMode(facts["mode"]), "cycles": cycles})


def _event(document: Document) -> object | None:
    """Give an event of the bus as it was; ``None`` for what no recorder needs to hear."""
    kind = _TYPES.get(document["event"])
    if kind is None:
        return None
    facts = {name: value for name, value in document.items() if name not in ("ts_ns", "event")}
    if kind is Approved:
        return Approved(msgspec.convert(facts["signal"], CycleSignal), facts["budget"])
    if kind is LegReport:
        facts |= {"done": Fill(**facts["done"]), "parts": Parts(**facts["parts"])}
        return LegReport(**facts)
    event: object = msgspec.convert(facts, kind)
    return event


def _names(keys: Mapping[int, str], ordered: Set[str]) -> _Names:
    """Lay out the cycles that the journal names, over their symbols and those of its orders."""
    legs = [[leg.rsplit(":", 1) for leg in key.split(">")] for key in keys.values()]
    symbols = tuple(sorted(ordered | {symbol for cycle in legs for symbol, _ in cycle}))
    currencies = tuple(sorted({name for symbol in symbols for name in symbol.split("-", 1)}))
    longest = max(map(len, legs), default=0)
    leg_symbol = np.full((len(legs), longest), -1, np.int32)
    leg_side = np.full((len(legs), longest), -1, np.int8)
    start = np.zeros(len(legs), np.int32)
    for i, cycle in enumerate(legs):
        for k, (symbol, side) in enumerate(cycle):
            leg_symbol[i, k], leg_side[i, k] = symbols.index(symbol), SIDES.index(side)
        base, _, quote = cycle[0][0].partition("-")
        start[i] = currencies.index(quote if cycle[0][1] == SIDES[0] else base)
    nowhere = np.zeros(len(symbols) + 1, np.int32)  # nothing asks which cycles are through which
    cycles = CycleSet(
        symbols,
        currencies,
        leg_symbol,
        leg_side,
        np.array([len(cycle) for cycle in legs], np.int8),
        start,
        nowhere,
        nowhere[:0],
    )
    return _Names(cycles, {number: i for i, number in enumerate(keys)})
