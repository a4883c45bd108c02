"""Listens on a session's bus, and keeps what becomes rows: every execution, order and count.

``hear`` runs in the session's loop and does next to nothing for a book; ``take`` gives a
writer in another thread what is new. What has ended passes from one to the other through
queues whose ends are each touched by one of them only, so neither waits and nothing is lost.

An execution is told whole, with its orders, when it has ended; until then the journal knows
of it. It says nothing of formats or tables.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from arb_pipelines.execution.orders.fees import FeeConfirmed
from arb_pipelines.execution.orders.given_up import LateFill
from arb_pipelines.execution.records.following import Following
from arb_pipelines.execution.records.timings import Stage, Timings
from arb_pipelines.execution.records.values import (
    Batch,
    Counts,
    ExecutionRecord,
    ExecutionStatus,
    LegRecord,
    Metric,
    SessionHead,
    SessionState,
)
from arb_pipelines.execution.signals.intake import SignalRefused
from arb_pipelines.market.exact import decimal_of
from arb_pipelines.trading.events import (
    Approved,
    Book,
    Cancelled,
    CycleSignal,
    Ended,
    Order,
    OrderFill,
    OrderSignal,
    Refused,
    Routed,
    Signal,
    currencies,
)
from arb_pipelines.trading.reports import CycleReport, LegReport
from arb_pipelines.venues.base import Accepted, OrderReport

#: Figures of a session that others know: a number, or numbers by label.
Gauges = Mapping[str, float | Mapping[str, float]]
#: Of so many books one is timed: at 20,000 a second a clock is not for nothing.
_LAG_OF_EACH = 16

T = TypeVar("T")


class SessionRecorder:
    """Makes the records of one session from what its bus tells; see the module.

    ``gauges`` gives, at each ``take`` and in its thread, figures that the bus does not
    tell; ``told`` hears of each execution that has ended, in the session's loop.
    ``late_fills`` counts orders that traded after they were given up: no row has them.
    """

    def __init__(
        self,
        head: SessionHead,
        *,
        wall_ns: Callable[[], int],
        gauges: Callable[[], Gauges] = dict,
        told: Callable[[ExecutionRecord], object] = lambda record: None,
    ) -> None:
        self._head, self._wall_ns, self._gauges, self._tell = head, wall_ns, gauges, told
        self.timings = Timings()
        self._state = SessionState.RUNNING
        self._end_reason: str | None = None
        self._books = self._signals = self._orders = self._fills = 0
        self._refused: Counter[str] = Counter()
        self._statuses: Counter[ExecutionStatus] = Counter()
        self._profit: defaultdict[str, float] = defaultdict(float)
        self._booked: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._done: deque[ExecutionRecord] = deque()
        self._amended: deque[LegRecord] = deque()
        self._taken = 0
        self.late_fills = 0
        followed = self._followed = Following(self.timings, self._amended, wall_ns)
        self._handlers: dict[type[Any], Callable[[Any], object]] = {
            Book: self._on_book,
            CycleSignal: self._on_signal,
            OrderSignal: self._on_signal,
            Approved: followed.on_approved,
            Refused: self._on_refused,
            SignalRefused: self._on_refused,
            Order: self._on_order,
            Routed: followed.on_routed,
            Accepted: followed.on_accepted,
            OrderReport: followed.on_order_report,
            FeeConfirmed: self._on_fee,
            LateFill: self._on_late_fill,
            OrderFill: self._on_fill,
            Cancelled: followed.on_cancelled,
            LegReport: followed.on_leg,
            CycleReport: self._on_cycle,
            Ended: self._on_ended,
        }

    def hear(self, event: object) -> None:
        """Take in one event of the bus; ``bus.subscribe(object, recorder.hear)``."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)

    def end(self, state: SessionState, reason: str) -> None:
        """Note how the session ended; the next batch says so."""
        self._state, self._end_reason = state, reason

    @property
    def in_flight(self) -> int:
        """Executions begun and not ended."""
        return len(self._followed)

    @property
    def orders(self) -> int:
        """Orders made so far."""
        return self._orders

    def booked(self) -> dict[str, Decimal]:
        """What the session's orders have changed each balance by so far, exactly."""
        return dict(self._booked)

    def profit(self) -> dict[str, float]:
        """Profit of the executions that have ended, by start currency."""
        return dict(self._profit)

    def take(self) -> Batch:
        """Give what is new since the last call; always from the same thread."""
        ts, state, reason = self._wall_ns(), self._state, self._end_reason
        counts = self.counts()
        batch = Batch(
            head=self._head,
            number=self._taken,
            ts=ts,
            state=state,
            end_reason=reason,
            counts=counts,
            executions=_drained(self._done),
            amended=_drained(self._amended),
            metrics=tuple(self._metrics(counts)),
        )
        self._taken += 1
        return batch

    def counts(self) -> Counts:
        """Give what has happened so far."""
        return Counts(
            books=self._books,
            signals=self._signals,
            refused=dict(self._refused),
            executions=dict(self._statuses),
            in_flight=self.in_flight,
            orders=self._orders,
            fills=self._fills,
        )

    def _metrics(self, counts: Counts) -> Iterator[Metric]:
        for name in ("books", "signals", "orders", "fills", "in_flight"):
            yield Metric(name, getattr(counts, name))
        if self.late_fills:
            yield Metric("late_fills", self.late_fills)
        for name, by_label in (
            ("refused", counts.refused),
            ("executions", counts.executions),
            ("profit", self.profit()),
        ):
            for label, value in by_label.items():
                yield Metric(name, value, label)
        for stage, spread in self.timings.spreads().items():
            for name in ("p50_us", "p99_us", "max_us"):
                yield Metric(f"latency_{name}", getattr(spread, name), stage)
        for name, gauge in self._gauges().items():
            if isinstance(gauge, Mapping):
                for label, value in gauge.items():
                    yield Metric(name, value, label)
            else:
                yield Metric(name, gauge)

    def _on_book(self, book: Book) -> None:
        self._books += 1
        if self._books % _LAG_OF_EACH == 0:
            self.timings.add(Stage.LAG, book.ts_recv, self._wall_ns())

    def _on_signal(self, signal: Signal) -> None:
        self._signals += 1

    def _on_refused(self, refused: Refused | SignalRefused) -> None:
        self._refused[refused.reason] += 1

    def _on_ended(self, ended: Ended) -> None:
        self._followed.on_ended(ended)
        if ended.declined is not None:
            self._refused[ended.declined] += 1

    def _on_order(self, order: Order) -> None:
        self._orders += 1
        self._followed.on_order(order)

    def _on_fill(self, fill: OrderFill) -> None:
        self._fills += 1
        given, got = currencies(fill)
        self._booked[given] -= decimal_of(fill.spent)
        self._booked[got] += decimal_of(fill.received)
        if fill.fee_currency not in (given, got):
            self._booked[fill.fee_currency] -= decimal_of(fill.fee)
        self._followed.on_fill(fill)

    def _on_fee(self, told: FeeConfirmed) -> None:
        self._booked[told.assumed_currency] += told.assumed
        self._booked[told.fee_currency] -= told.fee
        self._followed.on_fee(told)

    def _on_late_fill(self, late: LateFill) -> None:
        self.late_fills += 1
        for currency, change in late.changes.items():
            self._booked[currency] += change

    def _on_cycle(self, report: CycleReport) -> None:
        record = self._followed.on_cycle(report)
        cycles = self._head.cycles
        self._statuses[record.status] += 1
        self._profit[cycles.currencies[int(cycles.start[report.cycle])]] += report.profit
        self._done.append(record)
        self._tell(record)


def _drained(queue: deque[T]) -> tuple[T, ...]:
    return tuple(queue.popleft() for _ in range(len(queue)))
