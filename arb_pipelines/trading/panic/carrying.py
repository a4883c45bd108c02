"""What the books give on a route, exactly: one order after the other, within a bound.

An order is an immediate-or-cancel limit order. A sell's limit is the bound. A buy's is the
price of the last level that it needs, since the venue sets aside size times limit and an order
must not need more than is in hand. What an order cannot take stays in hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal, localcontext
from enum import StrEnum

from arb_pipelines.market.exact import ATOM, decimal_of, limit_price, on_step, round_down
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.trading.events import Book

_ZERO, _ONE = Decimal(0), Decimal(1)
_CONTEXT = Context(prec=60, rounding=ROUND_DOWN)
#: Share by which amounts, cut off at 18 decimals, may miss the bound.
_NOISE = Decimal("1e-12")
#: Share of a level by which quotients that were cut off may miss its end.
_CRUMB = Decimal("1e-40")


class Obstacle(StrEnum):
    """Why a route takes nothing."""

    TOO_SMALL = "below a minimum of the venue"
    TOO_THIN = "no book that takes an order within the bound"


@dataclass(frozen=True, slots=True)
class Hop:
    """A side of a book within the bound: ``levels`` no worse than ``limit``, best first.

    ``room`` is the most base that one order may take of them.
    """

    market: Market
    side: int
    fee: Decimal
    limit: Decimal
    levels: tuple[tuple[Decimal, Decimal], ...]
    room: Decimal

    @property
    def pays_quote_fee(self) -> bool:
        """Whether the fee comes on top of what is spent."""
        return self.side == BUY and self.market.fee_side is FeeSide.QUOTE

    def rate(self, price: Decimal) -> Decimal:
        """What a unit spent at ``price`` becomes, net of the fee."""
        gross = _ONE / price if self.side == BUY else price
        return gross / (_ONE + self.fee) if self.pays_quote_fee else gross * (_ONE - self.fee)


@dataclass(frozen=True, slots=True)
class Sale:
    """An order and what it comes to if the book stays: ``spent`` and ``received`` net of fees.

    ``whole`` tells that neither the book nor the venue's greatest size held anything of it
    back; ``kept`` is what it gets of the best price, 1 being all.
    """

    market: Market
    side: int
    size: Decimal
    limit: Decimal
    spent: Decimal
    received: Decimal
    whole: bool
    kept: Decimal


@dataclass(frozen=True, slots=True)
class Carried:
    """What a route does with ``sales[0].spent`` of a holding, as the books stand."""

    sales: tuple[Sale, ...]
    whole: bool

    @property
    def received(self) -> Decimal:
        """What arrives."""
        return self.sales[-1].received


def hop_of(
    market: Market, side: int, fee: Decimal, book: Book, bound: Decimal, share: Decimal
) -> Hop | None:
    """Read one side of a book, down to ``bound`` (a fraction) beyond its best price.

    ``None`` of a book that is crossed, empty on that side, or off the venue's price steps.
    ``share`` of what is there may be taken, or the venue's least order if that is more.
    """
    prices, sizes = (book.ask_px, book.ask_sz) if side == BUY else (book.bid_px, book.bid_sz)
    if not prices.size or not prices[0] > 0.0:
        return None
    if book.bid_px.size and book.ask_px.size and book.bid_px[0] >= book.ask_px[0] > 0.0:
        return None
    tick = market.price_increment
    with localcontext(_CONTEXT):
        best = on_step(float(prices[0]), tick)
        if best != limit_price(best, tick, BUY):
            return None
        if side == BUY:
            limit = max(best, limit_price(best * (_ONE + bound), tick, BUY))
        else:
            limit = min(best, limit_price(best * (_ONE - bound), tick, side))
        levels = []
        for price, size in zip(prices.tolist(), sizes.tolist(), strict=True):
            exact, available = decimal_of(price), decimal_of(size)
            if tick is not None and exact % tick:  # beside its tick by the float's error, if at all
                exact = on_step(price, tick)
            if not price > 0.0 or ((exact > limit) if side == BUY else (exact < limit)):
                break
            if available > _ZERO:
                levels.append((exact, available))
        if not levels:
            return None
        total = sum((size for _, size in levels), _ZERO)
        least = max(market.base_min_size or _ZERO, (market.min_funds or _ZERO) / limit)
        least += market.base_increment or _ZERO
        return Hop(market, side, fee, limit, tuple(levels), min(total, max(share * total, least)))


def sell_through(hop: Hop, have: Decimal) -> Sale | Obstacle:
    """Make the order that turns ``have``, or as much of it as there is room for."""
    market, step = hop.market, hop.market.base_increment or ATOM
    with localcontext(_CONTEXT):
        limit, wanted = _wanted(hop, have)
        if not _takes(market, round_down(wanted, step), limit):
            return Obstacle.TOO_SMALL
        most = hop.room if market.base_max_size is None else min(hop.room, market.base_max_size)
        size = round_down(min(wanted, most), step)
        if not _takes(market, size, limit):
            return Obstacle.TOO_THIN
        whole = round_down(wanted, step) <= most
        funds = _funds(hop.levels, size)
        if hop.side != BUY:
            spent, received = size, funds * (_ONE - hop.fee)
        elif hop.pays_quote_fee:
            spent, received = funds * (_ONE + hop.fee), size
        else:
            spent, received = funds, size * (_ONE - hop.fee)
        received = round_down(received, ATOM)
        kept = received / (spent * hop.rate(hop.levels[0][0]))
        return Sale(market, hop.side, size, limit, spent, received, whole, kept)


def carry(hops: Sequence[Hop], amount: Decimal, bound: Decimal) -> Carried | Obstacle:
    """Bring ``amount`` along a route, or as much as keeps within the bound on all of it.

    ``bound`` is the greatest loss of the whole route against its best prices, a fraction.
    """
    with localcontext(_CONTEXT):
        sales = _sold(hops, amount)
        if isinstance(sales, Obstacle):
            if sales is Obstacle.TOO_SMALL:
                return sales
        elif all(sale.whole for sale in sales) and _kept(sales) >= _ONE - bound - _NOISE:
            return Carried(sales, True)
        sales = _sold(hops, largest_input(hops, amount, bound))
        if isinstance(sales, Obstacle):
            return Obstacle.TOO_THIN
        return Carried(sales, False)


def largest_input(hops: Sequence[Hop], amount: Decimal, bound: Decimal) -> Decimal:
    """Give the most of ``amount`` that all hops take within the bound, steps and minimums aside.

    What arrives is concave in what is put in, so walk all hops' levels at once, from one
    breakpoint to the next, until a book has no more room or the whole has lost the bound.
    """
    with localcontext(_CONTEXT):
        walks = [_Walk(hop) for hop in hops]
        least = _ONE - bound
        for hop in hops:
            least *= hop.rate(hop.levels[0][0])
        put_in = out = _ZERO
        while put_in < amount and all(walk.left > _ZERO for walk in walks):
            along, step = _ONE, amount - put_in
            for walk in walks:
                step = min(step, walk.left_in / along)
                along *= walk.rate
            if along < least:
                last = (out - least * put_in) / (least - along)
                if last <= step:
                    return put_in + max(last, _ZERO)
            part = step
            for walk in walks:
                part = walk.take(part)
            put_in, out = put_in + step, out + part
        return put_in


class _Walk:
    """Where on a hop's levels a growing order stands."""

    def __init__(self, hop: Hop) -> None:
        self._hop, self._level = hop, 0
        self._room = hop.room
        self.left = min(hop.levels[0][1], self._room)

    @property
    def rate(self) -> Decimal:
        return self._hop.rate(self._price)

    @property
    def left_in(self) -> Decimal:
        """What the level still takes, in the currency that is given."""
        if self._hop.side != BUY:
            return self.left
        funds = self.left * self._price
        return funds * (_ONE + self._hop.fee) if self._hop.pays_quote_fee else funds

    @property
    def _price(self) -> Decimal:
        return self._hop.levels[self._level][0]

    def take(self, given: Decimal) -> Decimal:
        """Take ``given`` of the level, and go on to the next if it is used up; give what it got."""
        got = given * self.rate
        # a quotient that was cut off leaves a crumb of a level, which is none
        last = given >= self.left_in * (_ONE - _CRUMB)
        base = self.left if last else given * self.left / self.left_in
        self._room -= base
        self.left -= base
        if last and self._level + 1 < len(self._hop.levels):
            self._level += 1
            self.left = min(self._hop.levels[self._level][1], self._room)
        elif last:
            self.left = _ZERO
        return got


