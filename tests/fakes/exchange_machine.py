"""The local exchange under any sequence of calls: a Hypothesis machine, and a naive matcher.

It places, cancels, alters and shows at random; after each call the venue's
promises are checked: nothing is created or lost, nobody is overdrawn, nobody gets more
than ordered, books are not crossed and publish without gaps, and a naive matcher
agrees with what an order was to meet.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from arb_pipelines.exchange.engine.book import FEED
from arb_pipelines.exchange.engine.events import BookChanged, Events, OrderChanged, Traded
from arb_pipelines.exchange.engine.exchange import Exchange
from arb_pipelines.exchange.engine.orders import (
    FEED_ORDER_ID,
    NewOrder,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from arb_pipelines.exchange.engine.refusals import Refused
from arb_pipelines.exchange.engine.symbols import FeeSchedule
from tests.fakes.exchange import BTC, D, listed

USERS = ("ann", "bob", "cy")
FEES = FeeSchedule(taker=D("0.00137"), maker=D("0.00071"))
LISTED = listed(
    base_increment=D("0.013"), base_min_size=D("0.013"), price_increment=D("0.07"), min_funds=D(0)
)

prices = st.integers(95, 105).map(lambda steps: D(steps) * D("0.07"))
sizes = st.integers(1, 400).map(lambda steps: D(steps) * D("0.013"))
users = st.sampled_from(USERS)
sides = st.sampled_from(Side)
preventions = st.none() | st.sampled_from(SelfTradePrevention)


def feed_side(below: bool) -> st.SearchStrategy[list[tuple[Decimal, Decimal]]]:
    """Levels around which bids or asks may lie; the two sides cross now and then."""
    steps = st.integers(94, 101) if below else st.integers(100, 107)
    return st.lists(
        st.tuples(steps.map(lambda step: D(step) * D("0.07")), sizes),
        max_size=4,
        unique_by=lambda level: level[0],
    )


@dataclass
class Waiting:
    """One place in the naive book: who, at what price, how much."""

    order_id: str
    user: str
    price: Decimal
    remaining: Decimal


@dataclass
class NaiveBook:
    """What waits on each side, in order of arrival; finding the best is a walk over all."""

    sides: dict[Side, list[Waiting]] = field(default_factory=lambda: {side: [] for side in Side})

    def best(self, side: Side) -> Waiting | None:
        """The one to trade next: best price, then first come."""
        best = None
        for waiting in self.sides[side]:
            if best is None or (
                waiting.price > best.price if side is Side.BUY else waiting.price < best.price
            ):
                best = waiting
        return best


def naive_fills(book: NaiveBook, user: str, order: NewOrder) -> list[tuple[str, Decimal, Decimal]]:
    """What an order without self-trade prevention trades: (maker, price, size) in turn."""
    side = Side.SELL if order.side is Side.BUY else Side.BUY
    left = order.size if order.size is not None else order.funds
    assert left is not None
    first = book.best(side)
    fills: list[tuple[str, Decimal, Decimal]] = []
    while (maker := book.best(side)) is not None and left > 0:
        assert first is not None
        if order.price is not None:
            limit = order.price
        else:
            reach = LISTED.price_limit_rate
            limit = first.price * (1 + reach if order.side is Side.BUY else 1 - reach)
        if maker.price > limit if order.side is Side.BUY else maker.price < limit:
            break
        wanted = left
        if order.size is None:
            steps = 0
            while (steps + 1) * LISTED.base_increment * maker.price <= left:
                steps += 1
                if steps * LISTED.base_increment >= maker.remaining:
                    break
            wanted = steps * LISTED.base_increment
        size = min(wanted, maker.remaining)
        if size == 0:
            break
        fills.append((maker.order_id, maker.price, size))
        left -= size * maker.price if order.size is None else size
        maker.remaining -= size
        if maker.remaining == 0:
            book.sides[side].remove(maker)
    return fills


class ExchangeMachine(RuleBasedStateMachine):
    """Random calls on one symbol by three accounts and a feed."""

    def __init__(self) -> None:
        super().__init__()
        self.venue = self.open_venue()
        self.now_ns = 0
        self.published: dict[tuple[Side, Decimal], Decimal] = {}
        self.sequence = 0
        for user in USERS:
            self.note(self.venue.open_account(user, {"USDT": D(60), "BTC": D(9)}, self.now_ns))

    def open_venue(self) -> Exchange:
        """Open the exchange under test."""
        return Exchange([LISTED], FEES)

    def reopen_venue(self) -> Exchange:
        """Open another from what is kept of the one under test."""
        return Exchange([LISTED], FEES, kept=self.venue.kept())

    @rule(user=users, side=sides, price=prices, size=sizes, stp=preventions, data=st.data())
    def place_limit(
        self,
        user: str,
        side: Side,
        price: Decimal,
        size: Decimal,
        stp: SelfTradePrevention | None,
        data: st.DataObject,
    ) -> None:
        """Place a limit order of any kind."""
        time_in_force = data.draw(st.sampled_from(TimeInForce))
        rests = time_in_force in (TimeInForce.GTC, TimeInForce.GTT)
        order = NewOrder(
            BTC,
            side,
            OrderType.LIMIT,
            price=price,
            size=size,
            time_in_force=time_in_force,
            cancel_after_s=1 if time_in_force is TimeInForce.GTT else None,
            post_only=rests and data.draw(st.booleans()),
            stp=stp,
        )
        self.place(user, order)

    @rule(user=users, side=sides, size=sizes, by_funds=st.booleans(), stp=preventions)
    def place_market(
        self,
        user: str,
        side: Side,
        size: Decimal,
        by_funds: bool,
        stp: SelfTradePrevention | None,
    ) -> None:
        """Place a market order by size or by funds."""
        funds = (size * 7).quantize(D("0.01"))
        order = NewOrder(
            BTC,
            side,
            OrderType.MARKET,
            size=None if by_funds else size,
            funds=funds if by_funds else None,
            stp=stp,
        )
        self.place(user, order)

    def place(self, user: str, order: NewOrder) -> None:
        """Place an order; without self-trade prevention the naive matcher must agree."""
        self.now_ns += 1
        naive = self.naive_book()
        try:
            events = self.venue.place(user, order, self.now_ns)
        except Refused:
            return
        if order.stp is None:
            expected = naive_fills(naive, user, order)
            whole = sum((size for _, _, size in expected), D(0)) == order.size
            if order.post_only or (order.time_in_force is TimeInForce.FOK and not whole):
                expected = []
            trades = [
                (event.maker_order_id, event.price, event.size)
                for event in events
                if isinstance(event, Traded)
            ]
            assert trades == expected
        self.note(events)

    @rule(bids=feed_side(below=True), asks=feed_side(below=False))
    def show(
        self, bids: list[tuple[Decimal, Decimal]], asks: list[tuple[Decimal, Decimal]]
    ) -> None:
        """Show another book of the feed."""
        self.now_ns += 1
        self.note(self.venue.show(BTC, bids, asks, self.now_ns))

    @rule(user=users, data=st.data())
    def cancel(self, user: str, data: st.DataObject) -> None:
        """Cancel one of the user's orders, in part or whole, if there is any."""
        orders = self.venue.active_orders(user)
        if not orders:
            return
        order = data.draw(st.sampled_from(orders))
        size = data.draw(st.none() | sizes)
        self.now_ns += 1
        if size is None:
            self.note(self.venue.cancel(user, order_id=order.id, now_ns=self.now_ns))
        else:
            self.note(self.venue.cancel_part(user, order.id, size, now_ns=self.now_ns))

    @rule(user=users, price=prices, size=sizes, data=st.data())
    def alter(self, user: str, price: Decimal, size: Decimal, data: st.DataObject) -> None:
        """Move one of the user's orders to another price and size."""
        orders = self.venue.active_orders(user)
        if not orders:
            return
        order = data.draw(st.sampled_from(orders))
        self.now_ns += 1
        try:
            events = self.venue.alter(
                user, order_id=order.id, price=price, size=size, now_ns=self.now_ns
            )
        except Refused:
            return
        self.note(events)

    @rule()
    def wait(self) -> None:
        """Let a second go by."""
        self.now_ns += 1_000_000_000
        self.note(self.venue.expire(self.now_ns))

    @rule()
    def restart(self) -> None:
        """Go on in another exchange from what is kept: equal but for feed liquidity."""
        kept = self.venue.kept()
        self.venue = self.reopen_venue()
        book = self.venue.book(BTC)
        assert replace(self.venue.kept(), first_sequence=0) == replace(kept, first_sequence=0)
        assert book.sequence >= self.sequence
        self.sequence = book.sequence
        self.published = {(Side.BUY, price): size for price, size in book.bids}
        self.published |= {(Side.SELL, price): size for price, size in book.asks}

    def naive_book(self) -> NaiveBook:
        """What waits in the engine; clients are there in the order of their numbers."""
        book = NaiveBook()
        inner = self.venue._floor.books[BTC]
        for side in (inner.bids, inner.asks):
            for price, queue in side.queues():
                clients = [place for place in queue.waiting if place != FEED]
                assert clients == sorted(clients)
                for place, waiting in queue.waiting.items():
                    order_id = f"{place:024x}"
                    user = "" if order_id == FEED_ORDER_ID else "somebody"
                    book.sides[side.side].append(Waiting(order_id, user, price, waiting.remaining))
        return book

    def note(self, events: Events) -> None:
        """Follow the published book, and check each event on its own."""
        for event in events:
            if isinstance(event, BookChanged):
                assert event.sequence_start == self.sequence + 1
                for change in event.changes:
                    self.sequence += 1
                    assert change.sequence == self.sequence
                    if change.size:
                        self.published[change.side, change.price] = change.size
                    else:
                        del self.published[change.side, change.price]
                assert event.sequence_end == self.sequence
            elif isinstance(event, OrderChanged):
                order = event.order
                asked = order.request.size or order.request.funds
                dealt = order.deal_size if order.request.size else order.deal_funds
                cancelled = order.cancelled_size if order.request.size else order.cancelled_funds
                assert asked is not None
                assert dealt + cancelled <= asked
                assert (dealt + cancelled == asked) == (not order.active) or order.active
                assert order.hold >= 0
                assert order.active or order.hold == 0

    @invariant()
    def nothing_is_created_or_lost(self) -> None:
        """Users, house and fees sum to what was paid in, to the last digit."""
        totals = self.venue._floor.accounts.totals()
        assert totals == {"USDT": D(60) * len(USERS), "BTC": D(9) * len(USERS)}

    @invariant()
    def nobody_is_overdrawn_and_holds_are_what_orders_hold(self) -> None:
        """Available and hold are never negative; a hold is the sum over active orders."""
        for user in USERS:
            held = {"USDT": D(0), "BTC": D(0)}
            for order in self.venue.active_orders(user):
                held["USDT" if order.request.side is Side.BUY else "BTC"] += order.hold
            for currency, balance in self.venue.balances(user).items():
                assert balance.available >= 0
                assert balance.hold == held[currency]

    @invariant()
    def the_book_is_not_crossed_and_is_what_was_published(self) -> None:
        """Both for the engine's own look-up and for who only follows the changes."""
        book = self.venue.book(BTC)
        if book.bids and book.asks:
            assert book.bids[0][0] < book.asks[0][0]
        assert book.bids == tuple(sorted(book.bids, reverse=True))
        assert book.asks == tuple(sorted(book.asks))
        shown = {(Side.BUY, price): size for price, size in book.bids}
        shown |= {(Side.SELL, price): size for price, size in book.asks}
        assert shown == self.published
        assert book.sequence == self.sequence
        waiting: dict[tuple[Side, Decimal], Decimal] = {}
        for side, places in self.naive_book().sides.items():
            for place in places:
                assert place.remaining > 0
                waiting[side, place.price] = (
                    waiting.get((side, place.price), D(0)) + place.remaining
                )
        assert shown == waiting
