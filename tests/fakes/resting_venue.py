"""A scripted venue at which limit orders rest: they fill when, and as far as, a script says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from arb_pipelines.errors import OutcomeUnknown, Rejected, Unfunded
from arb_pipelines.execution.orders.amounts import cost_of
from arb_pipelines.execution.orders.client_ids import desk_id
from arb_pipelines.market.exact import round_down
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import TimeInForce
from arb_pipelines.venues.base import Accepted, NewOrder, OrderReport
from tests.fakes.scripted_venue import FEE, Fate, ScriptedVenue

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rest:
    """What becomes of one order that rests. Seconds are from when it was sent.

    Each of ``fills`` is a time and a share of the order that fills then, at its price or
    ``better`` by so much quote for base, if it is open. The answer takes ``answer_s``, and is
    ``raises``; an order that does not ``arrive`` never was. A cancel takes effect ``cancel_s``
    after it came, and is answered by ``cancel_raises``. The end is told ``told_s`` after it was
    (never: ``None``).
    """

    fills: tuple[tuple[float, Decimal], ...] = ()
    answer_s: float = 0.0
    raises: Exception | None = None
    arrives: bool = True
    cancel_s: float = 0.0
    cancel_raises: Exception | None = None
    told_s: float | None = 0.0
    better: Decimal = _ZERO


@dataclass(slots=True, eq=False)
class _Resting:
    new: NewOrder
    rest: Rest
    held: Decimal
    size: Decimal = _ZERO
    funds: Decimal = _ZERO
    active: bool = True


class RestingVenue(ScriptedVenue):
    """A ``ScriptedVenue`` where good-till-cancelled orders rest; ``rests`` are theirs, from 0.

    What an order holds is not free. No two orders of one leg may be open at once.
    """

    def __init__(
        self,
        markets: Mapping[str, Market],
        prices: Mapping[str, tuple[Decimal, Decimal]],
        balances: Mapping[str, Decimal],
        fates: Mapping[int, Fate] | None = None,
        rests: Mapping[int, Rest] | None = None,
    ) -> None:
        super().__init__(markets, prices, balances, fates)
        self._rests = dict(rests or {})
        self.resting: dict[str, _Resting] = {}
        self._number = 0

    async def place(self, order: NewOrder) -> Accepted:
        leg = desk_id(order.client_id)
        still = [o for o in self.resting.values() if o.active and desk_id(o.new.client_id) == leg]
        assert not still, f"{order.client_id} leaves while {still[0].new.client_id} is open"
        if order.time_in_force is not TimeInForce.GTC or order.price is None:
            return await super().place(order)
        assert order.client_id not in self.resting, f"{order.client_id} was sent twice"
        rest = self._rests.get(self._number, Rest())
        self._number += 1
        self.placed.append(order)
        self._followed[order.client_id] = asyncio.Event()
        if rest.arrives:
            self._rest(order, rest)
        await asyncio.sleep(rest.answer_s)
        if rest.raises is not None:
            if not isinstance(rest.raises, OutcomeUnknown):
                self._followed.pop(order.client_id, None)
            raise rest.raises
        return Accepted(order.client_id, f"id-{order.client_id}", 0, 0)

    async def cancel(self, client_id: str, symbol: str) -> None:
        order = self.resting.get(client_id)
        if order is None:
            await super().cancel(client_id, symbol)
            return
        self.cancelled.append(client_id)
        if not order.active:
            raise Rejected("no such open order")
        loop = asyncio.get_running_loop()
        loop.call_later(order.rest.cancel_s, self._end, order)
        if order.rest.cancel_raises is not None:
            raise order.rest.cancel_raises

    async def settled(self, client_id: str, timeout_s: float) -> OrderReport | None:
        if client_id not in self.resting:
            return await super().settled(client_id, timeout_s)
        assert client_id in self._followed, "it is followed from before it leaves"
        try:
            async with asyncio.timeout(timeout_s):
                await self._followed[client_id].wait()
        except TimeoutError:
            return await self.look_up(client_id, "")
        return self._told(self.resting[client_id])

    async def look_up(self, client_id: str, symbol: str) -> OrderReport | None:
        if client_id not in self.resting:
            return await super().look_up(client_id, symbol)
        self.look_ups += 1
        error = self.refuses(self.look_ups)
        if error is not None:
            raise error
        return self._told(self.resting[client_id])

    def _rest(self, new: NewOrder, rest: Rest) -> None:
        currency, held = cost_of(new, self._markets[new.symbol], FEE)
        if self._free[currency] < held:
            self._followed.pop(new.client_id)
            raise Unfunded(f"{new.client_id}: {held} {currency} wanted")
        self._free_up(currency, -held)
        order = self.resting[new.client_id] = _Resting(new, rest, held)
        loop = asyncio.get_running_loop()
        for at_s, share in rest.fills:
            loop.call_later(at_s, self._fill, order, share)

    def _fill(self, order: _Resting, share: Decimal) -> None:
        if not order.active:
            return
        new, market = order.new, self._markets[order.new.symbol]
        assert new.size is not None
        assert new.price is not None
        size = min(round_down(new.size * share, market.base_increment), new.size - order.size)
        better = order.rest.better
        funds = size * (new.price - better if new.side == BUY else new.price + better)
        order.size, order.funds = order.size + size, order.funds + funds
        if new.side == BUY:
            order.held -= funds * (1 + FEE)
            self.balances_now[market.quote] -= funds * (1 + FEE)
            self._move(market.base, size, 0.0)
        else:
            order.held -= size
            self.balances_now[market.base] -= size
            self._move(market.quote, funds * (1 - FEE), 0.0)
        if order.size == new.size:
            self._end(order)

    def _end(self, order: _Resting) -> None:
        if not order.active:
            return
        order.active = False
        market = self._markets[order.new.symbol]
        self._free_up(market.quote if order.new.side == BUY else market.base, order.held)
        order.held = _ZERO
        event, told_s = self._followed.get(order.new.client_id), order.rest.told_s
        if event is not None and told_s is not None:
            asyncio.get_running_loop().call_later(told_s, event.set)

    def _told(self, order: _Resting) -> OrderReport:
        new = order.new
        return OrderReport(
            client_id=new.client_id,
            order_id=f"id-{new.client_id}",
            symbol=new.symbol,
            side=new.side,
            active=order.active,
            cancelled=not order.active and order.size != new.size,
            size=order.size,
            funds=order.funds,
            fee=None if order.active else order.funds * FEE,
            fee_currency=self._markets[new.symbol].quote,
            ts_event=0,
        )