def _wanted(hop: Hop, have: Decimal) -> tuple[Decimal, Decimal]:
    """Give limit and size of an order for all of ``have``, whatever room there is."""
    if hop.side != BUY:
        return hop.limit, have
    budget = have / (_ONE + hop.fee) if hop.pays_quote_fee else have
    left = budget
    for price, size in hop.levels:
        left -= price * size
        if left <= _ZERO:
            return price, budget / price
    return hop.limit, budget / hop.limit


def _takes(market: Market, size: Decimal, limit: Decimal) -> bool:
    """Whether the venue would take an order of this size at all."""
    least, funds = market.base_min_size or _ZERO, market.min_funds or _ZERO
    return size > _ZERO and size >= least and size * limit >= funds


def _funds(levels: Sequence[tuple[Decimal, Decimal]], size: Decimal) -> Decimal:
    funds, left = _ZERO, size
    for price, available in levels:
        part = min(available, left)
        funds, left = funds + price * part, left - part
        if left <= _ZERO:
            break
    return funds


def _sold(hops: Sequence[Hop], amount: Decimal) -> tuple[Sale, ...] | Obstacle:
    sales: list[Sale] = []
    have = amount
    for hop in hops:
        sale = sell_through(hop, have)
        if isinstance(sale, Obstacle):
            held_back = not all(earlier.whole for earlier in sales)
            return Obstacle.TOO_THIN if held_back else sale
        sales.append(sale)
        have = sale.received
    return tuple(sales)


def _kept(sales: Sequence[Sale]) -> Decimal:
    kept = _ONE
    for sale in sales:
        kept *= sale.kept
    return kept


def fraction(bps: float) -> Decimal:
    """Make basis points of a strategy file an exact fraction."""
    return decimal_of(bps) / 10_000
