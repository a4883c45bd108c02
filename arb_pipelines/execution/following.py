"""Follows a session's orders and executions from approval to end, as its bus tells of them.

An order manager's report comes right after the news that it follows from, so that the last
order that ended is the one a report is about. Accounts of the venue's own (that it took an
order, what fee it took) may come before or after.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from arb_pipelines.execution.records import (
    ExecutionRecord,
    LegRecord,
    LegStatus,
    execution_status,
    leg_status,
)
from arb_pipelines.execution.timings import Stage, Timings
from arb_pipelines.trading.events import (
    Approved,
    Cancel,
    Cancelled,
    CycleSignal,
    Ending,
    Order,
    OrderFill,
    Routed,
    Signal,
)
from arb_pipelines.trading.reports import CycleReport, LegReport
from arb_pipelines.venues.base import Accepted, OrderReport

#: Orders that have ended, and of which the venue may still say more.
_REMEMBERED = 4_096


@dataclass(slots=True, eq=False)
class _Order:
    """An order under way, as it becomes known."""

    order: Order
    sent: int | None = None
    order_id: str | None = None
    answered: int | None = None
    reason: str | None = None
    rejected: bool = False
    taken_back: bool = False
    fee: float = 0.0
    fee_currency: str | None = None
    fee_told: float | None = None


@dataclass(slots=True, eq=False)
class _Execution:
    """An execution under way; ``ended`` is when the last of its orders was."""

    signal: Signal
    decided: int
    first_sent: int | None = None
    last_fill: int | None = None
    ended: int | None = None
    taken_back: bool = False
    legs: dict[int, LegRecord] = field(default_factory=dict)


class Following:
    """Orders and executions under way, and those of the past that may still change.

    ``amended`` takes orders of executions already told.
    """

    def __init__(
        self, timings: Timings, amended: deque[LegRecord], wall_ns: Callable[[], int]
    ) -> None:
        self._timings, self._amended, self._wall_ns = timings, amended, wall_ns
        self._approved: tuple[Approved, int] | None = None
        self._executions: dict[str, _Execution] = {}
        self._orders: dict[str, _Order] = {}
        self._last: _Order | None = None
        self._told: dict[str, LegRecord] = {}

    def __len__(self) -> int:
        """Count the executions begun and not ended."""
        return len(self._executions)

    def on_approved(self, approved: Approved) -> None:
        """Note when a signal was approved; its first order comes next."""
        self._approved = approved, self._wall_ns()

    def on_order(self, order: Order) -> None:
        """Begin to follow an order, and its execution with the first."""
        self._orders[order.client_id] = _Order(order)
        if order.execution is not None and order.execution not in self._executions:
            assert self._approved is not None, "an order follows from an approval"
            approved, decided = self._approved
            self._executions[order.execution] = _Execution(approved.signal, decided)

    def on_routed(self, routed: Routed) -> None:
        """Note when an order left."""
        order = self._orders[routed.client_id]
        order.sent = routed.ts
        execution = self._of(order)
        if execution is None:
            return
        if execution.first_sent is None:
            execution.first_sent = routed.ts
            self._timings.add(Stage.FIRST_ORDER, execution.decided, routed.ts)
        self._timings.add(Stage.NEXT_LEG, execution.ended, routed.ts)

    def on_accepted(self, accepted: Accepted) -> None:
        """Note the venue's answer to an order, which its fills may have overtaken."""
        self._timings.add(Stage.ANSWER, accepted.ts_sent, accepted.ts_recv)
        order = self._orders.get(accepted.client_id)
        if order is not None:
            order.order_id, order.answered = accepted.order_id, accepted.ts_recv
        elif (told := self._told.get(accepted.client_id)) is not None:
            self._amend(replace(told, order_id=accepted.order_id, ts_answered=accepted.ts_recv))

    def on_order_report(self, report: OrderReport) -> None:
        """Note the venue's own account of an order: its id, and its fee where it tells one."""
        fee = None if report.fee is None else float(report.fee)
        order = self._orders.get(report.client_id)
        if order is not None:
            order.order_id = report.order_id
            order.fee_told = order.fee_told if fee is None else fee
        elif (told := self._told.get(report.client_id)) is not None:
            fee_told = told.fee_told if fee is None else fee
            self._amend(replace(told, order_id=report.order_id, fee_told=fee_told))

    def on_fill(self, fill: OrderFill) -> None:
        """Note an execution of an order, and its end if it is the last."""
        order = self._orders[fill.client_id]
        order.fee += fill.fee
        order.fee_currency = fill.fee_currency
        execution = self._of(order)
        if execution is not None:
            execution.last_fill = fill.ts
        if fill.final:
            self._end(order, fill.ts)

    def on_cancel(self, cancel: Cancel) -> None:
        """Note that an order is to be taken back."""
        self._orders[cancel.client_id].taken_back = True

    def on_cancelled(self, cancelled: Cancelled) -> None:
        """Note how an order ended that was not filled whole."""
        order = self._orders[cancelled.client_id]
        order.reason = cancelled.reason
        order.rejected = cancelled.ending is Ending.REJECTED
        self._end(order, cancelled.ts)

    def on_leg(self, report: LegReport) -> None:
        """Keep what the order that ended just now came to."""
        order = self._last
        execution = self._of(order)
        if order is None or execution is None:
            return
        leg = LegRecord(
            trade_no=report.execution,
            ts_signal=execution.signal.ts,
            report=report,
            status=leg_status(report, rejected=order.rejected),
            client_id=order.order.client_id,
            order_id=order.order_id,
            reason=order.reason,
            ts_answered=order.answered,
            fee_booked=order.fee,
            fee_currency=order.fee_currency,
            fee_told=order.fee_told,
        )
        execution.legs[report.number] = leg
        self._remember(leg)

    def on_cycle(self, report: CycleReport) -> ExecutionRecord | None:
        """Give the execution of the order that ended just now, which ended with it."""
        order = self._last
        execution = self._of(order)
        if order is None or order.order.execution is None or execution is None:
            return None
        del self._executions[order.order.execution]
        signal = execution.signal
        correlation_id, ts_book = _origin(signal)
        legs = tuple(execution.legs[number] for number in sorted(execution.legs))
        short = [leg.reason for leg in legs if leg.status is not LegStatus.FILLED and leg.reason]
        record = ExecutionRecord(
            report=report,
            status=execution_status(
                report,
                anything_filled=any(leg.report.done.size > 0.0 for leg in legs),
                taken_back=execution.taken_back,
            ),
            reason=short[0] if short else None,
            correlation_id=correlation_id,
            ts_book_event=ts_book,
            ts_decided=execution.decided,
            ts_first_sent=execution.first_sent,
            ts_last_fill=execution.last_fill,
            legs=legs,
        )
        self._timings.add(Stage.BOOK, record.ts_book_event, signal.ts)
        self._timings.add(Stage.SIGNAL, signal.ts, execution.decided)
        self._timings.add(Stage.CYCLE, signal.ts, execution.ended)
        return record

    def _end(self, order: _Order, ts: int) -> None:
        self._last = self._orders.pop(order.order.client_id)
        execution = self._of(order)
        if execution is not None:
            execution.ended = ts
            execution.taken_back |= order.taken_back
        self._timings.add(Stage.FILL, order.sent, ts)

    def _of(self, order: _Order | None) -> _Execution | None:
        if order is None or order.order.execution is None:
            return None
        return self._executions.get(order.order.execution)

    def _amend(self, leg: LegRecord) -> None:
        """Change an order that has ended; one of an execution under way is told with it."""
        self._told[leg.client_id] = leg
        for execution in self._executions.values():
            held = execution.legs.get(leg.report.number)
            if held is not None and held.client_id == leg.client_id:
                execution.legs[leg.report.number] = leg
                return
        self._amended.append(leg)

    def _remember(self, leg: LegRecord) -> None:
        self._told[leg.client_id] = leg
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]


def _origin(signal: Signal) -> tuple[str | None, int | None]:
    """Name its sender gave a signal, and the venue's time of the book behind it."""
    if isinstance(signal, CycleSignal):
        return signal.correlation_id, signal.ts_book
    return None, None
