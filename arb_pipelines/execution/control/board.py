"""What a session has under way and what came of it last, for people and senders of signals.

Heard on the session's bus, kept in memory and bounded. What is kept for good is the
recorder's; how it is told belongs in ``desk``.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache

import msgspec

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.containers.bus import EventBus
from arb_pipelines.execution.records.values import ExecutionStatus, execution_status
from arb_pipelines.market.cycles import BUY, SELL, SIDES
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import Approved, CycleSignal, Order, OrderFill
from arb_pipelines.trading.reports import CycleReport, LegReport

#: Reports that are kept for who asks later.
KEPT = 1_000


class LegTold(msgspec.Struct, frozen=True):
    """One order of an execution that has ended; amounts in its own two currencies.

    ``best_px`` is the price it would meet first when it was decided.
    """

    symbol: str
    side: str
    kind: str
    best_px: float
    limit_px: float
    planned_spent: float
    planned_received: float
    spent: float
    received: float
    size: float
    funds: float
    whole: bool
    ts_sent_ns: int
    ts_ended_ns: int


class TopTold(msgspec.Struct, frozen=True):
    """The best prices of a leg's book when it was decided, and what was left there for us."""

    symbol: str
    bid: float
    bid_size: float
    ask: float
    ask_size: float


class Ledger(msgspec.Struct, frozen=True):
    """From expected to realised profit, in start currency: expected − the rest = profit."""

    expected_profit: float
    fee: float
    slippage: float
    latency: float
    unwind: float
    residual: float


class ReportTold(msgspec.Struct, frozen=True):
    """What an execution came to; profit and ledger in start currency.

    ``from_book_ms`` and ``from_signal_ms`` are until its last fill; the first counts from
    the venue's time of the book. ``effective_bps`` is profit by what was spent, ``tops``
    are by leg.
    """

    execution: int
    correlation_id: str | None
    cycle: str
    path: str
    status: ExecutionStatus
    predicted_bps: float
    effective_bps: float | None
    spent: float
    profit: float
    residual_value: float
    ledger: Ledger
    ts_signal_ns: int
    ts_ended_ns: int
    from_book_ms: float | None
    from_signal_ms: float | None
    tops: list[TopTold]
    legs: list[LegTold]


class Flight(msgspec.Struct):
    """An execution under way: ``legs`` of it have ended, ``out`` are its orders that have not."""

    execution: int
    correlation_id: str | None
    cycle: str
    path: str
    ts_begun_ns: int
    cancelled: bool
    legs: list[LegTold]
    out: list[str]


class Board:
    """Follows the executions of one session; each report is published on its bus, too."""

    def __init__(
        self, traded: TradedCycles, shelf: BookShelf, bus: EventBus, *, id_prefix: str = ""
    ) -> None:
        self._traded, self._shelf, self._bus, self._prefix = traded, shelf, bus, id_prefix
        self._approved: Approved | None = None
        self._flights: dict[int, Flight] = {}
        self._signals: dict[int, CycleSignal] = {}
        self._tops: dict[int, list[TopTold]] = {}
        self._last_fill: dict[int, int] = {}
        cycles = traded.cycles
        self._names_of = lru_cache(KEPT)(lambda cycle: (cycles.key(cycle), cycles.path(cycle)))
        self._reports: deque[ReportTold] = deque(maxlen=KEPT)
        bus.subscribe(Approved, self._on_approved)
        bus.subscribe(Order, self._on_order)
        bus.subscribe(OrderFill, self._on_fill)
        bus.subscribe(LegReport, self._on_leg)
        bus.subscribe(CycleReport, self._on_cycle)

    def in_flight(self) -> list[Flight]:
        """Give the executions under way, oldest first."""
        return list(self._flights.values())

    def reports(self, last: int) -> list[ReportTold]:
        """Give the ``last`` reports, newest first."""
        return [report for report, _ in zip(reversed(self._reports), range(last), strict=False)]

    def note_cancelled(self, execution: int) -> None:
        """Show an execution as taken back."""
        self._flights[execution].cancelled = True

    def _on_approved(self, approved: Approved) -> None:
        self._approved = approved

    def _on_order(self, order: Order) -> None:
        number = execution_number(order.client_id, self._prefix)
        flight = self._flights.get(number)
        if flight is None:
            assert self._approved is not None, "orders follow their approval"
            signal = self._approved.signal
            assert isinstance(signal, CycleSignal)
            flight = self._flights[number] = Flight(
                number,
                signal.correlation_id,
                *self._names_of(signal.cycle),
                signal.ts,
                cancelled=False,
                legs=[],
                out=[],
            )
            self._signals[number] = signal
            self._tops[number] = [
                self._top(symbol) for symbol, _ in self._traded.legs[signal.cycle]
            ]
        flight.out.append(order.client_id)

    def _on_fill(self, fill: OrderFill) -> None:
        self._last_fill[execution_number(fill.client_id, self._prefix)] = fill.ts

    def _on_leg(self, leg: LegReport) -> None:
        flight, done = self._flights[leg.execution], leg.done
        flight.out.remove(f"{self._prefix}{leg.execution}-{leg.number}")
        flight.legs.append(
            LegTold(
                symbol=self._traded.cycles.symbols[leg.symbol],
                side=SIDES[leg.side],
                kind="unwind" if leg.unwinds else "leg",
                best_px=leg.best_px,
                limit_px=leg.limit_px,
                planned_spent=leg.planned_spent,
                planned_received=leg.planned_received,
                spent=done.spent,
                received=done.received,
                size=done.size,
                funds=done.funds,
                whole=done.size > 0.0 and not done.short,
                ts_sent_ns=leg.ts_sent,
                ts_ended_ns=leg.ts_filled,
            )
        )

    def _on_cycle(self, report: CycleReport) -> None:
        flight = self._flights.pop(report.execution)
        signal = self._signals.pop(report.execution)
        last = self._last_fill.pop(report.execution, None)
        told = ReportTold(
            execution=flight.execution,
            correlation_id=flight.correlation_id,
            cycle=flight.cycle,
            path=flight.path,
            status=execution_status(report),
            predicted_bps=report.predicted * 1e4,
            effective_bps=report.profit / report.spent * 1e4 if report.spent > 0.0 else None,
            spent=report.spent,
            profit=report.profit,
            residual_value=report.residual_value,
            ledger=Ledger(
                report.expected_profit,
                report.fee,
                report.slippage,
                report.latency,
                report.unwind,
                report.residual,
            ),
            ts_signal_ns=signal.ts,
            ts_ended_ns=report.ts_end,
            from_book_ms=_ms_between(signal.ts_book, last),
            from_signal_ms=_ms_between(signal.ts, last),
            tops=self._tops.pop(report.execution),
            legs=flight.legs,
        )
        self._reports.append(told)
        self._bus.publish(told)

    def _top(self, symbol: int) -> TopTold:
        px, left = self._shelf.px.item, self._shelf.left.item  # by the side of an order
        bid, bid_size = px(symbol, SELL, 0), left(symbol, SELL, 0)
        ask, ask_size = px(symbol, BUY, 0), left(symbol, BUY, 0)
        return TopTold(self._traded.cycles.symbols[symbol], bid, bid_size, ask, ask_size)


def execution_number(client_id: str, id_prefix: str) -> int:
    """Read the number of the execution that an order belongs to off its client id."""
    return int(client_id.removeprefix(id_prefix).partition("-")[0])


def _ms_between(since: int | None, until: int | None) -> float | None:
    return None if since is None or until is None else (until - since) / NS_PER_MS
