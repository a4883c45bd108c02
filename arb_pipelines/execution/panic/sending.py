"""The orders of panic sells: made of a decision, run by the state file, and counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

import structlog

from arb_pipelines.execution.orders.runner import OrderRunner
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import Purpose, StoredOrder, changes_of
from arb_pipelines.trading.events import OrderKind, TimeInForce
from arb_pipelines.trading.panic.routes import Chosen
from arb_pipelines.venues.base import NewOrder

_log = structlog.get_logger()
_ZERO = Decimal(0)


class PanicOrders:
    """Sends orders of panic sells; one who trades on the account, for its ``BalanceWatch``."""

    def __init__(self, store: StateStore, runner: OrderRunner) -> None:
        self._store, self._runner = store, runner
        self._changes: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.in_flight = self.orders = 0

    def booked(self) -> Mapping[str, Decimal]:
        """Changes of the account's balances so far, by currency."""
        return dict(self._changes)

    def begin_again(self) -> None:
        """Count from here on; what was before is in the balances that are compared with."""
        self._changes.clear()

    async def settle(self, cycle: str) -> None:
        """Find out what became of orders of a cycle whose end is not known.

        Raises:
            Fatal, ProtocolViolation: the venue turns us away, or makes no sense.
        """
        for order in self._store.orders(cycle):
            if order.purpose is Purpose.PANIC:
                with self._counted(cycle):
                    await self._runner.settle(order)
            else:
                await self._runner.settle(order)

    async def send(self, cycle: str, chosen: Chosen) -> StoredOrder:
        """Send the first order of a way, and follow it to its end.

        Raises:
            Transient: the state file cannot be written; nothing has left.
            Fatal, ProtocolViolation: the venue turns us away, or makes no sense.
        """
        sale, step = chosen.carried.sales[0], chosen.route[0]
        new = NewOrder(
            self._runner.next_id(cycle, "p"),
            step.symbol,
            step.side,
            OrderKind.LIMIT,
            size=sale.size,
            price=sale.limit,
            time_in_force=TimeInForce.IOC,
        )
        with self._counted(cycle):
            order = await self._runner.run_order(cycle, new, Purpose.PANIC, None)
        _log.info(
            "panic.order",
            cycle=cycle,
            client_id=new.client_id,
            way=[step.given, *(further.got for further in chosen.route)],
            whole=chosen.carried.whole,
            size=f"{sale.size:f}",
            limit=f"{sale.limit:f}",
            filled=f"{order.filled:f}",
            received=f"{order.received:f}",
            reason=order.reason,
        )
        return order

    @contextmanager
    def _counted(self, cycle: str) -> Iterator[None]:
        """Count what sales of a cycle do to the balances within the block, where one may be out.

        Its other orders are counted by who sent them, who may book them meanwhile.
        """
        before = self._sold(cycle)
        self.in_flight += 1
        self.orders += 1
        try:
            yield
        finally:
            after = self._sold(cycle)
            for currency in {*before, *after}:
                self._changes[currency] += after.get(currency, _ZERO) - before.get(currency, _ZERO)
            self.in_flight -= 1

    def _sold(self, cycle: str) -> Mapping[str, Decimal]:
        """Add up what the sales of a cycle came to."""
        orders = self._store.orders(cycle)
        return changes_of(order for order in orders if order.purpose is Purpose.PANIC)
