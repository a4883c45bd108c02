"""What a session tells while it runs and when it has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from arb_pipelines.errors import ArbError
from arb_pipelines.execution.records.values import Batch, Counts, SessionState
from arb_pipelines.trading.session_rules import TradingMode


@dataclass(frozen=True, slots=True)
class SessionProgress:
    """How a session stands after a write to the lake.

    ``profit`` is by start currency, ``latency_us`` by stage and then by ``p50``, ``p99`` and
    ``max``. ``written`` counts writes. One process may host several sessions, so each says whose
    figures they are.
    """

    session: str
    strategy: str
    venue: str
    ts_ns: int
    written: int
    counts: Counts
    profit: Mapping[str, float]
    latency_us: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, batch: Batch, written: int) -> SessionProgress:
        """Read it off the batch that was written."""
        profit = {metric.label: metric.value for metric in batch.metrics if metric.name == "profit"}
        latency: dict[str, dict[str, float]] = {}
        for metric in batch.metrics:
            if metric.name.startswith("latency_"):
                name = metric.name.removeprefix("latency_").removesuffix("_us")
                latency.setdefault(metric.label, {})[name] = metric.value
        head = batch.head
        return cls(
            head.session,
            head.strategy,
            head.venue,
            batch.ts,
            written,
            batch.counts,
            profit,
            latency,
        )


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """What came of a session.

    ``places_orders``: they reached the venue's market. ``booked`` is what orders changed each
    balance by, exact, as text. ``in_flight`` executions did not settle in time, nor is the end
    of their ``open_orders`` known (client ids): they are for a person to look at.
    ``unwritten`` batches of records are in the journal alone.
    """

    session: str
    strategy: str
    venue: str
    mode: TradingMode
    places_orders: bool
    state: SessionState
    reason: str
    ts_started: int
    ts_ended: int
    counts: Counts
    profit: Mapping[str, float]
    booked: Mapping[str, str]
    in_flight: int
    unwritten: int
    open_orders: tuple[str, ...] = ()

    @property
    def left_something(self) -> bool:
        """Whether a person has to look at what is out, or at records that are not in the lake."""
        return bool(self.in_flight or self.unwritten or self.open_orders)

    def document(self) -> dict[str, Any]:
        """Give it as plain values, as JSON has them."""
        said = asdict(self)
        said["counts"] |= {"executions": {str(k): n for k, n in self.counts.executions.items()}}
        return said


class SessionBrokenOff(ArbError):
    """A session ended by an error, its cause, and left something; ``summary`` tells what."""

    def __init__(self, reason: str, summary: SessionSummary) -> None:
        self.summary = summary
        out = f"; look up at the venue: {', '.join(summary.open_orders)}"
        super().__init__(
            f"{summary.session}: {reason}; it left {summary.in_flight} executions in flight and "
            f"{summary.unwritten} batches of records unwritten{out if summary.open_orders else ''}"
        )
