"""What every trading venue offers, whatever it speaks: market data, order entry, an account.

The order path's values are those of ``values``, with exact amounts. Market data is
``trading.events.Book``, in float64, as research and scanner take it. A venue's formats,
addresses and limits belong in its own folder.

How a call ends is told by ``errors``: ``Rejected`` and ``Transient`` mean that nothing
happened, ``OutcomeUnknown`` that it may have: look the order up by its client id,
never send it again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Literal, Protocol

from arb_pipelines.market.book import Top
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import Book
from arb_pipelines.venues.status import VenueStatus
from arb_pipelines.venues.values import (
    Accepted,
    AccountEvent,
    BalanceChanged,
    Done,
    Match,
    NewOrder,
    OrderReport,
    OwnFill,
    Resting,
)

__all__ = [
    "Accepted",
    "Account",
    "AccountEvent",
    "BalanceChanged",
    "Done",
    "MarketData",
    "Match",
    "NewOrder",
    "OrderEntry",
    "OrderReport",
    "OwnFill",
    "Resting",
    "VenueConnection",
]


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

    @property
    def refused(self) -> Mapping[str, str]:
        """Symbols whose books the venue refuses, each with why; the other books go on."""
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

    async def open_orders(self, symbols: Collection[str]) -> list[OrderReport]:
        """Ask for the account's orders on some symbols that may still fill, whoever made them.

        Raises:
            Transient, Fatal: as for ``look_up``.
        """
        ...

    async def fills(self, since_ns: int, symbols: Collection[str]) -> list[OwnFill]:
        """Ask for the account's executions on some symbols since a time, the oldest first.

        One or two questions a symbol, which wait where the rate budget has no room: for a
        start or a reconciliation, not for an order.

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
    @property
    def status(self) -> VenueStatus: ...

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

    def make_ready(self, order: NewOrder) -> None:
        """Do what sending an order takes but for the sending, as far as that can be told apart."""
        ...

    def room(self) -> bool:
        """Whether the rate budget has points to spare, for questions that can wait."""
        ...

    def health(self) -> Mapping[str, str | None]:
        """Say of each part how it is: None is well, else what is wrong."""
        ...
