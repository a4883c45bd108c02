"""What a session keeps of what happened: values handed from its loop to whoever writes them.

A ``Batch`` is what is new since the one before. Tables and their columns belong in
``lake.schemas.live``, writing them in ``research.session_tables``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.trading.reports import LEFT_OUT, CycleReport, LegReport
from arb_pipelines.trading.session_rules import TradingMode


class SessionState(StrEnum):
    """Where a session is in its life, as its table says."""

    RUNNING = "running"
    ENDED = "ended"  # on purpose: what was in flight is settled, or reported
    FAILED = "failed"  # by an error
    LOST = "lost"  # its process went without a word; others say so


class ExecutionStatus(StrEnum):
    """How an execution ended."""

    FILLED = "filled"  # each leg after the first was filled whole; if sent at once, each
    FAILED = "failed"  # nothing was filled that it began with
    ABORTED = "aborted"  # a person took it back between its legs, and it came home
    UNWOUND = "unwound"  # it fell short, and came back to the start currency
    RESIDUAL = "residual"  # it fell short, and over a hundredth of the input is out or missing


class LegStatus(StrEnum):
    """How an order ended."""

    FILLED = "filled"
    PARTIAL = "partial"
    MISSED = "missed"  # the venue took it, and nothing filled
    REJECTED = "rejected"  # it never was the venue's


@dataclass(frozen=True, slots=True)
class SessionHead:
    """What is known of a session before it begins; the same in all its rows.

    ``account`` is a fingerprint that tells nothing of the key. ``cycles`` names what reports
    number.
    """

    session: str
    strategy: str
    venue: str
    mode: TradingMode
    account: str
    strategy_digest: str
    ts_started: int
    cycles: CycleSet
    run_id: str | None = None

    def facts(self) -> dict[str, str | int | None]:
        """Give all of it but the cycles, as plain values."""
        named = (field.name for field in fields(self) if field.name != "cycles")
        return {name: getattr(self, name) for name in named}


@dataclass(frozen=True, slots=True)
class LegRecord:
    """One order: the desk's report of it, and what the venue said.

    ``ts_*`` are ns. ``fee_booked`` is counted in what was spent and received, in
    ``fee_currency``; ``fee_told`` is the venue's own word of it, once it comes, and may be
    in another currency.
    """

    trade_no: int
    ts_signal: int
    report: LegReport
    status: LegStatus
    client_id: str
    order_id: str | None
    reason: str | None
    ts_answered: int | None
    fee_booked: float
    fee_currency: str | None
    fee_told: float | None
    fee_told_currency: str | None


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """One execution that has ended, with its orders in the order they were made."""

    report: CycleReport
    status: ExecutionStatus
    reason: str | None
    correlation_id: str | None
    ts_book_event: int | None
    ts_decided: int
    ts_first_sent: int | None
    ts_last_fill: int | None
    legs: tuple[LegRecord, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """What has happened since the session's start."""

    books: int
    signals: int
    refused: Mapping[str, int]
    executions: Mapping[ExecutionStatus, int]
    in_flight: int
    orders: int
    fills: int


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure; ``label`` says of what, where there are several."""

    name: str
    value: float
    label: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is new since batch ``number - 1``, and how the session stands at ``ts``.

    ``amended`` are orders of executions told before, of which the venue has said more; they
    go over those in ``executions``.
    """

    head: SessionHead
    number: int
    ts: int
    state: SessionState
    end_reason: str | None
    counts: Counts
    executions: tuple[ExecutionRecord, ...]
    amended: tuple[LegRecord, ...]
    metrics: tuple[Metric, ...]


def execution_status(report: CycleReport) -> ExecutionStatus:
    """Say how an execution ended."""
    if not (report.spent or report.returned or report.residual or report.missing):
        return ExecutionStatus.ABORTED if report.cancelled else ExecutionStatus.FAILED
    if report.spent > 0.0 and not report.fell_short:
        return ExecutionStatus.FILLED
    # of legs that left at once the first may be the one that found nothing
    out = max(abs(report.residual), report.missing)
    if out > LEFT_OUT * (report.spent or report.committed):
        return ExecutionStatus.RESIDUAL
    return ExecutionStatus.ABORTED if report.cancelled else ExecutionStatus.UNWOUND


def leg_status(report: LegReport, *, rejected: bool) -> LegStatus:
    """Say how an order ended."""
    if report.done.size > 0.0:
        return LegStatus.PARTIAL if report.done.short else LegStatus.FILLED
    return LegStatus.REJECTED if rejected else LegStatus.MISSED
