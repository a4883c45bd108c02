"""An order as it is asked for, as it lives in the engine, and as it is shown; its fills.

What is made anew at every step of an order is a struct of msgspec, as the events are.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from arb_pipelines.exchange.engine.money import ZERO

#: Counterparty of a fill against liquidity that a feed showed.
FEED_ORDER_ID = "0" * 24


class Side(StrEnum):
    """What the order does with the base currency."""

    BUY = "buy"
    SELL = "sell"

    @property
    def other(self) -> Side:
        """The side that trades with this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """Whether the order names its worst price."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long a limit order may rest."""

    GTC = "GTC"  # until cancelled
    GTT = "GTT"  # for ``cancel_after_s``
    IOC = "IOC"  # not at all
    FOK = "FOK"  # not at all, and whole or not at all


class SelfTradePrevention(StrEnum):
    """What happens when an order meets another of its own account; the taker's word counts."""

    DC = "DC"  # decrease both by the smaller, which cancels it
    CO = "CO"  # cancel the old one, go on
    CN = "CN"  # cancel the new one
    CB = "CB"  # cancel both


class Liquidity(StrEnum):
    """Which side of a trade waited in the book."""

    TAKER = "taker"
    MAKER = "maker"


class NewOrder(msgspec.Struct, frozen=True):
    """An order as a client asks for it.

    A limit order names ``price`` and ``size``, a market order exactly one of
    ``size`` (base) and ``funds`` (quote). ``cancel_after_s`` goes with GTT.
    """

    symbol: str
    side: Side
    type: OrderType
    client_oid: str | None = None
    price: Decimal | None = None
    size: Decimal | None = None
    funds: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    cancel_after_s: int | None = None
    post_only: bool = False
    hidden: bool = False
    iceberg: bool = False
    stp: SelfTradePrevention | None = None
    remark: str | None = None
    tags: str | None = None


class Order(msgspec.Struct, frozen=True):
    """An accepted order at one moment of its life; ``number`` counts the venue's orders from 1.

    ``deal_*`` filled, ``cancelled_*`` will not fill, ``fee`` was charged on
    ``deal_funds``; ``remain_*`` may still fill. ``size`` and ``remain_size`` are
    ``None`` on an order by funds, ``funds`` and ``remain_funds`` on one by size.
    ``hold`` is what it still keeps from its account's available balance.
    ``done_number`` counts the venue's finished orders, 0 while active.
    """

    id: str
    number: int
    user: str
    request: NewOrder
    created_ns: int
    updated_ns: int
    deal_size: Decimal
    deal_funds: Decimal
    cancelled_size: Decimal
    cancelled_funds: Decimal
    fee: Decimal
    fee_currency: str
    hold: Decimal
    hold_rate: Decimal
    in_book: bool
    cancel_exist: bool
    done_number: int

    @property
    def active(self) -> bool:
        """Tell whether more may still happen to the order."""
        return self.done_number == 0

    @property
    def remain_size(self) -> Decimal | None:
        """Base that may still fill, of an order by size."""
        if self.request.size is None:
            return None
        return self.request.size - self.deal_size - self.cancelled_size

    @property
    def remain_funds(self) -> Decimal | None:
        """Quote that may still be traded, of an order by funds."""
        if self.request.funds is None:
            return None
        return self.request.funds - self.deal_funds - self.cancelled_funds

    @property
    def expires_ns(self) -> int | None:
        """Time at which a GTT order is taken out of the book."""
        after_s = self.request.cancel_after_s
        return None if after_s is None else self.created_ns + after_s * 1_000_000_000


class Fill(msgspec.Struct, frozen=True):
    """One side of a trade: ``funds`` is price times size, before the fee.

    ``id`` counts the venue's fills from 1, ``trade_id`` the symbol's trades.
    """

    id: int
    trade_id: int
    order_id: str
    counter_order_id: str
    user: str
    symbol: str
    side: Side
    type: OrderType
    liquidity: Liquidity
    price: Decimal
    size: Decimal
    funds: Decimal
    fee: Decimal
    fee_rate: Decimal
    fee_currency: str
    time_ns: int


class WorkingOrder(msgspec.Struct, eq=False):
    """An active order inside the engine: the one mutable form; others get ``frozen()``.

    ``kcs_price`` is set while fees are paid in KCS, on an order that does not rest.
    """

    id: str
    number: int
    user: str
    request: NewOrder
    created_ns: int
    updated_ns: int
    fee_currency: str
    hold_rate: Decimal
    deal_size: Decimal = ZERO
    deal_funds: Decimal = ZERO
    cancelled_size: Decimal = ZERO
    cancelled_funds: Decimal = ZERO
    fee: Decimal = ZERO
    hold: Decimal = ZERO
    in_book: bool = False
    cancel_exist: bool = False
    done_number: int = 0
    kcs_price: Decimal | None = None

    @property
    def remaining(self) -> Decimal:
        """What may still fill: base, or quote for an order by funds."""
        request = self.request
        if request.size is not None:
            return request.size - self.deal_size - self.cancelled_size
        assert request.funds is not None
        return request.funds - self.deal_funds - self.cancelled_funds

    def give_up(self, amount: Decimal) -> None:
        """Cancel ``amount`` of what may still fill: base, or quote for an order by funds."""
        self.cancel_exist = True
        if self.request.size is None:
            self.cancelled_funds += amount
        else:
            self.cancelled_size += amount

    def frozen(self) -> Order:
        """Take a picture of the order as it is now."""
        return Order(
            self.id,
            self.number,
            self.user,
            self.request,
            self.created_ns,
            self.updated_ns,
            self.deal_size,
            self.deal_funds,
            self.cancelled_size,
            self.cancelled_funds,
            self.fee,
            self.fee_currency,
            self.hold,
            self.hold_rate,
            self.in_book,
            self.cancel_exist,
            self.done_number,
        )

    @classmethod
    def thawed(cls, order: Order) -> WorkingOrder:
        """Give back the working form of an order that was kept."""
        return cls(
            order.id,
            order.number,
            order.user,
            order.request,
            order.created_ns,
            order.updated_ns,
            order.fee_currency,
            order.hold_rate,
            order.deal_size,
            order.deal_funds,
            order.cancelled_size,
            order.cancelled_funds,
            order.fee,
            order.hold,
            order.in_book,
            order.cancel_exist,
            order.done_number,
        )
