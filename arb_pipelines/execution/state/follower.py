"""Writes down what a strategy's bus tells: each cycle from its first order to its end.

Everything is written in the session's loop, before the bus goes on: an order's intent before
it leaves, what it came to before the next one leaves. An intent may be in a log of its own for
a moment, until the order is on its way and the state file has it (``intents``). A state file
that cannot be written keeps orders here, and has the session stop; what was to be written
waits, in order, for the file to take it. What it never takes is found at the venue by the next
start, since an order that left has its intent on disk.

Which state follows which is in ``machine``; what becomes of a cycle that its desk leaves with
something in hand is the panic seller's to say.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from arb_pipelines.errors import Transient
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.orders.client_ids import cycle_of, desk_id
from arb_pipelines.execution.orders.given_up import LateFill
from arb_pipelines.execution.orders.venue_broker import Untraded
from arb_pipelines.execution.state.endings import verdict
from arb_pipelines.execution.state.intents import Intent
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.under_way import FollowedCycle, FollowedOrder, sum_of
from arb_pipelines.execution.state.values import CycleState, NewCycle, OrderStatus
from arb_pipelines.execution.universe import SessionUniverse
from arb_pipelines.market.exact import decimal_of
from arb_pipelines.trading.events import (
    Approved,
    Cancelled,
    CycleSignal,
    Ended,
    Ending,
    Order,
    OrderFill,
)
from arb_pipelines.trading.reports import CycleReport
from arb_pipelines.venues.base import Accepted, AccountEvent, Match, NewOrder, OrderReport

#: Calls what it is given, when whoever runs now is done.
Later = Callable[[Callable[[], object]], object]


def nobody(cycle: str) -> bool:
    """Take no cycle over."""
    return False


class StateFollower:
    """Keeps the state of one strategy's cycles in a ``session``; ``hear`` belongs on its bus.

    ``trouble`` is called with what is wrong with the state file. ``on_left`` is asked, with a
    cycle's id, whether somebody takes over what an execution left in hand that fell short; if
    so the cycle is theirs to end. With ``later`` an order waits for no more than the store's log of
    intents, where there is one; the state has its intent when what ``later`` is given was called.
    """

    def __init__(
        self,
        store: StateStore,
        universe: SessionUniverse,
        session: str,
        *,
        id_prefix: str,
        trouble: Callable[[str], object],
        on_left: Callable[[str], bool] = nobody,
        later: Later | None = None,
    ) -> None:
        self._store, self._universe, self.session = store, universe, session
        self._prefix, self._trouble, self._on_left = id_prefix, trouble, on_left
        self._later = later
        self._waiting: list[Callable[[], object]] = []
        self._stuck = False
        self._noted: list[str] = []
        self._cycles: dict[str, FollowedCycle] = {}
        self._orders: dict[str, FollowedOrder] = {}
        self._approved: Approved | None = None
        self._report: CycleReport | None = None

    def hear(self, event: object) -> None:
        """Take in one event of the bus; what follows from it is written when this returns.

        Raises:
            Transient: an order's intent could not be written; it must not leave.
            InvariantBroken: the state has another idea of what happened.
        """
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    def on_account(self, event: AccountEvent) -> None:
        """Take in what the venue tells of the account: executions of our orders are kept.

        They are written with what is written next.
        """
        if isinstance(event, Match) and event.client_id.startswith(self._prefix):
            self._waiting.append(partial(self._store.match, event))

    def flush(self) -> bool:
        """Write what waits, all or nothing; whether nothing waits any more."""
        if not self._waiting:
            return True
        try:
            with self._store.together():
                for step in self._waiting:
                    step()
        except Transient as unwritten:
            self._stuck = True
            self._trouble(str(unwritten))
            return self._store.give_up_reserve() and self.flush()
        self._stuck = False
        self._waiting.clear()
        for client_id in self._noted:
            self._store.settle(client_id)
        self._noted.clear()
        return True

    # -- orders ------------------------------------------------------------------------

    def _on_approved(self, approved: Approved) -> None:
        self._approved = approved

    def _on_order(self, order: Order) -> None:
        name = cycle_of(order.client_id)
        cycle = self._cycles.get(name)
        if cycle is None:
            assert self._approved is not None, "a cycle's first order follows its approval"
            cycle = self._cycles[name] = self._begun_by(self._approved, order, name)
        self._orders[order.client_id] = FollowedOrder(order, cycle)

    def _begun_by(self, approved: Approved, order: Order, name: str) -> FollowedCycle:
        signal = approved.signal
        assert isinstance(signal, CycleSignal), "a session trades cycles"
        traded = self._universe.traded
        symbols = traded.cycles.symbols
        new = NewCycle(
            id=name,
            strategy=order.strategy,
            session=self.session,
            start=traded.cycles.currencies[traded.start(signal.cycle)],
            legs=tuple((symbols[symbol], side) for symbol, side in traded.legs[signal.cycle]),
            initial=decimal_of(order.reserve),
            metadata={
                "signal_ns": signal.ts,
                "product": signal.product,
                "together": order.execution is None,
            },
        )
        return FollowedCycle(new, f"net product {signal.product:.6f}")

    def _on_intent(self, new: NewOrder) -> None:
        desk = self._orders[desk_id(new.client_id)]
        cycle, order = desk.cycle, desk.order
        intent = Intent(
            self._store.wall_ns(),
            cycle.new.id,
            new,
            None if order.unwinds else int(order.client_id.rpartition("-")[2]),
            None if cycle.begun else cycle.new,
            cycle.why,
        )
        self._waiting.append(partial(self._store.write_intent, intent))
        if not self._note(intent) and not self.flush():
            self._waiting.pop()
            raise Transient(f"order {new.client_id} stays here: the state cannot be written")
        cycle.begun = True
        desk.sent[new.client_id] = new

    def _note(self, intent: Intent) -> bool:
        """Have an intent survive without the state file; a file that takes none is not believed."""
        log = self._store.intents
        if log is None or self._later is None or self._stuck:
            return False
        try:
            log.add(intent)
        except Transient:
            return False
        self._noted.append(intent.order.client_id)
        self._later(self._catch_up)
        return True

    def _catch_up(self) -> None:
        try:
            self.flush()
        except Exception as broken:  # noqa: BLE001 - a loop's callback: what is heard next raises it
            self._stuck = True
            self._trouble(str(broken))

    def _on_accepted(self, accepted: Accepted) -> None:
        """Note the venue's own id with what is written next: an order is asked for by ours."""
        self._waiting.append(partial(self._store.accepted, accepted.client_id, accepted.order_id))

    def _on_report(self, report: OrderReport) -> None:
        if report.active:
            return
        symbol = report.symbol
        booked = Booked.of(report, self._universe.fees[symbol], self._universe.markets[symbol])
        self._close(report.client_id, symbol, booked, report.order_id)

    def _on_untraded(self, untraded: Untraded) -> None:
        """Note that nothing came of one of the orders that carry the desk's."""
        self._orders[desk_id(untraded.client_id)].sent.pop(untraded.client_id, None)
        status = OrderStatus.LOST if untraded.lost else OrderStatus.REFUSED
        self._write(partial(self._store.unfilled, untraded.client_id, status, untraded.reason))

    def _on_fill(self, fill: OrderFill) -> None:
        desk = self._orders[fill.client_id]
        desk.fills.append(fill)
        if fill.final:
            self._over(desk, None, Ending.CANCELLED)

    def _on_cancelled(self, cancelled: Cancelled) -> None:
        desk = self._orders[cancelled.client_id]
        desk.cycle.reason = desk.cycle.reason or cancelled.reason
        self._over(desk, cancelled.reason, cancelled.ending)

    def _over(self, desk: FollowedOrder, reason: str | None, ending: Ending) -> None:
        """Note what became of a desk's order whose end no report of the venue told."""
        del self._orders[desk.order.client_id]
        for client_id, new in list(desk.sent.items()):
            if ending is Ending.CANCELLED:
                booked, desk.fills = sum_of(desk.fills, desk.order), []
                self._close(client_id, new.symbol, booked, None, desk)
                continue
            # nobody has told that it never was: it is asked for on
            lost = ending is Ending.EXPIRED
            status = OrderStatus.LOST if lost else OrderStatus.REFUSED
            self._write(partial(self._store.unfilled, client_id, status, reason or "refused"))

    def _close(
        self,
        client_id: str,
        symbol: str,
        booked: Booked,
        order_id: str | None,
        desk: FollowedOrder | None = None,
    ) -> None:
        """Book an order that has ended; one that is under way no more is corrected."""
        market = self._universe.markets[symbol]
        if order_id:
            self._waiting.append(partial(self._store.accepted, client_id, order_id))
        self._waiting.append(partial(self._store.book, client_id, booked, market, None))
        desk = desk or self._orders.get(desk_id(client_id))
        new = desk.sent.pop(client_id, None) if desk is not None else None
        if desk is not None and new is not None and booked.size > 0 and not desk.order.unwinds:
            whole = booked.fills_whole(new, market, desk.order.limit_px)
            if not whole:
                why = f"{client_id}: {booked.size:f} {market.base} of it"
                self._waiting.append(partial(self._partly, desk.cycle.new.id, why))
        self.flush()

    def _partly(self, cycle: str, why: str) -> None:
        if self._store.state_of(cycle) is CycleState.ACTIVE:
            self._store.move(cycle, CycleState.PARTIALLY_FILLED, what="fill", why=why)

    # -- cycles ------------------------------------------------------------------------

    def _on_late(self, late: LateFill) -> None:
        what = f"{late.client_id} traded {late.size:f} {late.symbol} after it was given up"
        self._write(partial(self._store.remark, cycle_of(late.client_id), what))

    def _on_cycle(self, report: CycleReport) -> None:
        self._report = report

    def _on_ended(self, ended: Ended) -> None:
        cycle = self._cycles.pop(ended.execution or "", None)
        if cycle is None or not cycle.begun:
            return  # nothing of it left
        report = self._report
        assert report is not None, "an execution reports before it ends"
        name = cycle.new.id
        if report.fell_short:
            if not self.flush():
                return  # it stays open, and the next start sees what is left of it
            if self._store.cycle(name).held and self._on_left(name):
                return
        self._write(partial(self._end, name, report, cycle.reason))

    def _end(self, cycle: str, report: CycleReport, reason: str | None) -> None:
        after, outcome, why = verdict(report)
        profit = self._store.cycle(cycle).gained
        error = reason if after is CycleState.FAILED else None
        self._store.end(cycle, after, outcome, profit=profit, what="ended", why=why, error=error)

    def _write(self, step: Callable[[], object]) -> None:
        """Write now, or when the file takes it."""
        self._waiting.append(step)
        self.flush()


_HANDLERS: dict[type[Any], Callable[[StateFollower, Any], object]] = {
    Approved: StateFollower._on_approved,
    Order: StateFollower._on_order,
    NewOrder: StateFollower._on_intent,
    Accepted: StateFollower._on_accepted,
    OrderReport: StateFollower._on_report,
    Untraded: StateFollower._on_untraded,
    OrderFill: StateFollower._on_fill,
    Cancelled: StateFollower._on_cancelled,
    LateFill: StateFollower._on_late,
    CycleReport: StateFollower._on_cycle,
    Ended: StateFollower._on_ended,
}
