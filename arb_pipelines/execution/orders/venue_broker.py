"""A desk's orders at a venue: sent once, and heard of by the account's stream or a look-up.

Whatever the answer to an order was (or if there was none), what became of it is what the
account tells; only then does the desk hear of it. The two are awaited side by side, so a
fill that overtakes the venue's answer starts the next leg at once, and an order whose
answer is lost goes on as soon as the stream tells.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from arb_pipelines.errors import Fatal, OutcomeUnknown, ProtocolViolation
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.orders.balances import FreeBalances
from arb_pipelines.execution.orders.capacity import CapitalDecided
from arb_pipelines.execution.orders.carrier import Carried, Intent, OrderCarrier, unwritten
from arb_pipelines.execution.orders.fees import FeeConfirmed, FeeLookUps
from arb_pipelines.execution.orders.followed import (
    Answer,
    Sending,
    Unresolved,
    followed_to_end,
    take_back,
)
from arb_pipelines.execution.orders.given_up import GivenUp, LateFill
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import Ending
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import Accepted, Account, NewOrder, OrderEntry, OrderReport
from arb_pipelines.venues.status import VenueStatus


@dataclass(frozen=True, slots=True)
class Untraded:
    """Nothing came of one of the venue orders that carry a desk's order, and why.

    ``lost`` tells that it never arrived as far as is known; it is asked for on. What becomes of
    the desk's order is told by itself.
    """

    client_id: str
    reason: str
    lost: bool


#: What is told of orders beyond the news of a broker.
VenueNews = Accepted | OrderReport | FeeConfirmed | LateFill | Untraded | CapitalDecided


def unheard(news: VenueNews) -> None:
    """Tell nobody."""


class VenueBroker(OrderCarrier):
    """Sends a desk's orders to a venue and tells their fate, in a session's loop.

    ``publish`` hears of the venue's answers, of its own account of each order, of the fees it
    really took, and of orders that trade when they were given up, as far as ``room`` lets them
    be asked for. The rest is as in ``OrderCarrier``.
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
        intent: Intent = unwritten,
        free: FreeBalances | None = None,
        publish: Callable[[VenueNews], object] = unheard,
        room: Callable[[], bool] = lambda: True,
        status: VenueStatus | None = None,
    ) -> None:
        super().__init__(
            markets, fees, rules, wall_ns=wall_ns, intent=intent, free=free, status=status
        )
        self._entry, self._account, self._publish = entry, account, publish
        self._look_ups = FeeLookUps(account, lambda: self._is_idle() and room(), self._correct)
        self._given_up = GivenUp(account, room, self._take_back, self._book_late)

    async def finish(self, within_s: float) -> None:
        """Wait until the fees of all orders are confirmed, for so long at most."""
        await self._look_ups.finish(within_s)

    def _is_idle(self) -> bool:
        """Whether no order is out that a question could be in the way of."""
        return not self._out

    def _beside(self) -> Iterable[Coroutine[Any, Any, None]]:
        return self._ask_on(self._look_ups.run()), self._ask_on(self._given_up.run())

    async def _send(self, carried: Carried) -> None:
        """Place an order; who hears of its end was set up before it leaves."""
        assert self.tasks is not None
        sending = Sending(carried.new.client_id, carried.new.symbol, carried.since_s)
        hearing = self.tasks.create_task(self._hear(carried, sending))
        try:
            accepted = await self._entry.place(carried.new)
        except OutcomeUnknown:
            sending.answer = Answer.LOST  # only the account can tell
            self._status.look()
        except BaseException:
            hearing.cancel()
            raise
        else:
            sending.answer = Answer.ACCEPTED
            self._publish(accepted)

    async def _hear(self, carried: Carried, sending: Sending) -> None:
        """Follow an order to its end, and tell it."""
        ask = partial(self._account.settled, carried.new.client_id)
        end = await followed_to_end(ask, self._entry, sending, self._rules, self._turn_away)
        self._conclude(carried, end)

    def _conclude(self, carried: Carried, end: OrderReport | Unresolved) -> None:
        """Tell how an order ended, or that it cannot be known."""
        if isinstance(end, OrderReport):
            self._book(carried, end)
        elif end is Unresolved.NEVER_ARRIVED:
            self._give_up(carried)
        else:
            self._leave(carried)

    def _give_up(self, carried: Carried) -> None:
        """Take an order for lost; should it turn up later, that is told."""
        self._account.forget(carried.new.client_id)
        self._refuse(carried, "it never reached the venue", Ending.EXPIRED)
        self._given_up.add(carried.new)

    def _book(self, carried: Carried, report: OrderReport) -> None:
        new = carried.new
        self._account.forget(new.client_id)
        booked = self._finish(carried, report)
        self._publish(report)
        fee, currency = booked.fee, booked.fee_currency
        if report.fee is not None:
            self._publish(FeeConfirmed(new.client_id, fee, currency, fee, currency))
        elif booked.size:
            self._look_ups.ask(new.client_id, new.symbol, fee, currency)

    async def _take_back(self, new: NewOrder) -> None:
        await take_back(self._entry, new.client_id, new.symbol, self._turn_away)

    async def _ask_on(self, asking: Coroutine[Any, Any, None]) -> None:
        try:
            await asking
        except (Fatal, ProtocolViolation) as over:
            self._turn_away(over)

    def _correct(self, report: OrderReport, confirmed: FeeConfirmed) -> None:
        """Correct what was booked by what was taken, and pass it on."""
        self._purses.correct(confirmed.assumed_currency, confirmed.assumed)
        self._purses.correct(confirmed.fee_currency, -confirmed.fee)
        self._publish(report)
        self._publish(confirmed)

    def _book_late(self, report: OrderReport) -> None:
        """Book what was given up and traded after all, and tell it."""
        market = self._markets[report.symbol]
        changes = Booked.of(report, self._fees[report.symbol], market).changes(market)
        for currency, change in changes.items():
            self._purses.correct(currency, change)
        self._publish(report)
        self._publish(
            LateFill(
                report.client_id, report.symbol, report.side, report.size, report.funds, changes
            )
        )
