"""The order path's values at every venue: what leaves, what is told, what is listed.

Exact amounts as ``Decimal``, made from text. What is done with them is promised in ``base``.
What the private stream tells are structs of msgspec, which are made in a tenth of the time:
several come of each order, and the next one waits for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import msgspec

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.trading.events import OrderKind, TimeInForce


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as it leaves, approved, rounded and written to the journal before.

    ``client_id`` is unique for the account. Exactly one of ``size`` (base) and
    ``funds`` (quote) is set; a limit order has a size and a ``price`` (quote per base), and
    with ``post_only`` the venue refuses it where it would trade at once.

    Raises:
        InvariantBroken: the amounts are not as above.
    """

    client_id: str
    symbol: str
    side: int
    kind: OrderKind
    size: Decimal | None = None
    funds: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False

    def __post_init__(self) -> None:
        given = [amount for amount in (self.size, self.funds) if amount is not None]
        limited = self.kind is OrderKind.LIMIT
        right = (
            len(given) == 1
            and given[0].is_finite()
            and given[0] > 0
            and (self.price is not None) == limited
            and not (limited and self.size is None)
            and (self.price is None or (self.price.is_finite() and self.price > 0))
            and self.kind is not OrderKind.STOP
            and not (self.post_only and (not limited or self.time_in_force is not TimeInForce.GTC))
        )
        if not right:
            raise InvariantBroken(
                f"order {self.client_id}: {self.kind} with size {self.size}, funds {self.funds}, "
                f"price {self.price}; give one amount above zero, and a price just to a limit"
            )


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue took an order; ``ts_sent`` and ``ts_recv`` frame the call, ns."""

    client_id: str
    order_id: str
    ts_sent: int
    ts_recv: int


class Match(msgspec.Struct, frozen=True):
    """One execution of an order: ``size`` in base at ``price``; the fee comes with the fills."""

    client_id: str
    order_id: str
    trade_id: str
    symbol: str
    side: int
    price: Decimal
    size: Decimal
    taker: bool
    ts_event: int
    ts_recv: int


class Resting(msgspec.Struct, frozen=True):
    """An order waits in the venue's book."""

    client_id: str
    order_id: str
    symbol: str
    ts_event: int
    ts_recv: int


class Done(msgspec.Struct, frozen=True):
    """Nothing more of an order will fill; ``filled_size`` of it has.

    ``cancelled`` is what the venue calls it. A market order whose remainder cannot
    buy the minimum ends so although it did all it could.
    """

    client_id: str
    order_id: str
    symbol: str
    filled_size: Decimal
    cancelled: bool
    ts_event: int
    ts_recv: int


class BalanceChanged(msgspec.Struct, frozen=True):
    """What the account has of a currency: ``available`` to trade and on ``hold``."""

    currency: str
    available: Decimal
    hold: Decimal
    order_id: str | None
    ts_event: int
    ts_recv: int


AccountEvent = Match | Resting | Done | BalanceChanged


@dataclass(frozen=True, slots=True)
class OrderReport:
    """What became of an order so far.

    ``funds`` is the value in quote of the ``size`` (base) that filled, before the
    fee. ``active`` orders may still fill; ``cancelled`` ones ended before they were
    filled. Fee and its currency are ``None`` where the venue has not told them yet.
    """

    client_id: str
    order_id: str
    symbol: str
    side: int
    active: bool
    cancelled: bool
    size: Decimal
    funds: Decimal
    fee: Decimal | None
    fee_currency: str | None
    ts_event: int


@dataclass(frozen=True, slots=True)
class OwnFill:
    """One execution in the venue's list of the account's: ``size`` in base at ``price``.

    ``client_id`` is "" for an order that has none, or that the venue lists no more.
    """

    client_id: str
    order_id: str
    trade_id: str
    symbol: str
    side: int
    price: Decimal
    size: Decimal
    funds: Decimal
    fee: Decimal
    fee_currency: str
    ts_event: int
