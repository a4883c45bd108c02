"""What a journal says: an event as one JSON object, an opportunity as one line for people.

Pure. Each object has ``ts_ns``, the journal's own time, and ``event``, a constant name; the
rest are the event's fields. Amounts that are exact stay text.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from arb_pipelines.clock import NS_PER_MS, iso
from arb_pipelines.execution.control.requests import ControlUsed
from arb_pipelines.execution.orders.capacity import CapitalDecided
from arb_pipelines.execution.orders.fees import FeeConfirmed
from arb_pipelines.execution.orders.given_up import LateFill
from arb_pipelines.execution.orders.venue_broker import Untraded
from arb_pipelines.execution.records.values import ExecutionRecord
from arb_pipelines.execution.signals.intake import SignalRefused
from arb_pipelines.execution.state.risk import RiskEvent
from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.trading.events import (
    Approved,
    Cancel,
    Cancelled,
    Ended,
    Order,
    OrderFill,
    Refused,
    Routed,
)
from arb_pipelines.trading.reports import CycleReport, LegReport
from arb_pipelines.venues.base import Accepted, NewOrder, OrderReport

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY

#: Events that are written down, by type; a book or a signal is not, its approval is.
EVENTS: Mapping[type[Any], str] = {
    Approved: "approved",
    Refused: "refused",
    SignalRefused: "signal_refused",
    ControlUsed: "control",
    RiskEvent: "risk",
    Order: "order",
    NewOrder: "intent",
    Routed: "routed",
    Accepted: "accepted",
    OrderFill: "fill",
    Cancel: "cancel",
    Cancelled: "cancelled",
    OrderReport: "order_report",
    FeeConfirmed: "fee",
    LateFill: "late_fill",
    Untraded: "untraded",
    CapitalDecided: "allocation",
    LegReport: "leg",
    CycleReport: "cycle",
    Ended: "ended",
}


def event_line(ts_ns: int, event: object) -> bytes:
    """Write an event of ``EVENTS`` as a line of JSON, newline included."""
    if type(event) is RiskEvent:  # which has a time of its own, of the same name
        facts = {name: getattr(event, name) for name in RiskEvent.__dataclass_fields__}
        return object_line(ts_ns, EVENTS[RiskEvent], facts)
    fields = orjson.dumps(event, default=_plain, option=_OPTIONS)  # each begins with a brace
    return b'{"ts_ns":%d,"event":"%s",%s' % (ts_ns, EVENTS[type(event)].encode(), fields[1:])


def object_line(ts_ns: int, name: str, facts: Mapping[str, Any]) -> bytes:
    """Write facts as a line of JSON, newline included."""
    document = {"ts_ns": ts_ns, "event": name, **facts}
    return orjson.dumps(document, default=_plain, option=_OPTIONS)


def opportunity_line(record: ExecutionRecord, cycles: CycleSet) -> bytes:
    """Say in one line what came of an opportunity, newline included."""
    report = record.report
    start = cycles.currencies[int(cycles.start[report.cycle])]
    spent = report.spent
    effective = f"{report.profit / spent * 1e4:+.2f}" if spent > 0 else "-"
    parts = " ".join(
        f"{name} {value:.6g}"
        for name, value in (
            ("fee", report.fee),
            ("slippage", report.slippage),
            ("latency", report.latency),
            ("residual", report.residual),
            ("unwind", report.unwind),
        )
    )
    words = [
        iso(report.ts_end),
        f"{record.status:<8}",
        f"#{report.execution}",
        cycles.path(report.cycle),
        f"spent {spent:.6g} {start}",
        f"profit {report.profit:+.6g}",
        f"predicted {report.predicted * 1e4:+.2f} effective {effective} bps",
        f"expected {report.expected_profit:+.6g} = profit + {parts}",
        f"took {_ms(report.ts_signal, record.ts_first_sent)} to the first order,"
        f" {_ms(report.ts_signal, report.ts_end)} in all",
    ]
    if record.correlation_id is not None:
        words.append(f"for {record.correlation_id}")
    if record.reason is not None:
        words.append(f"since {record.reason}")
    return _one_line("  ".join(words))


def refusal_line(ts_ns: int, refused: SignalRefused) -> bytes:
    """Say in one line why a signal from outside was not taken up, newline included."""
    words = [iso(ts_ns), "refused ", refused.reason, refused.detail]
    if refused.correlation_id is not None:
        words.append(f"for {refused.correlation_id}")
    return _one_line("  ".join(words))


def late_line(ts_ns: int, late: LateFill) -> bytes:
    """Say in one line that an order traded which had been given up, newline included."""
    changes = ", ".join(f"{by:+f} {of}" for of, by in late.changes.items())
    words = [iso(ts_ns), "LATE    ", f"{late.client_id} on {late.symbol} traded after it was"]
    return _one_line("  ".join(words) + f" given up: {changes}; no execution counts it")


def refusals_line(ts_ns: int, counts: Mapping[str, int]) -> bytes:
    """Say in one line how many signals the gate refused, and why, newline included."""
    reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(counts.items()))
    return _one_line(f"{iso(ts_ns)}  refused   {sum(counts.values())} signals: {reasons}")


def _plain(value: object) -> object:
    """What JSON has no word for; an exact amount keeps its digits as text."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, tuple):  # a named one: its fields by name
        return value._asdict() if hasattr(value, "_asdict") else list(value)
    raise TypeError(f"{type(value).__name__} has no place in a journal")


def _ms(since: int, until: int | None) -> str:
    return "no time" if until is None else f"{(until - since) / NS_PER_MS:.2f} ms"


def _one_line(text: str) -> bytes:
    """Keep what others have named or said to one line."""
    return (" ".join(text.splitlines()) + "\n").encode()
