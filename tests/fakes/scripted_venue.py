"""A venue that does to each order what a script says: account and order entry of one model.

Books are one price a side, without end. Fees are taken in quote. What happens to balances is
exact, and counted apart from whoever trades: ``balances`` is what the venue would show.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from arb_pipelines.errors import OutcomeUnknown, Rejected, Unfunded
from arb_pipelines.market.exact import round_down
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import Market
from arb_pipelines.venues.base import (
    Accepted,
    AccountEvent,
    BalanceChanged,
    NewOrder,
    OrderReport,
    OwnFill,
)

FEE = Decimal("0.001")
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one order. Seconds are from when it was sent.

    ``raises`` is the answer; an order that ``arrives`` trades ``share`` of what it asks for.
    The stream tells of it after ``told_s`` (never: ``None``), a look-up knows it from
    ``known_s`` on, its proceeds are free after ``free_s``. ``rests`` keeps it open until it
    is taken back.
    """

    raises: Exception | None = None
    arrives: bool = True
    share: Decimal = Decimal(1)
    answer_s: float = 0.0
    told_s: float | None = 0.0
    known_s: float = 0.0
    free_s: float = 0.0
    rests: bool = False
    fee: Decimal = FEE
    kcs: Decimal | None = None


@dataclass(slots=True)
class _Order:
    new: NewOrder
    fate: Fate
    sent_s: float
    size: Decimal
    funds: Decimal
    active: bool
    told: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def kcs(self) -> Decimal | None:
        """Its fee, where it is taken in KCS; nothing is taken for nothing."""
        return self.fate.kcs if self.size else None


