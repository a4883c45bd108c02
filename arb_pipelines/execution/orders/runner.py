"""Orders outside a desk, each written down before it leaves and booked when it has ended.

For who carries a cycle on after a crash, and for who sells what is left of one: what a broker
does for a desk, with the state file as the only memory. An order leaves once; what became of
it is asked for by its client id, by this process or by the one that comes after its death.
Which orders are worth making belongs to ``recovery`` and ``panic``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Literal

from arb_pipelines.clock import NS_PER_S, now_ns
from arb_pipelines.errors import (
    Fatal,
    InvariantBroken,
    OutcomeUnknown,
    ProtocolViolation,
    Rejected,
    Transient,
    Unfunded,
)
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.orders.followed import (
    Answer,
    Sending,
    Unresolved,
    followed_to_end,
    pause_before_again_s,
)
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import OrderStatus, Purpose, StoredOrder
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import Account, NewOrder, OrderEntry, OrderReport
from arb_pipelines.venues.tasks import worst_error

#: Pauses before a fee is asked for again that the venue did not tell.
_FEE_PAUSES_S = (0.0, 0.05, 0.2, 0.5, 1.0)
#: Look-ups of one order that the venue refuses, over some seconds, until it is not told.
_MOST_REFUSALS = 10
_OPEN = (OrderStatus.INTENDED, OrderStatus.ACCEPTED, OrderStatus.LOST)


@dataclass(frozen=True, slots=True)
class _AtOnce:
    """An order of a dead process is asked for at once, and taken back if it is open."""

    unknown_wait_ms: float
    fill_wait_ms: float = 0.0
    leg_timeout_ms: float = 0.0


class OrderRunner:
    """Runs and settles orders of cycles of ``store``, any number at a time.

    ``fees`` are taker fees by symbol, as fractions, where a report tells none. An order of a
    dead process that the venue does not know ``unknown_wait_ms`` after it was written down
    never arrived.
    """

    def __init__(
        self,
        store: StateStore,
        entry: OrderEntry,
        account: Account,
        markets: Mapping[str, Market],
        fees: Mapping[str, Decimal],
        rules: SessionRules,
        *,
        unknown_wait_ms: float = 5_000.0,
        wall_ns: Callable[[], int] = now_ns,
    ) -> None:
        self._store, self._entry, self._account = store, entry, account
        self._markets, self._fees, self._rules = markets, fees, rules
        self._at_once = _AtOnce(unknown_wait_ms)
        self._wall_ns = wall_ns
        self._turned_away: Fatal | ProtocolViolation | None = None

    def next_id(self, cycle: str, maker: Literal["r", "p"]) -> str:
        """Name the next order that recovery (r) or a panic sell (p) makes for a cycle.

        Counted from the state, so no start of the engine gives a name twice.
        """
        head = f"{cycle}-{maker}"
        made = (order.client_id.removeprefix(head) for order in self._store.orders(cycle))
        return f"{head}{max((int(n) for n in made if n.isdecimal()), default=-1) + 1}"

    async def run_order(
        self, cycle: str, new: NewOrder, purpose: Purpose, leg: int | None
    ) -> StoredOrder:
        """Write an order down, send it, and follow it to its end; give what was booked.

        Tried again while it is known that it did not leave. An order that stays open is taken
        back; what it filled by then is booked. Of one whose answer is lost, and which the venue
        does not know for ``unknown_wait_ms``, nothing is booked: it is ``LOST``.

        Raises:
            Fatal, ProtocolViolation: the venue turns us away; what the state says of the order
                is what is known of it.
        """
        self._store.intend(cycle, new, purpose, leg)
        since_s, failures = asyncio.get_running_loop().time(), 0
        while True:
            sending = Sending(new.client_id, new.symbol, since_s)
            try:
                end = await self._sent(new, sending)
            except (Transient, Unfunded) as not_yet:
                failures += 1
                waited_ms = sending.waited_ms
                pause_s = pause_before_again_s(not_yet, failures, waited_ms, self._rules)
                if pause_s is None:
                    self._store.unfilled(new.client_id, OrderStatus.REFUSED, str(not_yet))
                    break
                await asyncio.sleep(pause_s)
            except (Rejected, Fatal, ProtocolViolation) as refused:
                self._store.unfilled(new.client_id, OrderStatus.REFUSED, str(refused))
                if not isinstance(refused, Rejected):
                    raise
                break
            else:
                self._account.forget(new.client_id)
                await self._conclude(new.client_id, end)
                break
        return self._stored(cycle, new.client_id)

    async def settle(self, order: StoredOrder) -> StoredOrder:
        """Find out what became of an order of a dead process; take it back if it is open.

        One that has ended is given as it is, and one whose symbol the venue lists no more.

        Raises:
            Fatal, ProtocolViolation: the venue turns us away; the order stays as it is.
        """
        if order.status not in _OPEN or order.symbol not in self._markets:
            return order
        end = await self._end_of(order.client_id, order.symbol, order.intended_ns)
        await self._conclude(order.client_id, end)
        return self._stored(order.cycle, order.client_id)

    async def resolve(self, client_id: str, symbol: str) -> OrderReport | None:
        """Find out what became of an order that the venue listed; take it back if it is open.

        Nothing is written; ``None`` if the venue knows it no more.

        Raises:
            Fatal, ProtocolViolation: the venue turns us away.
        """
        end = await self._end_of(client_id, symbol, self._wall_ns())
        if end is Unresolved.NOT_TOLD:
            raise self._reason()
        return end if isinstance(end, OrderReport) else None

    def book(self, report: OrderReport) -> None:
        """Book what the venue says of an order that has ended."""
        market = self._markets[report.symbol]
        booked = Booked.of(report, self._fees[report.symbol], market)
        with self._store.together():
            self._store.accepted(report.client_id, report.order_id)
            self._store.book(report.client_id, booked, market, None)

    async def _end_of(
        self, client_id: str, symbol: str, intended_ns: int
    ) -> OrderReport | Unresolved:
        age_s = max(self._wall_ns() - intended_ns, 0) / NS_PER_S
        # unknown may be one that the venue took, too: it need not know orders for ever
        sending = Sending(client_id, symbol, asyncio.get_running_loop().time() - age_s, Answer.LOST)
        ask = partial(self._look_up_after, client_id, symbol, count(1))
        return await followed_to_end(ask, self._entry, sending, self._at_once, self._turn_away)

    async def _sent(self, new: NewOrder, sending: Sending) -> OrderReport | Unresolved:
        """Place an order, and hear of its end by whatever tells it first.

        Raises:
            Rejected, Transient, Fatal, ProtocolViolation: nothing happened.
        """
        ask = partial(self._account.settled, new.client_id)
        with worst_error():
            async with asyncio.TaskGroup() as tasks:
                placing = tasks.create_task(self._place(new, sending))
                await asyncio.sleep(0)  # it follows the order, and sends it
                if placing.done():
                    placing.result()
                end = await followed_to_end(ask, self._entry, sending, self._rules, self._turn_away)
                placing.cancel()  # whatever the answer were: the end is known
        return end

    async def _place(self, new: NewOrder, sending: Sending) -> None:
        try:
            accepted = await self._entry.place(new)
        except OutcomeUnknown:
            sending.answer = Answer.LOST  # only the account can tell
        else:
            sending.answer = Answer.ACCEPTED
            with suppress(Transient):  # it has left: a full disk must not have it tried again
                self._store.accepted(accepted.client_id, accepted.order_id)

    async def _look_up_after(
        self, client_id: str, symbol: str, refusals: Iterator[int], wait_s: float
    ) -> OrderReport | None:
        """Ask for an order; whoever says no again and again will not say more.

        Raises:
            ProtocolViolation: it did.
        """
        await asyncio.sleep(wait_s)
        try:
            return await self._account.look_up(client_id, symbol)
        except Rejected as refused:
            if next(refusals) >= _MOST_REFUSALS:
                raise ProtocolViolation(f"look-up of {client_id}: {refused}") from None
            raise

    async def _conclude(self, client_id: str, end: OrderReport | Unresolved) -> None:
        """Write down what became of an order."""
        if isinstance(end, OrderReport):
            self.book(end)
            if end.fee is None and end.size:
                await self._confirm_fee(end)
        elif end is Unresolved.NEVER_ARRIVED:
            self._store.unfilled(client_id, OrderStatus.LOST, "the venue does not know it")
        else:
            raise self._reason()

    async def _confirm_fee(self, report: OrderReport) -> None:
        """Book what the venue really took, if it tells; else the known rate stands."""
        for pause_s in _FEE_PAUSES_S:
            await asyncio.sleep(pause_s)
            with suppress(Transient, Rejected):
                told = await self._account.look_up(report.client_id, report.symbol)
                if told is not None and told.fee is not None and not told.active:
                    self.book(told)
                    return

    def _stored(self, cycle: str, client_id: str) -> StoredOrder:
        for order in self._store.orders(cycle):
            if order.client_id == client_id:
                return order
        raise InvariantBroken(f"order {client_id} of {cycle} was written down, and is not there")

    def _turn_away(self, reason: Fatal | ProtocolViolation) -> None:
        if self._turned_away is None or isinstance(reason, Fatal):
            self._turned_away = reason

    def _reason(self) -> Fatal | ProtocolViolation:
        assert self._turned_away is not None, "whoever is not told was turned away"
        return self._turned_away
