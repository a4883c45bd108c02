"""Exact amounts of a session's orders: what leaves, what came of it, what is in hand.

A desk speaks in float64; a venue counts in decimals. The float of an amount on the
venue's step names exactly one decimal, and what an execution holds is kept in decimals,
so the two never drift apart by more than the display of a number. Nothing here rounds but
an order, which rounds down to what the venue takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Context, Decimal, localcontext
from typing import Literal

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.market.exact import ATOM, decimal_of, limit_price, on_step, round_down
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.trading.events import Order, OrderKind, TimeInForce, currencies
from arb_pipelines.venues.base import NewOrder, OrderReport

_ZERO, _ONE = Decimal(0), Decimal(1)
#: Wide enough for every product of amounts, prices and rates; a quotient is cut off.
EXACT = Context(prec=120, rounding=ROUND_DOWN)
#: Share of an order that may be left over without its fill counting as short, as in
#: ``trading.orders.fill``.
_NOISE = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Booked:
    """What an order came to, exactly: base ``size`` and its value in quote, before fees.

    ``spent`` and ``received`` are in the currencies given and got, net of the ``fee`` where
    that was taken in one of them.
    """

    side: int
    size: Decimal
    funds: Decimal
    spent: Decimal
    received: Decimal
    fee: Decimal
    fee_currency: str

    @classmethod
    def of(cls, report: OrderReport, rate: Decimal, market: Market) -> Booked:
        """Book a report; a fee that it does not tell is the taker's ``rate``, a fraction."""
        in_quote = market.fee_side is FeeSide.QUOTE or report.side != BUY
        currency = report.fee_currency or (market.quote if in_quote else market.base)
        size, funds, fee = report.size, report.funds, report.fee
        with localcontext(EXACT):
            if fee is None:
                fee = (funds if in_quote else size) * rate
            of_base = fee if currency == market.base else _ZERO
            of_quote = fee if currency == market.quote else _ZERO
            if report.side == BUY:
                spent, received = funds + of_quote, size - of_base
            else:
                spent, received = size + of_base, funds - of_quote
        return cls(report.side, size, funds, spent, received, fee, currency)

    def changes(self, market: Market) -> dict[str, Decimal]:
        """What it did to the account's balances, by currency."""
        base, quote = market.base, market.quote
        given, got = (quote, base) if self.side == BUY else (base, quote)
        changed = {given: -self.spent, got: self.received}
        if self.fee_currency not in changed:
            changed[self.fee_currency] = -self.fee
        return changed

    def fills_whole(self, new: NewOrder, market: Market, limit_px: float | None) -> bool:
        """Whether what is left of the order is less than the venue can trade.

        What is left of a buy's funds is too little if it pays for no increment at the
        average price or at ``limit_px``, the worst that was planned with.
        """
        if self.size <= 0:
            return False
        with localcontext(EXACT):
            if new.size is not None:
                return new.size - self.size <= _NOISE * new.size
            assert new.funds is not None
            left = new.funds - self.funds
            if left <= _NOISE * new.funds:
                return True
            price = self.funds / self.size
            if limit_px is not None:
                price = max(price, decimal_of(limit_px))
            return market.base_increment is not None and left < price * market.base_increment


class Purses:
    """What executions have in hand outside the currency they began with, exactly.

    ``changes`` is what all orders together did to the account's balances, by currency.
    """

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Decimal]] = {}
        self._home: dict[str, str] = {}
        self.changes: dict[str, Decimal] = {}

    def available(self, order: Order) -> Decimal | None:
        """What an order may spend at most; ``None`` where its balance is not a purse's."""
        given, _ = currencies(order)
        if order.execution is None or self._home.setdefault(order.execution, given) == given:
            return None
        return self._held.get(order.execution, {}).get(given, _ZERO)

    def book(self, order: Order, booked: Booked) -> None:
        """Move what an order spent and received.

        Raises:
            InvariantBroken: it spent more than its execution had, by more than its fee.
        """
        given, got = currencies(order)
        with localcontext(EXACT):
            for currency, change in ((given, -booked.spent), (got, booked.received)):
                self.changes[currency] = self.changes.get(currency, _ZERO) + change
            if booked.fee_currency not in (given, got):
                self.correct(booked.fee_currency, -booked.fee)
            if order.execution is None:
                return
            home = self._home.setdefault(order.execution, given)
            held = self._held.setdefault(order.execution, {})
            if given != home:
                held[given] = held.get(given, _ZERO) - booked.spent
                # the venue may take another fee than is known of it, out of what is free
                if held[given] < -booked.fee:
                    raise InvariantBroken(
                        f"{order.client_id} spent {booked.spent} {given}, "
                        f"{-held[given]} more than its execution had"
                    )
            if got != home:
                held[got] = held.get(got, _ZERO) + booked.received

    def correct(self, currency: str, change: Decimal) -> None:
        """Note a change of the account's balance that no order's booking has."""
        with localcontext(EXACT):
            self.changes[currency] = self.changes.get(currency, _ZERO) + change

    def drop(self, execution: str) -> None:
        """Forget an execution that has ended."""
        self._held.pop(execution, None)
        self._home.pop(execution, None)


