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
from enum import Enum, auto
from typing import Any

from arb_pipelines.errors import Fatal, OutcomeUnknown, ProtocolViolation, Rejected, Transient
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.orders.balances import FreeBalances
from arb_pipelines.execution.orders.carrier import Carried, Intent, OrderCarrier, unwritten
from arb_pipelines.execution.orders.fees import FeeConfirmed, FeeLookUps
from arb_pipelines.execution.orders.given_up import GivenUp, LateFill
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import Ending
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import Accepted, Account, NewOrder, OrderEntry, OrderReport

#: Look-ups of one order: the first pause, doubled each time up to the longest.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0

#: What is told of orders beyond the news of a broker.
VenueNews = Accepted | OrderReport | FeeConfirmed | LateFill


def _unheard(news: VenueNews) -> None:
    return None


class Answer(Enum):
    """What the venue said to an order."""

    AWAITED = auto()
    ACCEPTED = auto()
    LOST = auto()


@dataclass(slots=True, eq=False)
class _Sending:
    """One attempt to send, and what was answered to it."""

    answer: Answer = Answer.AWAITED


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
        publish: Callable[[VenueNews], object] = _unheard,
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(markets, fees, rules, wall_ns=wall_ns, intent=intent, free=free)
        self._entry, self._account, self._publish = entry, account, publish
        self._look_ups = FeeLookUps(account, lambda: not self._out and room(), self._correct)
        self._given_up = GivenUp(account, room, self._take_back, self._book_late)

    async def finish(self, within_s: float) -> None:
        """Wait until the fees of all orders are confirmed, for so long at most."""
        await self._look_ups.finish(within_s)

    def _beside(self) -> Iterable[Coroutine[Any, Any, None]]:
        return self._ask_on(self._look_ups.run()), self._ask_on(self._given_up.run())

    async def _send(self, carried: Carried) -> None:
        """Place an order; who hears of its end was set up before it leaves."""
        assert self.tasks is not None
        sending = _Sending()
        hearing = self.tasks.create_task(self._hear(carried, sending))
        try:
            accepted = await self._entry.place(carried.new)
        except OutcomeUnknown:
            sending.answer = Answer.LOST  # only the account can tell
        except BaseException:
            hearing.cancel()
            raise
        else:
            sending.answer = Answer.ACCEPTED
            self._publish(accepted)

    async def _hear(self, carried: Carried, sending: _Sending) -> None:
        """Follow an order to its end, and tell it."""
        new, rules = carried.new, self._rules
        wait_s, pause_s, known = rules.fill_wait_ms / 1e3, _FIRST_PAUSE_S, False
        asked_back = False
        while True:
            report: OrderReport | None = None
            answered = False
            try:
                report = await self._account.settled(new.client_id, wait_s)
                answered = True
            except (Transient, Rejected):
                pass  # the question got no answer: ask again
            except (Fatal, ProtocolViolation) as over:
                self._turn_away(over)
                if self._waited_ms(carried) > rules.leg_timeout_ms:
                    self._leave(carried)
                    return
            if report is not None and not report.active:
                self._book(carried, report)
                return
            known = known or report is not None or sending.answer is Answer.ACCEPTED
            waited_ms = self._waited_ms(carried)
            # only who says that it does not know an order tells that it never arrived
            lost = sending.answer is Answer.LOST and answered and not known
            if lost and waited_ms > rules.unknown_wait_ms:
                if asked_back:
                    self._give_up(carried)
                    return
                asked_back = True  # should it be on its way, it is not to trade any more
                await self._take_back(new)
            if report is not None and waited_ms > rules.leg_timeout_ms:
                await self._take_back(new)
            wait_s, pause_s = pause_s, min(2 * pause_s, _LONGEST_PAUSE_S)

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
        """Ask for an order back; asking twice does no harm, and the next look-up tells."""
        try:
            await self._entry.cancel(new.client_id, new.symbol)
        except (Transient, Rejected, OutcomeUnknown):
            pass
        except (Fatal, ProtocolViolation) as over:
            self._turn_away(over)

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
