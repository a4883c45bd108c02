"""A desk's orders at a venue: exact amounts out, and news of what became of them back.

An order leaves once. Whatever its answer was (or if there was none), what became of it is
what the account's stream tells, or a look-up by its client id; only then does the desk
hear of it. So a fill that overtakes the venue's answer is no special case, and an order
whose outcome is unknown is simply not over yet.

Amounts are ``Decimal`` from here on: what an execution has in hand is kept exactly, so
that no leg asks for more than the one before brought, by not even a float's last place.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.errors import OutcomeUnknown, Rejected, Transient
from arb_pipelines.execution.amounts import Booked, Purses, new_order
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import (
    BrokerEvent,
    Cancelled,
    Ended,
    Ending,
    MarketEvent,
    Order,
    OrderFill,
    Routed,
)
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import Account, NewOrder, OrderEntry, OrderReport

#: Look-ups of one order: the first pause, doubled each time up to the longest.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0


class VenueBroker:
    """Sends a desk's orders to a venue and tells their fate, in a session's loop.

    ``fees`` are taker fees by symbol, as fractions; ``intent`` hears of every order before
    it leaves. ``run`` has to be running before the first order comes.
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
        intent: Callable[[NewOrder, Order], object] = lambda new, order: None,
    ) -> None:
        self._entry, self._account, self._rules = entry, account, rules
        self._markets, self._fees = markets, fees
        self._wall_ns, self._intent = wall_ns, intent
        self._purses = Purses()
        self._tasks: asyncio.TaskGroup | None = None
        self._news: deque[BrokerEvent] = deque()
        self._ring = asyncio.Event()

    async def run(self) -> None:
        """Carry orders until cancelled; those that are out then are left as they are.

        Raises:
            Fatal: the venue turns us away.
        """
        async with asyncio.TaskGroup() as self._tasks:
            await asyncio.get_running_loop().create_future()

    async def next_event(self) -> BrokerEvent:
        """Wait for the next piece of news, in the order it became known."""
        while not self._news:
            self._ring.clear()
            await self._ring.wait()
        return self._news.popleft()

    def submit(self, order: Order) -> None:
        """Send an order; its fate comes as news."""
        assert self._tasks is not None, "the broker runs before orders come"
        self._tasks.create_task(self._carry(order), name=order.client_id)

    def cancel(self, client_id: str, ts: int) -> None:
        """Do nothing: a cycle's orders do not rest."""

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

    # -- one order ---------------------------------------------------------------------

    async def _carry(self, order: Order) -> None:
        market, fee = self._markets[order.symbol], self._fees[order.symbol]
        in_hand = self._purses.available(order)
        new = new_order(order, market, fee, self._rules.orders, in_hand)
        if new is None:
            self._tell(self._rejected(order, "nothing the venue would take is in hand"))
            return
        self._intent(new, order)
        sent = self._wall_ns()
        self._tell(Routed(order.client_id, sent))
        try:
            report = await self._outcome(new, sent)
        except (Rejected, Transient) as refused:
            self._tell(self._rejected(order, str(refused)))
            return
        self._account.forget(new.client_id)
        if report is None:
            self._tell(self._rejected(order, "it never reached the venue"))
            return
        booked = Booked.of(report, fee, market.fee_side)
        self._purses.book(order, booked)
        for news in _told(order, new, booked, report, market, self._wall_ns()):
            self._tell(news)

    async def _outcome(self, new: NewOrder, sent: int) -> OrderReport | None:
        """Place an order and wait for its end; ``None`` if it never reached the venue.

        Raises:
            Rejected, Transient: the venue did not take it; nothing happened.
        """
        arrived = True
        try:
            await self._entry.place(new)
        except OutcomeUnknown:
            arrived = False  # or not known to be: only a look-up can tell
        wait_s = self._rules.fill_wait_ms / 1e3
        pause_s, cancelled = _FIRST_PAUSE_S, False
        while True:
            report = None
            with suppress(Transient):  # the question got no answer: ask again
                report = await self._account.settled(new.client_id, wait_s)
            if report is not None and not report.active:
                return report
            waited_ms = (self._wall_ns() - sent) / NS_PER_MS
            arrived = arrived or report is not None
            if not arrived and waited_ms > self._rules.unknown_wait_ms:
                return None
            if report is not None and waited_ms > self._rules.leg_timeout_ms and not cancelled:
                cancelled = await self._take_back(new)
            await asyncio.sleep(pause_s)
            wait_s, pause_s = 0.0, min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _take_back(self, new: NewOrder) -> bool:
        try:
            await self._entry.cancel(new.client_id, new.symbol)
        except Transient:
            return False
        except (Rejected, OutcomeUnknown):
            pass  # it has ended, or the next look-up tells
        return True

    def _rejected(self, order: Order, reason: str) -> Cancelled:
        return Cancelled(order.client_id, self._wall_ns(), reason, Ending.REJECTED)

    def _tell(self, news: BrokerEvent) -> None:
        self._news.append(news)
        self._ring.set()


def _told(
    order: Order, new: NewOrder, booked: Booked, report: OrderReport, market: Market, now: int
) -> Iterator[BrokerEvent]:
    """Put the end of an order into the words every broker speaks."""
    whole = booked.fills_whole(new, market)
    if booked.size > 0:
        yield OrderFill(
            client_id=order.client_id,
            ts=now,
            symbol=order.symbol,
            side=order.side,
            size=float(booked.size),
            funds=float(booked.funds),
            spent=float(booked.spent),
            received=float(booked.received),
            fee=float(booked.fee),
            fee_currency=booked.fee_currency,
            final=whole,
        )
    if not whole:
        yield Cancelled(order.client_id, now, "the rest found no counterpart")
