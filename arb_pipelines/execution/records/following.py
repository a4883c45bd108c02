"""Follows a session's orders and executions from approval to end, as its bus tells of them.

An order manager answers at once: orders come right after the approval or the end of an order
that they follow from, and so do reports. The venue's own word (that it took an order, which
fee it took) may come before an order's end or after.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from arb_pipelines.execution.orders.client_ids import desk_id
from arb_pipelines.execution.orders.fees import FeeConfirmed
from arb_pipelines.execution.records.timings import Stage, Timings
from arb_pipelines.execution.records.values import (
    ExecutionRecord,
    LegRecord,
    LegStatus,
    execution_status,
    leg_status,
)
from arb_pipelines.trading.events import (
    Approved,
    Cancelled,
    CycleSignal,
    Ended,
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
class _Execution:
    """An execution under way; ``ended`` is when the last of its orders was."""

    approved: Approved
    decided: int
    first_sent: int | None = None
    last_fill: int | None = None
    ended: int | None = None
    told: bool = False
    legs: dict[int, LegRecord] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Order:
    """An order under way, as it becomes known."""

    client_id: str
    execution: _Execution
    sent: int | None = None
    order_id: str | None = None
    answered: int | None = None
    reason: str | None = None
    rejected: bool = False
    fee: float = 0.0
    fee_currency: str | None = None
    fee_told: float | None = None
    fee_told_currency: str | None = None


class Following:
    """Orders and executions under way, and those of the past that may still change.

    ``amended`` takes orders of executions already told.
    """

    def __init__(
        self, timings: Timings, amended: deque[LegRecord], wall_ns: Callable[[], int]
    ) -> None:
        self._timings, self._amended, self._wall_ns = timings, amended, wall_ns
        self._executions: dict[int, _Execution] = {}  # by the identity of the approval
        self._orders: dict[str, _Order] = {}
        #: What orders belong to that come now, and what reports are about.
        self._current: _Execution | None = None
        self._last: _Order | None = None
        self._past: dict[str, tuple[_Execution, LegRecord]] = {}

    def __len__(self) -> int:
        """Count the executions that have sent an order and not ended."""
        return len(self._executions)

    def on_approved(self, approved: Approved) -> None:
        """Note when a signal was approved; its orders come next."""
        self._current = _Execution(approved, self._wall_ns())

    def on_order(self, order: Order) -> None:
        """Begin to follow an order, and its execution with the first."""
        execution = self._current
        assert execution is not None, "an order follows from an approval or a report"
        self._orders[order.client_id] = _Order(order.client_id, execution)
        self._executions[id(execution.approved)] = execution

    def on_routed(self, routed: Routed) -> None:
        """Note when an order left."""
        order = self._orders[routed.client_id]
        order.sent = routed.ts
        execution = order.execution
        if execution.first_sent is None:
            execution.first_sent = routed.ts
            self._timings.add(Stage.FIRST_ORDER, execution.decided, routed.ts)
        self._timings.add(Stage.NEXT_LEG, execution.ended, routed.ts)

    def on_accepted(self, accepted: Accepted) -> None:
        """Note the venue's answer to an order, which its fills may have overtaken."""
        self._timings.add(Stage.ANSWER, accepted.ts_sent, accepted.ts_recv)
        order = self._orders.get(desk_id(accepted.client_id))
        if order is not None:
            order.order_id, order.answered = accepted.order_id, accepted.ts_recv
        else:
            self._amend(
                accepted.client_id, order_id=accepted.order_id, ts_answered=accepted.ts_recv
            )

    def on_order_report(self, report: OrderReport) -> None:
        """Note the id that the venue gave an order, where its answer did not come."""
        order = self._orders.get(desk_id(report.client_id))
        if order is not None:
            order.order_id = report.order_id
        else:
            self._amend(report.client_id, order_id=report.order_id)

    def on_fee(self, told: FeeConfirmed) -> None:
        """Add the venue's own word of a fee to those of its order."""
        fee, currency = float(told.fee), told.fee_currency
        order = self._orders.get(desk_id(told.client_id))
        if order is not None:
            order.fee_told = (order.fee_told or 0.0) + fee
            order.fee_told_currency = currency
        elif (past := self._past.get(desk_id(told.client_id))) is not None:
            fee += past[1].fee_told or 0.0
            self._amend(told.client_id, fee_told=fee, fee_told_currency=currency)

    def on_fill(self, fill: OrderFill) -> None:
        """Note an execution of an order, and its end if it is the last."""
        order = self._orders[fill.client_id]
        order.fee += fill.fee
        order.fee_currency = fill.fee_currency
        order.execution.last_fill = fill.ts
        if fill.final:
            self._end(order, fill.ts)

    def on_cancelled(self, cancelled: Cancelled) -> None:
        """Note how an order ended that was not filled whole."""
        order = self._orders[cancelled.client_id]
        order.reason = cancelled.reason
        order.rejected = cancelled.ending is Ending.REJECTED
        self._end(order, cancelled.ts)

    def on_leg(self, report: LegReport) -> None:
        """Keep what the order that ended just now came to."""
        order = self._last
        assert order is not None, "a report follows the end of its order"
        execution = order.execution
        leg = LegRecord(
            trade_no=report.execution,
            ts_signal=execution.approved.signal.ts,
            report=report,
            status=leg_status(report, rejected=order.rejected),
            client_id=order.client_id,
            order_id=order.order_id,
            reason=order.reason,
            ts_answered=order.answered,
            fee_booked=order.fee,
            fee_currency=order.fee_currency,
            fee_told=order.fee_told,
            fee_told_currency=order.fee_told_currency,
        )
        self._keep(execution, leg)

    def on_cycle(self, report: CycleReport) -> ExecutionRecord:
        """Give the execution of the order that ended just now, which ended with it."""
        assert self._last is not None, "a report follows the end of an order"
        execution = self._last.execution
        signal = execution.approved.signal
        correlation_id, ts_book = _origin(signal)
        legs = tuple(execution.legs[number] for number in sorted(execution.legs))
        short = (leg.reason for leg in legs if leg.status is not LegStatus.FILLED and leg.reason)
        execution.told = True
        del self._executions[id(execution.approved)]
        self._timings.add(Stage.BOOK, ts_book, signal.ts)
        self._timings.add(Stage.SIGNAL, signal.ts, execution.decided)
        self._timings.add(Stage.CYCLE, signal.ts, execution.ended)
        return ExecutionRecord(
            report=report,
            status=execution_status(report),
            reason=next(short, "taken back between its legs" if report.cancelled else None),
            correlation_id=correlation_id,
            ts_book_event=ts_book,
            ts_decided=execution.decided,
            ts_first_sent=execution.first_sent,
            ts_last_fill=execution.last_fill,
            legs=legs,
        )

    def on_ended(self, ended: Ended) -> None:
        """Follow an execution no longer."""
        self._executions.pop(id(ended.approved), None)

    def _end(self, order: _Order, ts: int) -> None:
        del self._orders[order.client_id]
        self._last, self._current = order, order.execution
        order.execution.ended = ts
        self._timings.add(Stage.FILL, order.sent, ts)

    def _amend(self, client_id: str, **changes: Any) -> None:
        """Change an order that has ended; one of an execution under way is told with it."""
        if desk_id(client_id) not in self._past:
            return
        execution, leg = self._past[desk_id(client_id)]
        self._keep(execution, replace(leg, **changes))
        if execution.told:
            self._amended.append(execution.legs[leg.report.number])

    def _keep(self, execution: _Execution, leg: LegRecord) -> None:
        execution.legs[leg.report.number] = leg
        self._past[leg.client_id] = execution, leg
        if len(self._past) > _REMEMBERED:
            del self._past[next(iter(self._past))]


def _origin(signal: Signal) -> tuple[str | None, int | None]:
    """Name its sender gave a signal, and the venue's time of the book behind it."""
    if isinstance(signal, CycleSignal):
        return signal.correlation_id, signal.ts_book
    return None, None
