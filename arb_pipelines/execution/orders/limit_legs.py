"""Legs that rest: a desk's order carried by a chain of venue orders, one after the other.

The desk knows one order, with its fills and one end. At the venue it rests as good-till-
cancelled; after a while what is left is taken back and priced by the book of then, a number
of times, and at last traded at once within its limit, or given up (``LimitOrders``). An order
of the chain leaves when the one before has ended: taken back means that the venue has told
so, never that it was asked to. What the orders are is said by ``chain``.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial

from arb_pipelines.errors import Transient
from arb_pipelines.execution.orders.amounts import Booked, cost_of
from arb_pipelines.execution.orders.balances import FreeBalances
from arb_pipelines.execution.orders.capacity import Claim, RestingCapital
from arb_pipelines.execution.orders.carrier import Carried, Intent, unwritten
from arb_pipelines.execution.orders.chain import Chain
from arb_pipelines.execution.orders.followed import Sending, followed_to_end
from arb_pipelines.execution.orders.links import Link, RestingLeg, woken
from arb_pipelines.execution.orders.venue_broker import Untraded, VenueBroker, VenueNews, unheard
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import Book, Ending, Order, TimeInForce
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import Account, NewOrder, OrderEntry, OrderReport
from arb_pipelines.venues.status import VenueStatus

#: Gives the newest book of a symbol, as far as it has been received.
Books = Callable[[str], Book]


class LimitLegBroker(VenueBroker):
    """A ``VenueBroker`` whose legs of kind ``limit`` rest; ``books`` price them.

    First legs rest on ``capital``, for which those of all strategies of the account compete.
    """

    def __init__(
        self,
        entry: OrderEntry,
        account: Account,
        markets: Mapping[str, Market],
        fees: Mapping[str, Decimal],
        rules: SessionRules,
        *,
        wall_ns: Callable[[], int],
        books: Books,
        capital: RestingCapital | None = None,
        intent: Intent = unwritten,
        free: FreeBalances | None = None,
        publish: Callable[[VenueNews], object] = unheard,
        room: Callable[[], bool] = lambda: True,
        status: VenueStatus | None = None,
    ) -> None:
        super().__init__(
            entry, account, markets, fees, rules,
            wall_ns=wall_ns, intent=intent, free=free, publish=publish, room=room, status=status,
        )  # fmt: skip
        self._books, self._how = books, self._rules.limit_orders
        self._capital = capital
        self._chains: dict[str, RestingLeg] = {}
        self._resting: set[Link] = set()
        self._hurried = False

    def cancel(self, client_id: str, ts: int) -> None:
        """Take an order back, if it rests; what of it filled until then is kept."""
        self._recall(client_id, "taken back")

    def hurry(self) -> None:
        """Take back what rests. A first leg is given up; a later one goes on as ``then`` says."""
        self._hurried = True
        for leg in self._chains.values():
            leg.rouse()

    def _recall(self, client_id: str, reason: str) -> None:
        leg = self._chains.get(client_id)
        if leg is not None:
            leg.recalled = leg.recalled or reason
            leg.rouse()

    async def _carry(self, order: Order) -> None:
        if order.unwinds or self._rules.order_of(order.leg or 0) != "limit":
            await super()._carry(order)
            return
        in_hand = self._purses.available(order)
        market, fee = self._markets[order.symbol], self._fees[order.symbol]
        leg = RestingLeg(
            order, Chain(order, market, fee, self._how, in_hand), opens=in_hand is None
        )
        self._chains[order.client_id] = leg
        try:
            if await self._has_capital(leg):
                await self._carry_leg(leg)
        finally:
            if leg.claim is not None and self._capital is not None:
                self._capital.leave(leg.claim, filled=leg.chain.filled)
            del self._chains[order.client_id]

    async def _has_capital(self, leg: RestingLeg) -> bool:
        """Wait for the capital that a first leg binds while it rests; tell if there is none."""
        order, capital = leg.order, self._capital
        new = self._made(leg, None) if leg.opens and capital is not None else None
        if new is None or new.price is None or capital is None:
            return True
        market, fee = self._markets[order.symbol], self._fees[order.symbol]
        currency, amount = cost_of(new, market, fee)
        leg.claim = claim = Claim(
            order,
            currency,
            amount,
            new.price,
            book=lambda: self._books(order.symbol),
            stolen=lambda reason: self._recall(order.client_id, reason),
            tell=self._publish,
        )
        if await capital.enter(claim, self._how.reprice_ms / 1e3):
            return True
        why = leg.recalled or f"no capital: {claim.blocked}"
        self._news.ended(order, why, Ending.EXPIRED)
        self._over()
        return False

    # -- one leg -----------------------------------------------------------------------

    async def _carry_leg(self, leg: RestingLeg) -> None:
        """Send one order after the other until the leg is filled, or ends otherwise."""
        order, chain = leg.order, leg.chain
        reason, ending = "nothing the venue would take is in hand", Ending.REJECTED
        while (new := await self._next(leg)) is not None:
            link = self._link(leg, new)
            try:
                self._intent(new, order)
            except Transient as unwritten:  # what is not written down does not leave
                reason = str(unwritten)
                break
            if not chain.sent:
                self._news.routed(order)
            chain.sent += 1
            if leg.claim is not None and self._capital is not None and new.price is not None:
                self._capital.stands(leg.claim, new.price)
            await self._follow_link(leg, link)
            reason, ending = "its limit was not reached", Ending.CANCELLED
            if link.end is None:
                self._over()  # nobody can tell: the order stays open in all books
                return
            if isinstance(link.end, Booked):
                chain.add(link.end)
                if leg.claim is not None and self._capital is not None:
                    self._capital.spent(leg.claim, link.end.spent)
                self._news.filled(order, link.end, final=chain.whole)
                if chain.whole:
                    self._over()
                    return
                if link.end.size == new.size:  # at better prices than its own
                    reason = "its price was better than its limit, and the rest is not wanted"
                    break
            elif not new.post_only or link.end.lost:
                reason, ending = link.end.reason, link.ending
                break
            if not link.rests:
                break
            await self._pace(leg, link)
        if chain.filled or chain.sent > 1:
            ending = Ending.CANCELLED
        self._news.ended(order, leg.recalled or reason, ending)
        self._over()

    async def _next(self, leg: RestingLeg) -> NewOrder | None:
        """Make a chain's next order, once what pays for it is free; ``None`` at its end."""
        in_hand = self._purses.available(leg.order)
        new = self._made(leg, in_hand)
        if new is None or (leg.opens and not leg.chain.sent) or self._is_free(new):
            return new
        return await self._when_free(new, in_hand, partial(self._made, leg))

    def _made(self, leg: RestingLeg, in_hand: Decimal | None) -> NewOrder | None:
        """Make an order that rests, as long as it may; then the one that ends the chain."""
        chain = leg.chain
        if leg.recalled is not None or self._reason is not None:
            return None
        if not self._hurried and chain.repriced <= self._how.max_reprices:
            new = chain.next(self._books(leg.order.symbol), in_hand)
            if new is not None:
                return new
        if self._how.then == "give_up" or (self._hurried and leg.opens):
            return None
        return chain.last(in_hand)

    # -- one order of it ---------------------------------------------------------------

    def _link(self, leg: RestingLeg, new: NewOrder) -> Link:
        rules = self._rules
        return Link(
            leg.order,
            new,
            self._markets[new.symbol],
            leg.opens and not leg.chain.sent,
            asyncio.get_running_loop().time(),
            wake=leg.wake,
            due_ms=math.inf if new.time_in_force is TimeInForce.GTC else rules.leg_timeout_ms,
            fill_wait_ms=rules.fill_wait_ms,
            unknown_wait_ms=rules.unknown_wait_ms,
            after_due_ms=rules.leg_timeout_ms,
        )

    async def _follow_link(self, leg: RestingLeg, link: Link) -> None:
        """Send an order of a chain, let it rest, and wait for its end."""
        assert self.tasks is not None
        leg.wake.clear()
        self.tasks.create_task(self._send_on(link), name=link.new.client_id)
        if link.rests:
            self._resting.add(link)
            await self._rest(leg, link)
            self._resting.discard(link)
        while not link.over:
            leg.wake.clear()
            await leg.wake.wait()

    async def _rest(self, leg: RestingLeg, link: Link) -> None:
        """Let an order rest until it ends; take it back when it is wanted, or stands wrong."""
        while not link.over and leg.recalled is None and not self._hurried:
            leg.wake.clear()
            if await woken(leg.wake, self._how.reprice_ms / 1e3):
                continue
            leg.chain.repriced += 1
            stands = leg.chain.price(self._books(leg.order.symbol)) == link.new.price
            if leg.chain.repriced > self._how.max_reprices or not stands:
                break
        if not link.over:
            link.due_ms = self._waited_ms(link)
            await self._take_back(link.new)

    async def _pace(self, leg: RestingLeg, link: Link) -> None:
        """Wait out the time of an order that ended before it was wanted back."""
        left_s = self._how.reprice_ms / 1e3 - self._waited_ms(link) / 1e3
        if link.due_ms < math.inf or left_s <= 0:
            return
        leg.chain.repriced += 1
        while leg.recalled is None and not self._hurried:
            leg.wake.clear()
            if not await woken(leg.wake, left_s):
                return

    async def _hear(self, carried: Carried, sending: Sending) -> None:
        """Follow an order; one that rests is asked for now and then, and often once it is due."""
        if not isinstance(carried, Link) or not carried.rests:
            await super()._hear(carried, sending)
            return
        link, new = carried, carried.new

        async def ask(wait_s: float) -> OrderReport | None:
            due = link.due_ms < math.inf
            report = await self._account.settled(
                new.client_id, wait_s if due else self._rules.fill_wait_ms / 1e3
            )
            if due and report is not None and report.active:
                await self._take_back(new)
            return report

        end = await followed_to_end(ask, self._entry, sending, link, self._turn_away)
        self._conclude(link, end)

    # -- how it ends -------------------------------------------------------------------

    def _finish(self, carried: Carried, report: OrderReport) -> Booked:
        if not isinstance(carried, Link):
            return super()._finish(carried, report)
        booked = Booked.of(report, self._fees[report.symbol], carried.market)
        self._purses.book(carried.order, booked)
        carried.conclude(booked)
        return booked

    def _refuse(self, carried: Carried, reason: str, ending: Ending = Ending.REJECTED) -> None:
        if not isinstance(carried, Link):
            super()._refuse(carried, reason, ending)
            return
        carried.ending = ending
        end = Untraded(carried.new.client_id, reason, lost=ending is Ending.EXPIRED)
        self._publish(end)
        carried.conclude(end)

    def _leave(self, carried: Carried) -> None:
        if isinstance(carried, Link):
            carried.conclude(None)
        else:
            super()._leave(carried)

    def _is_idle(self) -> bool:
        return self._out <= len(self._resting)
