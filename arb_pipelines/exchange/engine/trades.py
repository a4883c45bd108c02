"""How orders trade: with each other, with what a feed shows, and not with themselves.

Each trade is told once to the public and booked on both sides; the other side of one
with a feed is the house. What an order was to meet is decided in ``matching``.
"""

from __future__ import annotations

from decimal import Decimal

from arb_pipelines.exchange.engine.book import Book
from arb_pipelines.exchange.engine.discount import KCS, in_kcs
from arb_pipelines.exchange.engine.events import Change, Relation, Status, Traded
from arb_pipelines.exchange.engine.floor import Floor
from arb_pipelines.exchange.engine.holds import held_for
from arb_pipelines.exchange.engine.matching import Meeting, Plan, SelfTrade
from arb_pipelines.exchange.engine.money import ONE, ZERO
from arb_pipelines.exchange.engine.orders import (
    FEED_ORDER_ID,
    Fill,
    Liquidity,
    Side,
    WorkingOrder,
)
from arb_pipelines.exchange.engine.symbols import ListedSymbol


class Trades:
    """Carries out on the floor what was planned, and what a feed crosses."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def carry_out(self, order: WorkingOrder, plan: Plan) -> None:
        """Do the steps of an order's plan."""
        for step in plan.steps:
            if isinstance(step, Meeting):
                self._meet(order, step)
            else:
                self._keep_apart(order, step)

    def cross(self, book: Book) -> None:
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
        side = order.request.side.other
        trade_id = self._trade(book.symbol, price, size, side, FEED_ORDER_ID, order.id)
        self._fill_maker(order, price, size, trade_id, FEED_ORDER_ID)
        self._house(self._floor.symbols[book.symbol], side, price, size)

    def _meet(self, taker: WorkingOrder, step: Meeting) -> None:
        symbol, side = taker.request.symbol, taker.request.side
        maker, price, size = step.maker, step.price, step.size
        maker_id = FEED_ORDER_ID if maker is None else maker.id
        trade_id = self._trade(symbol, price, size, side, taker.id, maker_id)
        self._settle(taker, price, size, Liquidity.TAKER, trade_id, maker_id)
        if maker is None:
            self._floor.books[symbol].opposite(side).take_feed(price, size)
            self._house(self._floor.symbols[symbol], side.other, price, size)
        else:
            self._fill_maker(maker, price, size, trade_id, taker.id)

    def _keep_apart(self, taker: WorkingOrder, step: SelfTrade) -> None:
        if step.maker_size == step.maker.remaining:
            self._floor.finish(step.maker, cancelled=True)
        else:
            self._floor.lessen(step.maker, step.maker_size)
        if step.taker_amount:
            taker.give_up(step.taker_amount)

    def _fill_maker(
        self, maker: WorkingOrder, price: Decimal, size: Decimal, trade_id: int, counter_id: str
    ) -> None:
        self._settle(maker, price, size, Liquidity.MAKER, trade_id, counter_id)
        self._floor.books[maker.request.symbol].side(maker.request.side).lessen(maker, size)
        if maker.remaining <= ZERO:
            self._floor.finish(maker, cancelled=False)

    def _trade(
        self, symbol: str, price: Decimal, size: Decimal, side: Side, taker_id: str, maker_id: str
    ) -> int:
        floor = self._floor
        floor.trade_ids[symbol] += 1
        trade_id = floor.trade_ids[symbol]
        floor.events.append(
            Traded(symbol, trade_id, price, size, side, taker_id, maker_id, floor.now_ns)
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
        floor, request = self._floor, order.request
        listed = floor.symbols[request.symbol]
        taker = liquidity is Liquidity.TAKER
        rate = floor.fees.taker_rate(listed) if taker else floor.fees.maker_rate(listed)
        funds = price * size
        fee, in_quote, currency = _fee(order, funds * rate, listed.quote)
        released = held_for(order, price, size)
        order.deal_size += size
        order.deal_funds += funds
        order.fee += fee
        order.fee_currency = currency
        order.hold -= released
        order.updated_ns = floor.now_ns
        floor.accounts.fees[currency] += fee
        fill = Fill(
            floor.archive.next_fill_id(),
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
            currency,
            floor.now_ns,
        )
        floor.archive.keep_fill(fill)
        floor.note(Change.MATCH, Status.MATCH if taker else Status.OPEN, order, fill=fill)
        if request.side is Side.BUY:
            given, spent, got, gain = listed.quote, funds + in_quote, listed.base, size
        else:
            given, spent, got, gain = listed.base, size, listed.quote, funds - in_quote
        floor.move(order, given, released - spent, -released, Relation.SETTLED, trade_id)
        floor.move(order, got, gain, ZERO, Relation.SETTLED, trade_id)
        if currency != listed.quote:
            floor.move(order, currency, -fee, ZERO, Relation.SETTLED, trade_id)

    def _house(self, listed: ListedSymbol, side: Side, price: Decimal, size: Decimal) -> None:
        """Let the house be the other side of a trade with the feed; it pays no fee."""
        sign = ONE if side is Side.BUY else -ONE
        self._floor.accounts.house[listed.base] += sign * size
        self._floor.accounts.house[listed.quote] -= sign * price * size


def _fee(order: WorkingOrder, fee: Decimal, quote: str) -> tuple[Decimal, Decimal, str]:
    """Give the fee that is taken, what of it is taken in quote, and its currency."""
    if order.kcs_price is None:
        return fee, fee, quote
    paid = in_kcs(fee, order.kcs_price)
    return paid, paid if quote == KCS else ZERO, KCS
