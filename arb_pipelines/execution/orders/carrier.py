"""What every session's broker does with a desk's orders, however they come to be filled.

An order is made exact, bounded by what its execution has in hand, written down, and
carried out by a subclass; what became of it is booked exactly and told in the words of
every broker. Nothing happens twice: an order that did not leave (``Transient``), or came
before the balance that pays for it (``Unfunded``), may be tried again, and is, where it
carries on an execution that has begun.

When the venue turns us away for good, what is out is followed to its end, everything new
is refused, and ``run`` ends with the venue's word.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from arb_pipelines.eager import begin_now
from arb_pipelines.errors import Fatal, ProtocolViolation, Rejected, Transient, Unfunded
from arb_pipelines.execution.orders.amounts import Booked, Purses, cost_of, new_order
from arb_pipelines.execution.orders.balances import FreeBalances
from arb_pipelines.execution.orders.followed import pause_before_again_s
from arb_pipelines.execution.orders.news import BrokerNews
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import (
    BrokerEvent,
    Ended,
    Ending,
    MarketEvent,
    Order,
)
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import NewOrder, OrderReport
from arb_pipelines.venues.status import VenueStatus

Intent = Callable[[NewOrder, Order], object]


def unwritten(new: NewOrder, order: Order) -> None:
    """Write an intent nowhere."""


@dataclass(slots=True, eq=False)
class Carried:
    """An order under way. ``opens``: nothing hangs on it yet; ``over``: its end has been told.

    ``since_s`` is the loop's time at which it was first sent.
    """

    order: Order
    new: NewOrder
    market: Market
    opens: bool
    since_s: float
    over: bool = False


class OrderCarrier(ABC):
    """A ``SessionBroker`` but for how an order is sent and heard of.

    ``fees`` are taker fees by symbol, as fractions; ``intent`` hears of every order before
    it leaves, and keeps it here by raising ``Transient``. ``run`` has to be running before
    the first order comes. With ``free``, a leg waits for what the one before it brought. While
    the venue is closed (``status``) nothing begins, and what has begun waits.
    """

    def __init__(
        self,
        markets: Mapping[str, Market],
        fees: Mapping[str, Decimal],
        rules: SessionRules,
        *,
        wall_ns: Callable[[], int],
        intent: Intent,
        free: FreeBalances | None,
        status: VenueStatus | None = None,
    ) -> None:
        self._status = VenueStatus("") if status is None else status
        self._markets, self._fees, self._rules = markets, fees, rules
        self._wall_ns, self._intent, self._free = wall_ns, intent, free
        self._purses = Purses()
        self._news = BrokerNews(wall_ns)
        self._out = 0
        self._calmer = asyncio.Event()
        self._turned_away = asyncio.Event()
        self._reason: Fatal | ProtocolViolation | None = None
        self.tasks: asyncio.TaskGroup | None = None

    @property
    def changes(self) -> Mapping[str, Decimal]:
        """What the orders so far did to the account's balances, exactly, by currency."""
        return self._purses.changes

    async def run(self) -> None:
        """Carry orders until cancelled; those that are out then are left as they are.

        Raises:
            Fatal, ProtocolViolation: the venue turns us away, or makes no sense; what was
                out has ended, or was followed for as long as an order may take.
        """
        async with asyncio.TaskGroup() as self.tasks:
            beside = [self.tasks.create_task(work) for work in self._beside()]
            await self._turned_away.wait()
            while self._out or self._news.waits:
                self._calmer.clear()
                await self._calmer.wait()
            for task in beside:
                task.cancel()
        assert self._reason is not None
        raise self._reason

    async def next_event(self) -> BrokerEvent:
        """Wait for the next piece of news, in the order it became known."""
        event = await self._news.next()
        self._calmer.set()
        return event

    def submit(self, order: Order) -> None:
        """Send an order, at once where nothing keeps it; its fate comes as news."""
        assert self.tasks is not None, "the broker runs before orders come"
        if self._reason is not None:
            self._news.ended(order, f"not sent: {self._reason}", Ending.REJECTED)
            return
        self._out += 1
        begin_now(self.tasks, self._carry(order), name=order.client_id)

    def cancel(self, client_id: str, ts: int) -> None:
        """Do nothing: these orders do not rest."""
        return

    def hurry(self) -> None:
        """Do nothing: these orders do not rest."""
        return

    def on_market(self, event: MarketEvent) -> Iterable[BrokerEvent]:
        """Nothing: a venue's news comes by itself."""
        return ()

    def close(self) -> Iterator[BrokerEvent]:
        """Nothing: a session waits for its orders instead."""
        return iter(())

    def on_ended(self, ended: Ended) -> None:
        """Forget what an execution had in hand."""
        if ended.execution is not None:
            self._purses.drop(ended.execution)

    async def finish(self, within_s: float) -> None:
        """Do nothing: what is heard of an order ends with it."""
        return

    # -- for those that carry ----------------------------------------------------------

    @abstractmethod
    async def _send(self, carried: Carried) -> None:
        """Send an order once; ``_finish`` it when its end is known, now or later.

        Raises:
            Rejected, Transient, Fatal: nothing happened.
        """

    def _beside(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Work that goes on as long as orders are carried."""
        return ()

    def _finish(self, carried: Carried, report: OrderReport) -> Booked:
        """Book what an order came to, and tell it."""
        order, market = carried.order, carried.market
        booked = Booked.of(report, self._fees[order.symbol], market)
        self._purses.book(order, booked)
        whole = booked.fills_whole(carried.new, market, order.limit_px)
        self._news.filled(order, booked, final=whole)
        if not whole:
            self._news.ended(order, "the rest found no counterpart", Ending.CANCELLED)
        self._end(carried)
        return booked

    def _refuse(self, carried: Carried, reason: str, ending: Ending = Ending.REJECTED) -> None:
        """Tell that nothing came of an order: the venue refused it, or it never got there."""
        self._news.ended(carried.order, reason, ending)
        self._end(carried)

    def _leave(self, carried: Carried) -> None:
        """Follow an order no further, its outcome unknown: it stays open in all books."""
        self._end(carried)

    def _turn_away(self, reason: Fatal | ProtocolViolation) -> None:
        """Take no more orders; the first reason stands."""
        self._reason = self._reason or reason
        self._turned_away.set()

    def _waited_ms(self, carried: Carried) -> float:
        return (asyncio.get_running_loop().time() - carried.since_s) * 1e3

    # -- one order ---------------------------------------------------------------------

    async def _carry(self, order: Order) -> None:
        in_hand = self._purses.available(order)
        opens = in_hand is None and not order.unwinds
        new, late = self._exact(order, in_hand), False
        if new is not None and not opens and not self._is_free(new):
            new, late = await self._when_free(new, in_hand, partial(self._exact, order)), True
        if new is None:
            ending = Ending.EXPIRED if late else Ending.REJECTED
            self._news.ended(order, "nothing the venue would take is in hand", ending)
            self._over()
            return
        now_s = asyncio.get_running_loop().time()
        carried = Carried(order, new, self._markets[order.symbol], opens, now_s)
        try:
            self._intent(new, order)
        except Transient as unwritten:  # what is not written down does not leave
            self._refuse(carried, str(unwritten))
            return
        self._news.routed(order)
        await self._send_on(carried)

    async def _send_on(self, carried: Carried) -> None:
        """Send an order until it has left, or it is told that it will not."""
        failures, opens, status = 0, carried.opens, self._status
        while not carried.over:
            if status.closed is not None:
                if opens:
                    self._refuse(carried, f"the venue is closed: {status.closed}")
                    return
                await status.reopened()
                carried.since_s = asyncio.get_running_loop().time()
            if (not_yet := await self._try(carried)) is None:
                return
            if isinstance(not_yet, Transient):
                status.look()
            # an opportunity does not wait; an execution that has begun has to go on
            failures += 1
            waited_ms = self._waited_ms(carried)
            pause_s = pause_before_again_s(not_yet, failures, waited_ms, self._rules)
            if opens or pause_s is None:
                self._refuse(carried, str(not_yet), Ending.REJECTED if opens else Ending.EXPIRED)
                return
            await asyncio.sleep(pause_s)

    async def _try(self, carried: Carried) -> Transient | Unfunded | None:
        """Send an order once; gives why, if nothing happened and it may be sent again."""
        try:
            await self._send(carried)
        except (Transient, Unfunded) as not_yet:
            return None if carried.over else not_yet
        except (Rejected, Fatal, ProtocolViolation) as refused:
            if not isinstance(refused, Rejected):
                self._turn_away(refused)
            if not carried.over:
                self._refuse(carried, str(refused))
        return None

    def _is_free(self, new: NewOrder) -> bool:
        if self._free is None:
            return True
        return self._free.covers(*cost_of(new, self._markets[new.symbol], self._fees[new.symbol]))

    async def _when_free(
        self,
        new: NewOrder,
        in_hand: Decimal | None,
        made: Callable[[Decimal | None], NewOrder | None],
    ) -> NewOrder | None:
        """Wait for what an order needs; make it anew if there is less than was thought.

        ``made`` makes it of what is in hand.
        """
        assert self._free is not None
        needs = cost_of(new, self._markets[new.symbol], self._fees[new.symbol])
        try:
            free = await self._free.wait_for(*needs, self._rules.balance_wait_ms / 1e3)
        except (Fatal, ProtocolViolation) as over:
            self._turn_away(over)
            return None
        known = [amount for amount in (in_hand, free) if amount is not None]
        return made(min(known, default=None))

    def _exact(self, order: Order, in_hand: Decimal | None) -> NewOrder | None:
        market, fee = self._markets[order.symbol], self._fees[order.symbol]
        kind = self._rules.order_of(order.leg or 0)
        return new_order(order, market, fee, "ioc" if kind == "limit" else kind, in_hand)

    def _end(self, carried: Carried) -> None:
        carried.over = True
        self._over()

    def _over(self) -> None:
        """Note that an order of the desk is carried no further."""
        self._out -= 1
        self._calmer.set()
