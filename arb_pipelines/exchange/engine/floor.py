"""The trading floor: where a plan becomes trades, holds are taken and given back, orders end.

One object holds what every call works on (accounts, books, counters, kept orders) and
collects the events of the call in hand. Which calls there are belongs to ``exchange``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from arb_pipelines.errors import ConfigError
from arb_pipelines.exchange.engine.accounts import Accounts
from arb_pipelines.exchange.engine.archive import Archive
from arb_pipelines.exchange.engine.book import Book, Level
from arb_pipelines.exchange.engine.events import (
    Change,
    Event,
    Events,
    OrderChanged,
    Relation,
    Status,
    Traded,
)
from arb_pipelines.exchange.engine.journal import Kept
from arb_pipelines.exchange.engine.matching import Meeting, Plan, SelfTrade
from arb_pipelines.exchange.engine.money import ONE, ZERO
from arb_pipelines.exchange.engine.orders import (
    FEED_ORDER_ID,
    Fill,
    Liquidity,
    NewOrder,
    OrderType,
    Side,
    WorkingOrder,
)
from arb_pipelines.exchange.engine.symbols import FeeSchedule, ListedSymbol


class Floor:
    """Carry out what was decided, and note each step as an event."""

    def __init__(self, symbols: Sequence[ListedSymbol], fees: FeeSchedule) -> None:
        self.symbols = {listed.symbol: listed for listed in symbols}
        self.fees = fees
        self.accounts = Accounts()
        self.archive = Archive()
        self.books = {symbol: Book(symbol) for symbol in self.symbols}
        self.trade_ids = dict.fromkeys(self.symbols, 0)
        self.events: list[Event] = []
        self.now_ns = 0

    def begin(self, now_ns: int) -> None:
        """Start a call: what it does happens at ``now_ns``."""
        self.now_ns = now_ns
        self.events.clear()

    def receive(self, user: str, request: NewOrder, amount_held: Decimal) -> WorkingOrder:
        """Accept an order and hold what it may spend."""
        listed = self.symbols[request.symbol]
        number = self.archive.next_number()
        order = WorkingOrder(
            id=f"{number:024x}",
            number=number,
            user=user,
            request=request,
            created_ns=self.now_ns,
            updated_ns=self.now_ns,
            fee_currency=listed.quote,
            hold_rate=self.hold_rate(listed),
        )
        self.archive.admit(order)
        self._note(Change.RECEIVED, Status.NEW, order)
        order.hold = amount_held
        if amount_held:
            self._move(order, spends(listed, request), -amount_held, amount_held, Relation.HOLD)
        return order

    def hold_rate(self, listed: ListedSymbol) -> Decimal:
        """Fee rate to hold for a buy: the dearer of taker's and maker's."""
        return max(self.fees.taker_rate(listed), self.fees.maker_rate(listed), ZERO)

    def carry_out(self, order: WorkingOrder, plan: Plan) -> None:
        """Do the steps of an order's plan."""
        for step in plan.steps:
            if isinstance(step, Meeting):
                self._meet(order, step)
            else:
                self._keep_apart(order, step)

    def rest(self, order: WorkingOrder) -> None:
        """Put what remains of a limit order into the book."""
        order.in_book = True
        self.books[order.request.symbol].side(order.request.side).join(order)
        self._note(Change.OPEN, Status.OPEN, order)

    def finish(self, order: WorkingOrder, *, cancelled: bool) -> None:
        """End an order and give back what it still holds."""
        remaining = order.remaining
        if order.in_book:
            if remaining > ZERO:
                self.books[order.request.symbol].side(order.request.side).remove(order)
            order.in_book = False
        if cancelled:
            order.cancel_exist = True
            if order.request.size is None:
                order.cancelled_funds += remaining
            else:
                order.cancelled_size += remaining
        released, order.hold = order.hold, ZERO
        order.updated_ns = self.now_ns
        self.archive.finish(order)
        self._note(Change.CANCELED if cancelled else Change.FILLED, Status.DONE, order)
        if released:
            currency = spends(self.symbols[order.request.symbol], order.request)
            self._move(order, currency, released, -released, Relation.RELEASE)

    def lessen(self, order: WorkingOrder, size: Decimal) -> None:
        """Cancel ``size`` of a resting order, which keeps its place and some of its size."""
        old_size = order.remaining
        order.cancelled_size += size
        order.cancel_exist = True
        order.updated_ns = self.now_ns
        self.books[order.request.symbol].side(order.request.side).lessen(order, size)
        assert order.request.price is not None
        released = held_for(order, order.request.price, size)
        order.hold -= released
        self._note(Change.UPDATE, Status.OPEN, order, old_size=old_size)
        currency = spends(self.symbols[order.request.symbol], order.request)
        self._move(order, currency, released, -released, Relation.RELEASE)

    def show(self, symbol: str, bids: Sequence[Level], asks: Sequence[Level]) -> None:
        """Replace a book's feed liquidity and fill the orders it crosses."""
        book = self.books[symbol]
        book.bids.show(bids)
        book.asks.show(asks)
        self._cross(book)

    def collect(self, symbols: Iterable[str]) -> Events:
        """Publish the books of ``symbols`` and hand over the events of the call."""
        for symbol in symbols:
            changed = self.books[symbol].publish(self.now_ns)
            if changed is not None:
                self.events.append(changed)
        events = tuple(self.events)
        self.events.clear()
        return events

    def kept(self) -> Kept:
        """Take a picture of all that outlives the process."""
        archive, accounts = self.archive, self.accounts
        return Kept(
            users={user: dict(balances) for user, balances in accounts.users.items()},
            house=dict(accounts.house),
            fees=dict(accounts.fees),
            active=tuple(order.frozen() for order in archive.all_active()),
            done=tuple(archive.done),
            fills=tuple(archive.fills),
            orders_seen=archive.orders_seen,
            orders_done=archive.orders_done,
            fills_seen=archive.fills_seen,
            trade_ids={symbol: last for symbol, last in self.trade_ids.items() if last},
            first_sequence=max((book.sequence for book in self.books.values()), default=0),
        )

    def restore(self, kept: Kept) -> None:
        """Go on from ``kept``; the floor must be new.

        Raises:
            ConfigError: an order rests on a symbol that is not listed.
        """
        archive, accounts = self.archive, self.accounts
        accounts.users.update({user: dict(balances) for user, balances in kept.users.items()})
        accounts.house.update(kept.house)
        accounts.fees.update(kept.fees)
        self.trade_ids.update(kept.trade_ids)
        archive.orders_seen, archive.orders_done = kept.orders_seen, kept.orders_done
        archive.fills_seen = kept.fills_seen
        for done in kept.done:
            archive.keep_done(done)
        archive.fills.extend(kept.fills)
        for active in kept.active:
            book = self.books.get(active.request.symbol)
            if book is None:
                raise ConfigError(
                    f"an order of {active.user} rests on {active.request.symbol}, "
                    "which is not listed; list it, or start with a new state file"
                )
            order = WorkingOrder.thawed(active)
            archive.admit(order)
            book.side(order.request.side).join(order)
        for book in self.books.values():
            book.publish(self.now_ns)
            book.sequence = kept.first_sequence

    def _cross(self, book: Book) -> None:
        """Let the feed take resting orders at their price, for as long as the book is crossed."""
        while (bid := book.bids.best()) is not None:
            ask = book.asks.best()
            if ask is None or bid < ask:
                return
            bid_order, bid_size = book.bids.first()
            ask_order, ask_size = book.asks.first()
            if bid_order is not None:
                self._filled_by_feed(book, bid_order, ask, ask_size)
            else:
                assert ask_order is not None, "a feed crossed in itself is not shown"
                self._filled_by_feed(book, ask_order, bid, bid_size)

    def _filled_by_feed(
        self, book: Book, order: WorkingOrder, feed_price: Decimal, there: Decimal
    ) -> None:
        price = order.request.price
        assert price is not None
        size = min(order.remaining, there)
        book.opposite(order.request.side).take_feed(feed_price, size)
        side = Side.SELL if order.request.side is Side.BUY else Side.BUY
        trade_id = self._trade(book.symbol, price, size, side, FEED_ORDER_ID, order.id)
        self._fill_maker(order, price, size, trade_id, FEED_ORDER_ID)
        self._house(self.symbols[book.symbol], side, price, size)

    def _meet(self, taker: WorkingOrder, step: Meeting) -> None:
        symbol, side = taker.request.symbol, taker.request.side
        maker, price, size = step.maker, step.price, step.size
        maker_id = FEED_ORDER_ID if maker is None else maker.id
        trade_id = self._trade(symbol, price, size, side, taker.id, maker_id)
        self._settle(taker, price, size, Liquidity.TAKER, trade_id, maker_id)
        if maker is None:
            self.books[symbol].opposite(side).take_feed(price, size)
            self._house(
                self.symbols[symbol], Side.SELL if side is Side.BUY else Side.BUY, price, size
            )
        else:
            self._fill_maker(maker, price, size, trade_id, taker.id)

    def _keep_apart(self, taker: WorkingOrder, step: SelfTrade) -> None:
        if step.maker_size == step.maker.remaining:
            self.finish(step.maker, cancelled=True)
        else:
            self.lessen(step.maker, step.maker_size)
        if step.taker_amount:
            taker.cancel_exist = True
            if taker.request.size is None:
                taker.cancelled_funds += step.taker_amount
            else:
                taker.cancelled_size += step.taker_amount

    def _fill_maker(
        self, maker: WorkingOrder, price: Decimal, size: Decimal, trade_id: int, counter_id: str
    ) -> None:
        self._settle(maker, price, size, Liquidity.MAKER, trade_id, counter_id)
        self.books[maker.request.symbol].side(maker.request.side).lessen(maker, size)
        if maker.remaining <= ZERO:
            self.finish(maker, cancelled=False)

    def _trade(
        self, symbol: str, price: Decimal, size: Decimal, side: Side, taker_id: str, maker_id: str
    ) -> int:
        self.trade_ids[symbol] += 1
        trade_id = self.trade_ids[symbol]
        self.events.append(
            Traded(symbol, trade_id, price, size, side, taker_id, maker_id, self.now_ns)
        )
        return trade_id

    def _settle(
        self,
        order: WorkingOrder,
        price: Decimal,
        size: Decimal,
        liquidity: Liquidity,
        trade_id: int,
        counter_id: str,
    ) -> None:
        """Book one side of a trade: the order's progress, its fee, both its balances."""
        request = order.request
        listed = self.symbols[request.symbol]
        taker = liquidity is Liquidity.TAKER
        rate = self.fees.taker_rate(listed) if taker else self.fees.maker_rate(listed)
        funds = price * size
        fee = funds * rate
        released = held_for(order, price, size)
        order.deal_size += size
        order.deal_funds += funds
        order.fee += fee
        order.hold -= released
        order.updated_ns = self.now_ns
        self.accounts.fees[listed.quote] += fee
        fill = Fill(
            self.archive.next_fill_id(),
            trade_id,
            order.id,
            counter_id,
            order.user,
            request.symbol,
            request.side,
            request.type,
            liquidity,
            price,
            size,
            funds,
            fee,
            rate,
            listed.quote,
            self.now_ns,
        )
        self.archive.keep_fill(fill)
        self._note(Change.MATCH, Status.MATCH if taker else Status.OPEN, order, fill=fill)
        if request.side is Side.BUY:
            self._move(
                order,
                listed.quote,
                released - funds - fee,
                -released,
                Relation.SETTLED,
                trade_id,
            )
            self._move(order, listed.base, size, ZERO, Relation.SETTLED, trade_id)
        else:
            self._move(order, listed.base, released - size, -released, Relation.SETTLED, trade_id)
            self._move(order, listed.quote, funds - fee, ZERO, Relation.SETTLED, trade_id)

    def _house(self, listed: ListedSymbol, side: Side, price: Decimal, size: Decimal) -> None:
        """Let the house be the other side of a trade with the feed; it pays no fee."""
        sign = ONE if side is Side.BUY else -ONE
        self.accounts.house[listed.base] += sign * size
        self.accounts.house[listed.quote] -= sign * price * size

    def _note(
        self,
        change: Change,
        status: Status,
        order: WorkingOrder,
        *,
        fill: Fill | None = None,
        old_size: Decimal | None = None,
    ) -> None:
        self.events.append(
            OrderChanged(change, status, order.frozen(), self.now_ns, fill, old_size)
        )

    def _move(
        self,
        order: WorkingOrder,
        currency: str,
        available: Decimal,
        hold: Decimal,
        relation: Relation,
        trade_id: int | None = None,
    ) -> None:
        self.events.append(
            self.accounts.move(
                order.user,
                currency,
                available,
                hold,
                relation,
                self.now_ns,
                symbol=order.request.symbol,
                order_id=order.id,
                trade_id=trade_id,
            )
        )


def spends(listed: ListedSymbol, request: NewOrder) -> str:
    """Name the currency an order pays with."""
    return listed.quote if request.side is Side.BUY else listed.base


def held_for(order: WorkingOrder, price: Decimal, size: Decimal) -> Decimal:
    """Give what an order keeps on hold for ``size`` of it, traded at ``price`` or better.

    A limit buy holds at its limit, a market buy at the price it meets, both with the
    fee on top; a sell holds what it sells.
    """
    if order.request.side is Side.SELL:
        return size
    if order.request.type is OrderType.LIMIT:
        assert order.request.price is not None
        price = order.request.price
    return price * size * (ONE + order.hold_rate)
