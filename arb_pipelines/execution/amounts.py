"""Exact amounts of a session's orders: what leaves, what came of it, what is in hand.

A desk speaks in float64; a venue counts in decimals. The float of an amount on the
venue's step names exactly one decimal, and what an execution holds is kept in decimals,
so the two never drift apart by more than the display of a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.market.exact import limit_price, on_step, round_down
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.trading.events import Order, OrderKind, TimeInForce, currencies
from arb_pipelines.venues.base import NewOrder, OrderReport

_ZERO, _ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class Booked:
    """What an order came to, exactly: base ``size`` and its value in quote, before fees.

    ``spent`` and ``received`` are in the currencies given and got, net of the ``fee``.
    """

    side: int
    size: Decimal
    funds: Decimal
    spent: Decimal
    received: Decimal
    fee: Decimal
    fee_currency: str

    @classmethod
    def of(cls, report: OrderReport, rate: Decimal, fee_side: FeeSide) -> Booked:
        """Book a report; a fee that it does not tell is the taker's ``rate``, a fraction."""
        base, _, quote = report.symbol.partition("-")
        in_quote = fee_side is FeeSide.QUOTE or report.side != BUY
        currency = report.fee_currency or (quote if in_quote else base)
        fee = report.fee
        if fee is None:
            fee = (report.funds if in_quote else report.size) * rate
        if report.side == BUY:
            spent = report.funds + (fee if currency == quote else _ZERO)
            received = report.size - (fee if currency == base else _ZERO)
        else:
            spent = report.size + (fee if currency == base else _ZERO)
            received = report.funds - (fee if currency == quote else _ZERO)
        return cls(report.side, report.size, report.funds, spent, received, fee, currency)

    def fills_whole(self, new: NewOrder, market: Market) -> bool:
        """Whether what is left of the order is less than the venue can trade."""
        if self.size <= 0:
            return False
        if new.size is not None:
            return new.size == self.size
        assert new.funds is not None
        step = market.base_increment
        average = self.funds / self.size
        return new.funds - self.funds < average * (step if step is not None else _ZERO) or (
            new.funds == self.funds
        )


class Purses:
    """What executions have in hand outside the currency they began with, exactly."""

    def __init__(self) -> None:
        self._held: dict[str, dict[str, Decimal]] = {}
        self._home: dict[str, str] = {}

    def available(self, order: Order) -> Decimal | None:
        """What an order may spend at most; ``None`` where its balance is not a purse's."""
        given, _ = currencies(order)
        if order.execution is None or self._home.get(order.execution, given) == given:
            return None
        return self._held[order.execution].get(given, _ZERO)

    def book(self, order: Order, booked: Booked) -> None:
        """Move what an order spent and received."""
        if order.execution is None:
            return
        given, got = currencies(order)
        home = self._home.setdefault(order.execution, given)
        held = self._held.setdefault(order.execution, {})
        for currency, change in ((given, -booked.spent), (got, booked.received)):
            if currency != home:
                held[currency] = held.get(currency, _ZERO) + change
                if held[currency] < 0:
                    raise InvariantBroken(
                        f"{order.client_id} spent {booked.spent} {given}, "
                        f"{-held[currency]} more than its execution had"
                    )

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
    """Make a desk's order exact; ``None`` if what is in hand buys or sells nothing.

    ``in_hand`` bounds it exactly. At market it goes by funds or size. As an
    immediate-or-cancel limit order a buy needs a size: as much as its funds pay for at the
    limit, which leaves some unspent where the market is better than that.
    """
    limit = None
    if kind == "ioc":
        if order.limit_px is None:
            raise InvariantBroken(f"order {order.client_id} has no limit to send")
        limit = limit_price(
            on_step(order.limit_px, market.price_increment), market.price_increment, order.side
        )
    if order.side == BUY:
        assert order.funds is not None
        funds = on_step(order.funds, market.quote_increment)
        if in_hand is not None:
            on_top = fee if market.fee_side is FeeSide.QUOTE else _ZERO
            funds = min(funds, round_down(in_hand / (_ONE + on_top), market.quote_increment))
        size = None if limit is None else round_down(funds / limit, market.base_increment)
        amount = funds if size is None else size
        if amount <= 0:
            return None
        if size is None:
            return _market(order, funds=funds)
        return _limit(order, size, limit)
    assert order.size is not None
    size = on_step(order.size, market.base_increment)
    if in_hand is not None:
        size = min(size, round_down(in_hand, market.base_increment))
    if size <= 0:
        return None
    return _market(order, size=size) if limit is None else _limit(order, size, limit)


def _market(order: Order, *, size: Decimal | None = None, funds: Decimal | None = None) -> NewOrder:
    return NewOrder(
        order.client_id, order.symbol, order.side, OrderKind.MARKET, size=size, funds=funds
    )


def _limit(order: Order, size: Decimal, price: Decimal | None) -> NewOrder:
    return NewOrder(
        order.client_id,
        order.symbol,
        order.side,
        OrderKind.LIMIT,
        size=size,
        price=price,
        time_in_force=TimeInForce.IOC,
    )
