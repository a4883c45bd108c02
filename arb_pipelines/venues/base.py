"""What every trading venue offers, whatever it speaks: market data, order entry, an account.

The order path's values live here: exact amounts as ``Decimal``, made from text.
Market data is ``trading.events.Book``, in float64, as research and scanner take it.
A venue's formats, addresses and limits belong in its own folder.

How a call ends is told by ``errors``: ``Rejected`` and ``Transient`` mean that nothing
happened, ``OutcomeUnknown`` that it may have: look the order up by its client id,
never send it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.market.book import Top
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import Book, OrderKind, TimeInForce


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order as it leaves, approved, rounded and written to the journal before.

    ``client_id`` is unique for the account. Exactly one of ``size`` (base) and
    ``funds`` (quote) is set; a limit order has a size and a ``price`` (quote per base).

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


@dataclass(frozen=True, slots=True)
class Match:
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


@dataclass(frozen=True, slots=True)
class Resting:
    """An order waits in the venue's book."""

    client_id: str
    order_id: str
    symbol: str
    ts_event: int
    ts_recv: int


@dataclass(frozen=True, slots=True)
class Done:
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


@dataclass(frozen=True, slots=True)
class BalanceChanged:
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


class MarketData(Protocol):
    """Books of the symbols asked for, newest state only."""

    async def run(self) -> None:
        """Keep the books until cancelled, through every loss of connection."""
        ...

    async def changed(self) -> list[Book]:
        """Wait for change; give the newest book of each symbol that changed since the last call.

        A book that cannot be trusted, since messages were lost, is given once with no level.
        """
        ...

    @property
    def dropped(self) -> Mapping[str, int]:
        """States by symbol that were overtaken before anybody took them."""
        ...


class OrderEntry(Protocol):
    """Sends orders. None ever leaves twice.

    A cancel may, where an HTTP library repeats it on a connection that was dead:
    cancelling twice is cancelling once.
    """

    async def place(self, order: NewOrder) -> Accepted:
        """Send an order.

        Raises:
            Rejected: the venue refuses it; nothing happened.
            Transient: it did not leave, or the venue had no room for it; nothing happened.
            OutcomeUnknown: it left, and no answer tells what became of it.
            Fatal: the keys do not do.
        """
        ...

    async def cancel(self, client_id: str, symbol: str) -> None:
        """Ask to take an order back; the account's events tell whether that came in time.

        Raises:
            Rejected: there is no such open order.
            Transient, OutcomeUnknown, Fatal: as for ``place``.
        """
        ...

    async def test(self, order: NewOrder) -> None:
        """Have the venue check an order as if it were placed; it never reaches the market.

        Raises:
            Rejected: it would be refused.
            Transient: no answer.
            Fatal: the keys do not do.
        """
        ...


class Account(Protocol):
    """What happens to the account's orders and balances; nothing is ever dropped."""

    async def run(self) -> None:
        """Follow the account until cancelled, through every loss of connection."""
        ...

    async def next_event(self) -> AccountEvent:
        """Wait for the next event, in order of receipt."""
        ...

    async def settled(self, client_id: str, timeout_s: float) -> OrderReport | None:
        """Wait until all of an order that was placed is known; after the time, ask the venue.

        After the time an order may still be active, or ``None``: the venue does not know
        it (yet).

        Raises:
            Transient, Fatal: as for ``look_up``.
        """
        ...

    def forget(self, client_id: str) -> None:
        """Follow an order no longer: it is booked, or never reached the venue."""
        ...

    async def look_up(self, client_id: str, symbol: str) -> OrderReport | None:
        """Ask the venue what became of an order; ``None`` if it does not know it.

        Raises:
            Transient: no answer; ask again.
            Fatal: the keys do not do.
        """
        ...

    async def balances(self) -> Mapping[str, Decimal]:
        """Ask the venue what is free to trade, by currency.

        Raises:
            Transient, Fatal: as for ``look_up``.
        """
        ...


class VenueConnection(Protocol):
    """One account at one venue, in service; all strategies of a session share it.

    ``local`` tells that the venue's address is this machine's own: nothing of value is at
    stake there. ``account_id`` is the same for all keys of an account, and no secret.
    ``can_withdraw`` is ``None`` where the venue does not tell what a key may do. ``markets``
    are those of its own list whose orders it can send, with the account's real fees;
    ``fees`` are the taker's, as exact fractions by symbol.
    """

    @property
    def venue(self) -> str: ...
    @property
    def local(self) -> bool: ...
    @property
    def account_id(self) -> str: ...
    @property
    def can_withdraw(self) -> bool | None: ...
    @property
    def markets(self) -> Sequence[Market]: ...
    @property
    def fees(self) -> Mapping[str, Decimal]: ...
    @property
    def account(self) -> Account: ...

    def entry(self, way: Literal["rest", "socket"]) -> OrderEntry:
        """Give order entry; that of one way is the same for all who ask.

        Raises:
            ConfigError: the venue has no such way, or its address is not set.
        """
        ...

    def feed(
        self,
        symbols: Sequence[str],
        *,
        channel: Literal["level2", "depth50", "depth5", "level1"],
        depth: int,
    ) -> MarketData:
        """Make a feed of books of ``depth`` levels a side; whoever asked runs it.

        Raises:
            ConfigError: the venue has no such stream.
        """
        ...

    async def snapshot(self, symbol: str, depth: int) -> Book:
        """Ask for one book as it stands, at most ``depth`` levels a side.

        Raises:
            Transient: no answer; ask again.
            Rejected: the venue does not know the symbol.
            Fatal: the keys do not do.
        """
        ...

    async def tops(self) -> Mapping[str, Top]:
        """Ask for the best prices of all symbols in one call.

        Raises:
            Transient: no answer; ask again.
            Rejected: the venue has no such call.
            Fatal: the keys do not do.
        """
        ...

    async def run(self) -> None:
        """Keep account, order entry and clock in service until cancelled.

        Raises:
            Fatal: the venue turns us away.
            ProtocolViolation: it makes no sense.
        """
        ...

    async def ready(self) -> None:
        """Wait until account and order entry are in service; ``run`` is running."""
        ...

    def room(self) -> bool:
        """Whether the rate budget has points to spare, for questions that can wait."""
        ...

    def health(self) -> Mapping[str, str | None]:
        """Say of each part how it is: None is well, else what is wrong."""
        ...