def new_order(
    order: Order,
    market: Market,
    fee: Decimal,
    kind: Literal["market", "ioc"],
    in_hand: Decimal | None,
) -> NewOrder | None:
    """Make a desk's order exact; ``None`` if it comes to nothing the venue would take.

    ``in_hand`` bounds it, fee included. At market it goes by funds or size. As an
    immediate-or-cancel limit order a buy needs a size: as much as its funds pay for at the
    limit, which leaves some unspent where the market is better than that. An order that
    unwinds keeps to its limit, whatever ``kind`` the legs are.

    Raises:
        InvariantBroken: the order would rest, or a limit is wanted and it has none.
    """
    if order.time_in_force is not TimeInForce.IOC:
        raise InvariantBroken(
            f"order {order.client_id} is {order.time_in_force}: a session's orders do not rest"
        )
    limit = limit_of(order, market) if kind == "ioc" or order.unwinds else None
    amount = amount_of(order, market, fee, in_hand)
    return exact_order(order.client_id, market, order.side, amount, limit)


def order_spending(
    client_id: str,
    market: Market,
    side: int,
    in_hand: Decimal,
    fee: Decimal,
    limit: Decimal | None = None,
) -> NewOrder | None:
    """Make the order that spends what is in hand; ``None`` if the venue would not take it.

    A buy spends quote, its fee included where that is taken on top; a sell spends base. At
    market, or immediate-or-cancel at ``limit``, which is rounded so that it never pays more.
    """
    if limit is not None:
        limit = limit_price(limit, market.price_increment or ATOM, side)
    return exact_order(client_id, market, side, payable(market, side, fee, in_hand), limit)


def cost_of(new: NewOrder, market: Market, fee: Decimal) -> tuple[str, Decimal]:
    """Name the currency that an order needs, and the most of it that the venue will hold."""
    if new.side != BUY:
        assert new.size is not None
        return market.base, new.size
    with localcontext(EXACT):
        funds = new.funds
        if funds is None:
            assert new.size is not None
            assert new.price is not None
            funds = new.size * new.price
        return market.quote, funds * _on_top(market, fee)


def limit_of(order: Order, market: Market) -> Decimal:
    """Give the worst price a desk's order may trade at, on the venue's tick.

    Raises:
        InvariantBroken: it has none.
    """
    if order.limit_px is None:
        raise InvariantBroken(f"order {order.client_id} has no limit to send")
    tick = market.price_increment
    return limit_price(on_step(order.limit_px, tick), tick or ATOM, order.side)


def amount_of(order: Order, market: Market, fee: Decimal, in_hand: Decimal | None) -> Decimal:
    """Give funds of a buy or size of a sell, on the venue's step, no more than is in hand."""
    if order.side == BUY:
        wanted, step = order.funds, market.quote_increment
    else:
        wanted, step = order.size, market.base_increment
    assert wanted is not None
    amount = round_down(on_step(wanted, step), step or ATOM)
    return amount if in_hand is None else min(amount, payable(market, order.side, fee, in_hand))


def payable(market: Market, side: int, fee: Decimal, in_hand: Decimal) -> Decimal:
    """Give the funds of a buy, or the size of a sell, that what is in hand pays for, fee included.

    On the venue's step.
    """
    step = market.quote_increment if side == BUY else market.base_increment
    with localcontext(EXACT):
        most = in_hand / _on_top(market, fee) if side == BUY else in_hand
        return round_down(most, step or ATOM)


def _on_top(market: Market, fee: Decimal) -> Decimal:
    """What a buy of one unit of quote costs."""
    return _ONE + fee if market.fee_side is FeeSide.QUOTE else _ONE


def exact_order(
    client_id: str, market: Market, side: int, amount: Decimal, limit: Decimal | None
) -> NewOrder | None:
    """Make an order of an amount on the venue's step: funds of a buy, size of a sell.

    With a ``limit``, which is on the tick, it is immediate-or-cancel, and a buy's size is what
    its funds pay for there. ``None`` if the venue would not take it.
    """
    with localcontext(EXACT):
        if limit is not None and side == BUY:
            amount = round_down(amount / limit, market.base_increment or ATOM) if limit else _ZERO
        if not _takes(market, side, amount, limit):
            return None
    by_funds = side == BUY and limit is None
    return NewOrder(
        client_id,
        market.symbol,
        side,
        OrderKind.MARKET if limit is None else OrderKind.LIMIT,
        size=None if by_funds else amount,
        funds=amount if by_funds else None,
        price=limit,
        time_in_force=TimeInForce.GTC if limit is None else TimeInForce.IOC,
    )


def _takes(market: Market, side: int, amount: Decimal, limit: Decimal | None) -> bool:
    """Whether the venue would take an order of this amount at all."""
    if amount <= 0 or (limit is not None and limit <= 0):
        return False
    if side == BUY and limit is None:
        return amount >= (market.min_funds or _ZERO)
    if limit is not None and amount * limit < (market.min_funds or _ZERO):
        return False
    return amount >= (market.base_min_size or _ZERO)
