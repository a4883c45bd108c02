"""What of an exchange outlives its process, and who is told of every call.

Feed liquidity, halts and the books' sequences are not kept: a feed shows its book
anew, and clients resynchronise when they connect anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from arb_pipelines.exchange.engine.accounts import Accounts, Balance
from arb_pipelines.exchange.engine.events import Events
from arb_pipelines.exchange.engine.orders import Fill, Order


@dataclass(frozen=True, slots=True)
class Kept:
    """All that an exchange needs to go on where another one ended.

    ``active`` and ``fills`` come oldest first, ``done`` in the order they ended;
    history may be cut to its newest part. The counters count all there ever was.
    ``first_sequence`` is where the books' sequences go on.
    """

    users: Mapping[str, Mapping[str, Balance]] = field(default_factory=dict)
    house: Mapping[str, Decimal] = field(default_factory=dict)
    fees: Mapping[str, Decimal] = field(default_factory=dict)
    active: tuple[Order, ...] = ()
    done: tuple[Order, ...] = ()
    fills: tuple[Fill, ...] = ()
    orders_seen: int = 0
    orders_done: int = 0
    fills_seen: int = 0
    trade_ids: Mapping[str, int] = field(default_factory=dict)
    first_sequence: int = 0


class Journal(Protocol):
    """Told of each call that changed something, before its events leave the exchange."""

    def keep(self, events: Events, accounts: Accounts) -> None:
        """Make what ``events`` say durable; ``accounts`` are as they stand after them."""
