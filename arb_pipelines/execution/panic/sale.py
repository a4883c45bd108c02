"""One try to sell what a cycle holds: order after order, each decided on books of the moment."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from arb_pipelines.execution.panic.prices import Prices
from arb_pipelines.execution.panic.results import came_from, unsold
from arb_pipelines.execution.panic.sending import PanicOrders
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import OrderStatus, StoredOrder
from arb_pipelines.trading.panic.network import Network
from arb_pipelines.trading.panic.routes import Chosen, Unsold
from arb_pipelines.trading.panic.sight import Holding, Sight
from arb_pipelines.trading.panic_rules import PanicRules

#: Orders in a row that fill nothing, after which a holding waits for the next try.
_MOST_MISSES = 3


@dataclass(slots=True)
class Sale:
    """A try to sell one cycle; what an order really brought is what the next is about.

    ``turns`` bounds how many sales ask and order at the same time.
    ``_judged`` is what was said of holdings that are not sold, with their amount then.
    """

    store: StateStore
    network: Network
    prices: Prices
    orders: PanicOrders
    rules: PanicRules
    turns: asyncio.Semaphore
    cycle: str
    _judged: dict[str, tuple[Decimal, Unsold]] = field(default_factory=dict)
    _misses: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    _closed: frozenset[str] = frozenset()
    _refusals: list[str] = field(default_factory=list)
    _newest: str = ""

    async def run(self) -> str | None:
        """Sell all that can be sold; say why something is held, unless what is left is dust.

        Raises:
            Transient: the venue does not answer.
            Fatal, ProtocolViolation: it turns us away, or makes no sense.
        """
        while (holding := self._next()) is not None:
            async with self.turns:
                sliced = await self._sell(holding)
            if sliced:
                await asyncio.sleep(self.rules.slice_pause_ms / 1e3)
        held = [said.reason for _, said in self._judged.values() if not said.dust]
        return "; ".join([*held, *self._refusals]) if held else None

    async def _sell(self, holding: Holding) -> bool:
        """Decide about a holding and send one order; whether a slice of it filled."""
        sight = Sight(self.network, self.rules, self._closed)
        found = await self.prices.decide(sight, holding)
        self._closed = sight.closed
        if isinstance(found, Unsold):
            self._judged[holding.currency] = holding.amount, found
            return False
        order = await self.orders.send(self.cycle, found)
        self._note(holding, found, order)
        return bool(order.filled) and not found.carried.whole

    def _next(self) -> Holding | None:
        """Give what is to be sold next; what is on its way goes on before more follows."""
        stored = self.store.cycle(self.cycle)
        open_ = {
            name: amount
            for name, amount in unsold(stored, self.rules.base_currencies).items()
            if name not in self._judged or self._judged[name][0] != amount
        }
        if not open_:
            return None
        name = self._newest if self._newest in open_ else next(iter(open_))
        origins = came_from(self.store.orders(self.cycle))
        return Holding(name, open_[name], stored.start, frozenset(origins.get(name, ())))

    def _note(self, holding: Holding, found: Chosen, order: StoredOrder) -> None:
        """Learn from what became of an order."""
        if order.filled:
            self._newest = found.route[0].got
            self._misses[holding.currency] = 0
            return
        if order.status is OrderStatus.REFUSED:
            self._closed |= {order.symbol}
            self._refusals.append(f"{order.symbol}: {order.reason}")
        self._misses[holding.currency] += 1
        if self._misses[holding.currency] == _MOST_MISSES:
            why = f"{order.client_id}: {order.reason or 'the market moved away'}"
            self._judged[holding.currency] = holding.amount, Unsold(False, why)