class ScriptedVenue:
    """``OrderEntry`` and ``Account``; ``fates`` are by the number of the order, from 0.

    ``prices`` are (bid, ask) by symbol. ``placed`` are the orders that were sent, as often as
    they were; ``look_ups`` counts the questions. ``refuses`` may turn a look-up into an error.
    """

    def __init__(
        self,
        markets: Mapping[str, Market],
        prices: Mapping[str, tuple[Decimal, Decimal]],
        balances: Mapping[str, Decimal],
        fates: Mapping[int, Fate] | None = None,
    ) -> None:
        self._markets, self.prices, self._fates = markets, dict(prices), dict(fates or {})
        self.balances_now: defaultdict[str, Decimal] = defaultdict(Decimal, balances)
        self._free: defaultdict[str, Decimal] = defaultdict(Decimal, balances)
        self._events: asyncio.Queue[AccountEvent] = asyncio.Queue()
        self._orders: dict[str, _Order] = {}
        self._followed: dict[str, asyncio.Event] = {}
        self.placed: list[NewOrder] = []
        self.cancelled: list[str] = []
        self.tested: list[NewOrder] = []
        self.look_ups = 0
        self.refuses: Callable[[int], Exception | None] = lambda number: None
        for currency in balances:
            self._tell_balance(currency)

    # -- order entry -------------------------------------------------------------------

    async def place(self, order: NewOrder) -> Accepted:
        assert not any(known.new.client_id == order.client_id for known in self._orders.values()), (
            f"{order.client_id} was sent twice"
        )
        fate = self._fates.get(len(self.placed), Fate())
        self.placed.append(order)
        self._followed[order.client_id] = asyncio.Event()
        sent_s = _now()
        if fate.arrives:
            try:
                self._arrive(order, fate, sent_s)
            except Rejected:
                del self._followed[order.client_id]
                raise
        if fate.answer_s:
            await asyncio.sleep(fate.answer_s)
        if fate.raises is not None:
            if not isinstance(fate.raises, OutcomeUnknown):
                self._followed.pop(order.client_id, None)
            raise fate.raises
        return Accepted(order.client_id, f"id-{order.client_id}", 0, 0)

    async def cancel(self, client_id: str, symbol: str) -> None:
        self.cancelled.append(client_id)
        order = self._orders.get(client_id)
        if order is None or not order.active:
            raise Rejected("no such open order")
        order.active = False
        self._told_at(order, _now())

    async def test(self, order: NewOrder) -> None:
        fate = self._fates.get(len(self.tested), Fate())
        self.tested.append(order)
        await asyncio.sleep(fate.answer_s)
        if fate.raises is not None:
            raise fate.raises

    # -- the account -------------------------------------------------------------------

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def next_event(self) -> AccountEvent:
        return await self._events.get()

    async def settled(self, client_id: str, timeout_s: float) -> OrderReport | None:
        assert client_id in self._followed, "it is followed from before it leaves"
        try:
            async with asyncio.timeout(timeout_s):
                await self._followed[client_id].wait()
        except TimeoutError:
            return await self.look_up(client_id, "")
        return self._report(self._orders[client_id], with_fee=False)

    def forget(self, client_id: str) -> None:
        self._followed.pop(client_id, None)

    async def look_up(self, client_id: str, symbol: str) -> OrderReport | None:
        self.look_ups += 1
        error = self.refuses(self.look_ups)
        if error is not None:
            raise error
        order = self._orders.get(client_id)
        if order is None or _now() < order.sent_s + order.fate.known_s:
            return None
        return self._report(order, with_fee=True)

    async def balances(self) -> Mapping[str, Decimal]:
        return dict(self._free)

    async def open_orders(self, symbols: Collection[str]) -> list[OrderReport]:
        return [
            self._report(order, with_fee=True)
            for order in self._orders.values()
            if order.active and order.new.symbol in symbols
        ]

    async def fills(self, since_ns: int, symbols: Collection[str]) -> list[OwnFill]:
        return [
            self._fill(order)
            for order in self._orders.values()
            if order.size and order.new.symbol in symbols
        ]

    def deposit(self, currency: str, amount: Decimal) -> None:
        """Have somebody pay in."""
        self._move(currency, amount, 0.0)

    # -- the model ---------------------------------------------------------------------

    def _arrive(self, new: NewOrder, fate: Fate, sent_s: float) -> None:
        market = self._markets[new.symbol]
        bid, ask = self.prices[new.symbol]
        price = ask if new.side == BUY else bid
        if new.size is not None:
            asked = new.size
        else:
            assert new.funds is not None
            asked = round_down(new.funds / price, market.base_increment)
        size = round_down(asked * fate.share, market.base_increment)
        if new.price is not None and (price > new.price if new.side == BUY else price < new.price):
            size = _ZERO
        held = new.funds if new.funds is not None else asked * (new.price or price)
        given, needed = (
            (market.quote, held * (1 + FEE)) if new.side == BUY else (market.base, asked)
        )
        if self._free[given] < needed:
            raise Unfunded(f"{new.client_id}: {needed} {given} wanted, {self._free[given]} free")
        order = _Order(new, fate, sent_s, size, size * price, active=fate.rests)
        self._orders[new.client_id] = order
        self._trade(order, market)
        if not fate.rests:
            self._told_at(order, sent_s + fate.told_s if fate.told_s is not None else None)

    def _trade(self, order: _Order, market: Market) -> None:
        fee, funds = order.funds * order.fate.fee, order.funds
        if order.kcs is not None:
            self._move("KCS", -order.kcs, 0.0)
            fee = _ZERO
        if order.new.side == BUY:
            self._move(market.quote, -(funds + fee), 0.0)
            self._move(market.base, order.size, order.fate.free_s)
        else:
            self._move(market.base, -order.size, 0.0)
            self._move(market.quote, funds - fee, order.fate.free_s)

    def _move(self, currency: str, change: Decimal, after_s: float) -> None:
        self.balances_now[currency] += change
        if after_s:
            asyncio.get_running_loop().call_later(after_s, self._free_up, currency, change)
        else:
            self._free_up(currency, change)

    def _free_up(self, currency: str, change: Decimal) -> None:
        self._free[currency] += change
        self._tell_balance(currency)

    def _tell_balance(self, currency: str) -> None:
        self._events.put_nowait(
            BalanceChanged(currency, self._free[currency], _ZERO, None, round(_now() * 1e9), 0)
        )

    def _told_at(self, order: _Order, at_s: float | None) -> None:
        event = self._followed.get(order.new.client_id)
        if event is not None and at_s is not None:
            asyncio.get_running_loop().call_later(max(0.0, at_s - _now()), event.set)

    def _report(self, order: _Order, *, with_fee: bool) -> OrderReport:
        market, new = self._markets[order.new.symbol], order.new
        kcs = order.kcs
        return OrderReport(
            client_id=new.client_id,
            order_id=f"id-{new.client_id}",
            symbol=new.symbol,
            side=new.side,
            active=order.active,
            cancelled=not order.active and order.size != new.size,
            size=order.size,
            funds=order.funds,
            fee=(order.funds * order.fate.fee if kcs is None else kcs) if with_fee else None,
            fee_currency=(market.quote if kcs is None else "KCS") if with_fee else None,
            ts_event=0,
        )

    def _fill(self, order: _Order) -> OwnFill:
        told = self._report(order, with_fee=True)
        assert told.fee is not None
        assert told.fee_currency is not None
        return OwnFill(
            client_id=told.client_id,
            order_id=told.order_id,
            trade_id=f"trade-{told.client_id}",
            symbol=told.symbol,
            side=told.side,
            price=told.funds / told.size,
            size=told.size,
            funds=told.funds,
            fee=told.fee,
            fee_currency=told.fee_currency,
            ts_event=0,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


def lost(*, arrives: bool = True, told_s: float | None = None, known_s: float = 0.0) -> Fate:
    """An order whose answer is lost, which is known after 5 s."""
    error = OutcomeUnknown("the answer is lost")
    return Fate(error, arrives=arrives, answer_s=5.0, told_s=told_s, known_s=known_s)


def refused(error: Exception) -> Fate:
    """An order that the venue does not take."""
    return Fate(error, arrives=False)
