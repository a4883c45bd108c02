"""The panic seller: brings what cycles left in hand to a stable currency, however long it takes.

All it knows stands in the state file, so another start goes on where this one ended. Nothing
is given up: what no way takes within the bound is held, told once, and tried again. How one
try goes is ``sale``'s, where a holding goes is decided by ``trading.panic``.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal

import structlog

from arb_pipelines.errors import Fatal, ProtocolViolation, Transient
from arb_pipelines.execution.orders.runner import OrderRunner
from arb_pipelines.execution.panic.prices import Prices
from arb_pipelines.execution.panic.results import PanicResult, end_of, listed, unsold
from arb_pipelines.execution.panic.sale import Sale
from arb_pipelines.execution.panic.sending import PanicOrders
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import Cycle, CycleState, Outcome
from arb_pipelines.trading.panic.network import Network
from arb_pipelines.trading.panic_rules import PanicRules
from arb_pipelines.venues.base import VenueConnection
from arb_pipelines.venues.retry import RECONNECT

_log = structlog.get_logger()
#: Sales that ask and order at the same time; the others wait for their turn.
_AT_ONCE = 4


class PanicSeller:
    """Sells cycles of ``store``; ``rules`` says by a strategy's name how, if ``say`` does not.

    ``alert`` is told, once a cycle, of what is held: an event's name, then facts. ``bookings``
    is for the account's ``BalanceWatch``.
    """

    def __init__(
        self,
        store: StateStore,
        connection: VenueConnection,
        runner: OrderRunner,
        rules: Callable[[str], PanicRules],
        *,
        alert: Callable[..., object],
    ) -> None:
        self._store, self._rules, self._alert = store, rules, alert
        self._network, self._prices = (
            Network(connection.markets, connection.fees),
            Prices(connection),
        )
        self.bookings = PanicOrders(store, runner)
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._taken: set[str] = set()
        self._untried: set[str] = set()
        self._all_tried = asyncio.Event()
        self._all_tried.set()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._alerted: set[str] = set()
        self._said: dict[str, PanicRules] = {}

    def say(self, strategy: str, rules: PanicRules) -> None:
        """Sell a strategy's cycles by these rules from now on."""
        self._said[strategy] = rules

    def on_left(self, cycle: str) -> bool:
        """Take over what an execution left in hand, unless its strategy turns that off."""
        if not self._rules_of(self._store.cycle(cycle)).enabled:
            return False
        self.take(cycle)
        return True

    def take(self, cycle: str) -> None:
        """Have ``run`` bring a cycle to its end; one that it has is not taken twice.

        The state says so at once, if it can: who comes after a crash knows whose it was.
        """
        if cycle in self._taken:
            return
        with suppress(Transient):  # then it is written when its turn comes
            self._begin(self._store.cycle(cycle))
        self._taken.add(cycle)
        self._untried.add(cycle)
        self._all_tried.clear()
        self._queue.put_nowait(cycle)

    async def run(self) -> None:
        """Sell what is taken, and what an earlier start was selling, until cancelled.

        Raises:
            InvariantBroken: our books do not add up.
        """
        for cycle in self._store.open_cycles():
            if cycle.state is CycleState.PANIC_SELLING:
                self.take(cycle.id)
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._see_through(await self._queue.get()))

    async def settle(self, within_s: float) -> bool:
        """Wait until all that was taken was tried, for so long at most; whether it was.

        What is held, or was not tried in time, is picked up at the next start.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._all_tried.wait()
        return self._all_tried.is_set()

    async def sell(self, cycle: str) -> PanicResult:
        """Sell what a cycle holds, as far as that goes now; end the cycle, or hold what is left.

        Trouble of the venue that passes is waited for. Where its strategy turns panic sells
        off, the cycle ends with what it holds.

        Raises:
            Fatal, ProtocolViolation: the venue turns us away, or makes no sense.
        """
        failures = 0
        async with self._locks[cycle]:
            while True:
                try:
                    return await self._sell(cycle)
                except Transient as trouble:
                    failures += 1
                    pause_s = RECONNECT.wait_s(failures, trouble.retry_after_s)
                    _log.info("panic.paused", cycle=cycle, why=str(trouble), pause_s=pause_s)
                    await asyncio.sleep(pause_s)

    async def _see_through(self, cycle: str) -> None:
        """Bring a cycle to its end, however often it has to be tried."""
        while True:
            try:
                result = await self.sell(cycle)
            except (Fatal, ProtocolViolation) as refused:
                result = PanicResult(cycle, None, {}, str(refused))
                self._tell_held(result)
            self._untried.discard(cycle)
            if not self._untried:
                self._all_tried.set()
            if result.outcome is not None:
                self._taken.discard(cycle)
                self._alerted.discard(cycle)
                del self._locks[cycle]
                return
            await asyncio.sleep(self._rules_of(self._store.cycle(cycle)).retry_every_s)

    async def _sell(self, cycle: str) -> PanicResult:
        stored = self._store.cycle(cycle)
        if stored.outcome is not None:
            return PanicResult(cycle, stored.outcome, {}, "it had ended")
        await self.bookings.settle(cycle)
        stored, rules = self._store.cycle(cycle), self._rules_of(stored)
        if not rules.enabled and stored.held:
            why = f"{listed(stored.held)} is left, since `panic_sell` is not enabled"
            return self._end(stored, Outcome.RESIDUAL, stored.held, why)
        self._begin(stored)
        sale = Sale(
            self._store, self._network, self._prices, self.bookings, rules, self._turns, cycle
        )
        why_held = await sale.run()
        stored = self._store.cycle(cycle)
        left = unsold(stored, rules.base_currencies)
        if why_held is not None:
            result = PanicResult(cycle, None, left, why_held)
            self._tell_held(result)
            return result
        outcome, why = end_of(stored, self._store.orders(cycle), rules.base_currencies)
        return self._end(stored, outcome, left, why)

    def _rules_of(self, cycle: Cycle) -> PanicRules:
        return self._said.get(cycle.strategy) or self._rules(cycle.strategy)

    def _begin(self, cycle: Cycle) -> None:
        if cycle.state is not CycleState.PANIC_SELLING and not cycle.state.terminal:
            why = f"holds {listed(cycle.held) or 'nothing that is known'}"
            self._store.move(cycle.id, CycleState.PANIC_SELLING, what="panic sell", why=why)

    def _end(
        self, cycle: Cycle, outcome: Outcome, left: Mapping[str, Decimal], why: str
    ) -> PanicResult:
        profit = cycle.gained
        error = why if outcome is Outcome.RESIDUAL else None
        self._store.end(
            cycle.id, CycleState.FAILED, outcome,
            profit=profit, what="panic sell", why=why, error=error,
        )  # fmt: skip
        _log.warning("panic.ended", cycle=cycle.id, outcome=outcome, profit=f"{profit:f}", why=why)
        return PanicResult(cycle.id, outcome, left, why)

    def _tell_held(self, result: PanicResult) -> None:
        facts = {"cycle": result.cycle, "why": result.why, "held": listed(result.left)}
        if result.cycle in self._alerted:
            _log.info("panic.held", **facts)
            return
        self._alerted.add(result.cycle)
        self._alert("panic sell held", **facts)
