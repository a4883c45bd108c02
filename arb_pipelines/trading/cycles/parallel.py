"""All legs of a cycle at once, where each can be paid from what is free.

Waiting for a leg before the next leaves costs the time of the legs before it. Whoever
holds every currency of a cycle need not wait: each leg spends what is in hand and gives
it back through the leg before. The price is that a leg can fail while the others fill.
Then one currency is left over and another is missing; the first is brought back as any
residual, the second is bought back from the start currency, and what cannot be is reported
as missing and counted as lost: its proceeds are no gain.
"""

from __future__ import annotations

from collections.abc import Callable

from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.execution import Execution, LegOrder
from arb_pipelines.trading.cycles.orders import CycleOrderManager, Steps
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.events import Order
from arb_pipelines.trading.ledger import value_before
from arb_pipelines.trading.orders import order_amount, value_at
from arb_pipelines.trading.planning import best_price
from arb_pipelines.trading.unwind import WORTH_AN_ORDER


class ParallelCycleOrders(CycleOrderManager):
    """The executions of one session; ``free`` gives what a new order may spend of a currency.

    A cycle that the free balances do not cover goes one leg after the other.
    """

    def __init__(
        self,
        traded: TradedCycles,
        shelf: BookShelf,
        free: Callable[[str], float],
        *,
        id_prefix: str = "",
    ) -> None:
        super().__init__(traded, shelf, id_prefix=id_prefix)
        self._free = free

    def _start(self, execution: Execution, ts: int) -> Steps:
        """Give the orders of all legs, or of the first alone."""
        if not self._covered(execution):
            yield from super()._start(execution, ts)
            return
        execution.together = True
        for leg, (spent, _) in enumerate(execution.plan.planned):
            order = self._leg(execution, leg, spent, ts)
            assert order is not None, "as _covered has seen"
            yield order

    def _covered(self, execution: Execution) -> bool:
        """Whether every leg makes an order, and what is free pays for it."""
        plan, names = execution.plan, self._traded.cycles.currencies
        for leg, (spent, _) in enumerate(plan.planned):
            symbol, side = self._traded.legs[execution.cycle][leg]
            given, _ = self._traded.currencies(symbol, side)
            best, limit = plan.bests[leg], plan.limits[leg]
            amount = order_amount(self._traded.terms, symbol, side, spent, best, limit)
            if not amount > 0.0 or self._free(names[given]) < spent:
                return False
        return True

    def _after_leg(self, execution: Execution, order: LegOrder, leg: int, ts: int) -> Steps:
        """Book what a leg took and gave; when all have ended, make good what is uneven."""
        if not execution.together:
            yield from super()._after_leg(execution, order, leg, ts)
            return
        given, got = self._traded.currencies(order.symbol, order.side)
        done, values = order.done, execution.plan.values
        execution.fell_short |= done.short
        if leg > 0:
            execution.hold(given, -done.spent, -done.spent * values[leg])
        if leg + 1 == len(values) - 1:
            execution.returned += done.received
        else:
            execution.hold(got, done.received, done.received * values[leg + 1])
        if execution.ended == execution.sent:
            yield from self._unwind_or_end(execution, ts)

    def _after_unwind(self, execution: Execution, order: LegOrder, ts: int) -> Steps:
        given, got = self._traded.currencies(order.symbol, order.side)
        if given != execution.start:
            yield from super()._after_unwind(execution, order, ts)
            return
        done = order.done
        if done.received > 0.0:
            missing, value = execution.holdings[got]
            restored = value * min(1.0, done.received / -missing)
            execution.hold(got, done.received, -restored)
            execution.returned -= done.spent
            execution.unwind += done.spent + restored
        yield from self._unwind_or_end(execution, ts)

    def _bring_back(self, execution: Execution, ts: int) -> Order | None:
        """Bring back what is left over; when nothing is, buy back what is missing."""
        order = super()._bring_back(execution, ts)
        if order is not None or not execution.together:
            return order
        for currency, (amount, value) in execution.holdings.items():
            if value < -WORTH_AN_ORDER * execution.spent:
                order = self._restore(execution, currency, -amount, ts)
                if order is not None:
                    return order
        return None

    def _restore(
        self, execution: Execution, currency: int, missing: float, ts: int
    ) -> Order | None:
        """Make the order that buys a currency back with the start currency, directly."""
        terms, shelf = self._traded.terms, self._shelf
        for symbol, pair in enumerate(self._traded.pairs):
            if set(pair) != {currency, execution.start}:
                continue
            side = BUY if pair[0] == currency else SELL
            px, left = shelf.levels(symbol, side)
            best = best_price(px, left)
            if not best > 0.0:
                continue
            # what the missing amount costs at the levels seen, fee on top
            wanted = missing / float(terms.on_output[symbol, side])
            cost = value_at(px, left, wanted) if side == BUY else wanted / best
            cost /= float(terms.on_input[symbol, side])
            if cost > self._free(self._traded.cycles.currencies[execution.start]):
                continue
            value_after = value_before(1 - side, best, 1.0)
            order = self._home(execution, symbol, side, cost, value_after, ts)
            if order is not None:
                return order
        return None

    def _write_off(self, execution: Execution) -> None:
        """Count what is missing as lost, at what it was worth at the decision."""
        if not execution.together:
            return
        legs, values = self._traded.legs[execution.cycle], execution.plan.values
        for (symbol, side), value in zip(legs[1:], values[1:-1], strict=True):
            given, _ = self._traded.currencies(symbol, side)
            amount, _ = execution.holdings.get(given, (0.0, 0.0))
            if amount < 0.0:
                execution.write_off(given, -amount * value)
