"""A venue of three symbols at which nothing happens unless a test has it happen."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from arb_pipelines.market.book import Top
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.trading.events import Book
from arb_pipelines.trading.parameters import FixedAmount, Strategy, Universe
from arb_pipelines.venues.base import AccountEvent, NewOrder, OrderReport, OwnFill
from arb_pipelines.venues.status import VenueStatus


class QuietFeed:
    """Books of nothing; ``failure`` ends it."""

    def __init__(self) -> None:
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.dropped: Mapping[str, int] = {}
        self.refused: Mapping[str, str] = {}

    async def run(self) -> None:
        await self.failure

    async def changed(self) -> list[Book]:
        await asyncio.get_running_loop().create_future()
        return []


class QuietAccount:
    """An account of which nothing is heard."""

    def __init__(self, free: Mapping[str, Decimal]) -> None:
        self.free = free

    async def next_event(self) -> AccountEvent:
        return await asyncio.get_running_loop().create_future()

    async def balances(self) -> Mapping[str, Decimal]:
        return self.free

    async def open_orders(self, symbols: Collection[str]) -> list[OrderReport]:
        return []

    async def fills(self, since_ns: int, symbols: Collection[str]) -> list[OwnFill]:
        return []


class QuietConnection:
    """``VenueConnection``; ``feeds`` are those that were asked for, ``failure`` ends it."""

    venue, local, account_id, can_withdraw = "quiet", True, "1", False

    def __init__(self, **free: str) -> None:
        self.account: Any = QuietAccount({of: Decimal(amount) for of, amount in free.items()})
        self.feeds: list[QuietFeed] = []
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wrong: str | None = None
        self.status = VenueStatus("quiet")
        self.markets = [
            Market(
                venue="quiet",
                symbol=f"{base}-{quote}",
                base=base,
                quote=quote,
                venue_symbol=f"{base}-{quote}",
                taker_fee_bps=10.0,
                fee_side=FeeSide.QUOTE,
            )
            for base, quote in (("BTC", "USDT"), ("ETH", "USDT"), ("ETH", "BTC"))
        ]
        self.fees = {market.symbol: Decimal("0.001") for market in self.markets}

    def entry(self, way: str) -> Any:
        return None

    def feed(self, symbols: Sequence[str], *, channel: str, depth: int) -> QuietFeed:
        self.feeds.append(QuietFeed())
        return self.feeds[-1]

    async def snapshot(self, symbol: str, depth: int) -> Book:
        none = np.empty(0)
        return Book(symbol, 0, none, none, none, none)

    async def tops(self) -> Mapping[str, Top]:
        return {market.symbol: Top(0.0, 0.0) for market in self.markets}

    async def run(self) -> None:
        await self.failure

    async def ready(self) -> None:
        return None

    def make_ready(self, order: NewOrder) -> None:
        return

    def room(self) -> bool:
        return True

    def health(self) -> Mapping[str, str | None]:
        return {"account": self.wrong}


def strategy(name: str, usdt: float, **changed: Any) -> Strategy:
    """One that trades what there is of USDT."""
    said: dict[str, Any] = {
        "name": name,
        "exchange": "quiet",
        "universe": Universe(start=("USDT",)),
        "min_profit_bps": 1.0,
        "capital_allocation": FixedAmount(mode="fixed_amount", amount=10.0),
        "balances": {"USDT": usdt},
    }
    return Strategy(**(said | changed))
