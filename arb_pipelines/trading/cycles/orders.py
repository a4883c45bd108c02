"""Carries a cycle out: plan, one order after the other, and bringing back what is left.

Each order leaves when the one before has ended, with what that delivered. When the
cycle can go no further, what is left in other currencies is brought to the start
currency by the best route through the books of that moment, until nothing is left
that the venue would take or the strategy's number of unwind orders is used up.

Orders are immediate-or-cancel with a price limit. A fill may come in parts and at
any time after the order was given; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.execution import Execution, LegOrder, Plan
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import (
    Approved,
    BrokerEvent,
    Cancelled,
    CycleSignal,
    Ended,
    Ending,
    Order,
    OrderFill,
    OrderKind,
    Routed,
    TimeInForce,
)
from arb_pipelines.trading.gate import REFUSALS, Refusal
from arb_pipelines.trading.ledger import value_before
from arb_pipelines.trading.orders import fill, limit_price, order_amount
from arb_pipelines.trading.planning import best_price, plan
from arb_pipelines.trading.reports import Report
from arb_pipelines.trading.unwind import (
    WORTH_AN_ORDER,
    choose_route,
    value_after_first,
    worth,
)

Steps = Iterator[Order | Report | Ended]


class CycleOrderManager:
    """The executions of one session. Client ids begin with ``id_prefix``."""

    def __init__(self, traded: TradedCycles, shelf: BookShelf, *, id_prefix: str = "") -> None:
        self._traded, self._shelf, self._prefix = traded, shelf, id_prefix
        self._begun = 0
        self._out: dict[str, tuple[Execution, LegOrder]] = {}

    def begin(self, approved: Approved) -> Steps:
        """Plan a cycle and give its first order, or ``Ended`` if no plan is worth it."""
        signal = approved.signal
        if not isinstance(signal, CycleSignal):
            raise InvariantBroken(f"{signal} is no signal to trade a cycle")
        planned = self._plan(signal.cycle, approved.budget)
        if not isinstance(planned, Plan):
            yield Ended(approved, signal.ts, REFUSALS[planned])
            return
        start = self._traded.start(signal.cycle)
        execution = Execution(self._begun, approved, signal.cycle, start, planned)
        self._begun += 1
        yield from self._start(execution, signal.ts)

    def on_broker(self, event: BrokerEvent) -> Steps:
        """Count what an order came to; when it has ended, give what follows."""
        execution, order = self._out[event.client_id]
        match event:
            case Routed():
                order.ts_sent = event.ts
                return
            case OrderFill():
                order.add(event)
                if not event.final:
                    return
            case Cancelled():
                order.done = order.done._replace(short=True)
                if event.ending is Ending.REJECTED:
                    execution.refused.add(order.symbol)
        del self._out[event.client_id]
        yield execution.settle(order, event.ts)
        if order.leg is None:
            yield from self._after_unwind(execution, order, event.ts)
        else:
            yield from self._after_leg(execution, order, order.leg, event.ts)

    def cancel(self, number: int) -> bool:
        """Have an execution brought home instead of going on; whether that changes anything.

        The order that is out is left to end; who asks takes it back, should it rest. One whose
        last leg has left, or that unwinds, has nothing to be kept from.
        """
        for execution, order in self._out.values():
            if execution.number == number:
                legs = len(execution.plan.planned)
                between = order.leg is not None and order.leg + 1 < legs
                changes = between and not execution.together
                execution.cancelled |= changes
                return changes
        return False

    def close(self, ts: int) -> Sequence[Order]:
        """Nothing: an execution ends by itself, and keeps no position open."""
        return ()

    # -- what comes next ---------------------------------------------------------------

    def _start(self, execution: Execution, ts: int) -> Steps:
        """Give the first leg's order."""
        order = self._leg(execution, 0, execution.plan.committed, ts)
        if order is None:
            raise InvariantBroken(f"the plan of {execution.approved} begins with no order")
        yield order

    def _after_leg(self, execution: Execution, order: LegOrder, leg: int, ts: int) -> Steps:
        """Go on with what the leg gave, or bring back what it left."""
        given, got = self._traded.currencies(order.symbol, order.side)
        done, values = order.done, execution.plan.values
        if leg > 0:
            unspent = order.available - done.spent
            execution.hold(given, unspent, unspent * values[leg])
            execution.fell_short |= done.short
        if done.received > 0.0:
            if leg + 1 == len(values) - 1:
                execution.returned += done.received
            elif (after := self._next(execution, leg + 1, done.received, ts)) is not None:
                yield after
                return
            else:
                execution.hold(got, done.received, done.received * values[leg + 1])
                execution.fell_short = True
        yield from self._unwind_or_end(execution, ts)

    def _after_unwind(self, execution: Execution, order: LegOrder, ts: int) -> Steps:
        given, got = self._traded.currencies(order.symbol, order.side)
        done = order.done
        if done.spent > 0.0:
            moved = execution.move(given, done.spent)
            if got == execution.start:
                execution.returned += done.received
                execution.unwind += moved - done.received
            else:
                execution.hold(got, done.received, moved)
        yield from self._unwind_or_end(execution, ts)

    def _unwind_or_end(self, execution: Execution, ts: int) -> Steps:
        """Give the next order that brings a residual back; end the execution if there is none."""
        if execution.unwind_orders < self._traded.rules.unwind_orders:
            order = self._bring_back(execution, ts)
            if order is not None:
                execution.unwind_orders += 1
                yield order
                return
        self._write_off(execution)
        residual = residual_value = 0.0
        for currency, (amount, value) in execution.holdings.items():
            residual += value
            residual_value += self._left_over(execution, currency, amount)
        report = execution.report(ts, residual, residual_value)
        yield report
        yield Ended(
            execution.approved,
            ts,
            execution=self._purse(execution),
            spent=report.spent,
            profit=report.profit,
        )

    def _bring_back(self, execution: Execution, ts: int) -> Order | None:
        """Make the order that brings back the first holding that is worth one."""
        for currency, (amount, value) in execution.holdings.items():
            if value > WORTH_AN_ORDER * execution.spent:
                order = self._unwind(execution, currency, amount, ts)
                if order is not None:
                    return order
        return None

    def _write_off(self, execution: Execution) -> None:
        """Nothing: one leg after the other, no more is sold than was bought."""

    def _left_over(self, execution: Execution, currency: int, amount: float) -> float:
        """What the books would pay for what an ended execution holds, in start currency."""
        terms, routes, shelf = self._traded.terms, self._traded.routes, self._shelf
        if not amount > 0.0:
            return 0.0
        return worth(terms, routes, shelf.px, shelf.left, currency, execution.start, amount)

    # -- decisions ---------------------------------------------------------------------

    def _plan(self, cycle: int, budget: float) -> Plan | int:
        """Size a cycle by the levels as they are seen; a ``Refusal`` code if it is not worth it."""
        traded, shelf = self._traded, self._shelf
        symbols, sides = traded.leg_arrays(cycle)
        bests, limits, spent, received = (np.zeros(len(symbols)) for _ in range(4))
        reason, amount = plan(
            traded.terms, traded.rules, shelf.px, shelf.left, symbols, sides, budget,
            bests, limits, spent, received,
        )  # fmt: skip
        if reason != Refusal.NONE:
            return reason
        values = [1.0]
        for side, best in zip(sides[::-1].tolist(), bests[::-1].tolist(), strict=True):
            values.insert(0, value_before(side, best, values[0]))
        return Plan(
            committed=amount,
            bests=tuple(bests.tolist()),
            limits=tuple(limits.tolist()),
            values=tuple(values),
            planned=tuple(zip(spent.tolist(), received.tolist(), strict=True)),
            seen=tuple(shelf.levels(symbol, side) for symbol, side in traded.legs[cycle]),
        )

    def _next(self, execution: Execution, leg: int, available: float, ts: int) -> Order | None:
        """Make the order of a leg after the first; None if it makes none, or was taken back."""
        return None if execution.cancelled else self._leg(execution, leg, available, ts)

    def _leg(self, execution: Execution, leg: int, available: float, ts: int) -> Order | None:
        """Make the order of a leg; None if what is in hand makes none."""
        plan = execution.plan
        symbol, side = self._traded.legs[execution.cycle][leg]
        best, limit = plan.bests[leg], plan.limits[leg]
        amount = order_amount(self._traded.terms, symbol, side, available, best, limit)
        if not amount > 0.0:
            return None
        return self._send(
            execution,
            LegOrder(
                number=execution.sent,
                leg=leg,
                symbol=symbol,
                side=side,
                amount=amount,
                limit=limit,
                best=best,
                available=available,
                value_after=plan.values[leg + 1],
                planned=plan.planned[leg],
                seen=plan.seen[leg],
                ts_sent=ts,
            ),
        )

    def _unwind(self, execution: Execution, currency: int, amount: float, ts: int) -> Order | None:
        """Make the order that brings most of a holding back; None if no route takes one."""
        routes, shelf = self._traded.routes, self._shelf
        route = self._route(execution, currency, amount)
        if route < 0:
            return None
        symbol, side = int(routes.symbol[route, 0]), int(routes.side[route, 0])
        value_after = value_after_first(routes, route, shelf.px, shelf.left)
        return self._home(execution, symbol, side, amount, value_after, ts)

    def _home(
        self,
        execution: Execution,
        symbol: int,
        side: int,
        available: float,
        value_after: float,
        ts: int,
    ) -> Order | None:
        """Make an order of no leg, by the books of now; None if what is there makes none."""
        terms, slippage = self._traded.terms, self._traded.rules.unwind_slippage
        px, left = self._shelf.levels(symbol, side)
        best = best_price(px, left)
        limit = limit_price(terms, symbol, side, best, slippage)
        amount = order_amount(terms, symbol, side, available, best, limit)
        if not amount > 0.0:
            return None
        hoped = fill(terms, symbol, side, amount, limit, px, left)
        return self._send(
            execution,
            LegOrder(
                number=execution.sent,
                leg=None,
                symbol=symbol,
                side=side,
                amount=amount,
                limit=limit,
                best=best,
                available=available,
                value_after=value_after,
                planned=(hoped.spent, hoped.received),
                seen=(px, left),
                ts_sent=ts,
            ),
        )

    def _route(self, execution: Execution, currency: int, amount: float) -> int:
        """Choose the way back, over symbols that refused an order only where no other is."""
        terms, routes, shelf = self._traded.terms, self._traded.routes, self._shelf
        slippage, start = self._traded.rules.unwind_slippage, execution.start
        if execution.refused:
            others = shelf.left.copy()
            others[list(execution.refused)] = 0.0
            route = choose_route(terms, routes, shelf.px, others, slippage, currency, start, amount)
            if route >= 0:
                return int(route)
        return int(
            choose_route(terms, routes, shelf.px, shelf.left, slippage, currency, start, amount)
        )

    def _send(self, execution: Execution, order: LegOrder) -> Order:
        client_id = f"{self._purse(execution)}-{order.number}"
        self._out[client_id] = execution, order
        execution.sent += 1
        buys = order.side == BUY
        return Order(
            client_id=client_id,
            ts=order.ts_sent,
            strategy=execution.approved.signal.strategy,
            symbol=self._traded.cycles.symbols[order.symbol],
            side=order.side,
            kind=OrderKind.LIMIT,
            time_in_force=TimeInForce.IOC,
            size=None if buys else order.amount,
            funds=order.amount if buys else None,
            limit_px=order.limit,
            stop_px=None,
            reserve=order.available,
            execution=None if execution.together else self._purse(execution),
            unwinds=order.leg is None,
            leg=order.leg,
        )

    def _purse(self, execution: Execution) -> str:
        return f"{self._prefix}{execution.number}"
