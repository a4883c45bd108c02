"""Whether a cycle that was cut short is still worth finishing, and finishing it.

Each leg that is left spends what the cycle holds, at the books of the moment, fees in. That
is worth it while it nets at least what selling the same holdings straight back would.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from arb_pipelines.execution.orders.amounts import order_spending
from arb_pipelines.execution.recovery.values import AskBook, Engine
from arb_pipelines.execution.state.values import Cycle, Purpose, StoredOrder
from arb_pipelines.market.exact import (
    ExactLeg,
    PricedLeg,
    Refusal,
    RefusalReason,
    exact_level,
    price_legs,
)
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import Floats

_ZERO = Decimal(0)
#: Levels a side that are asked for.
_DEPTH = 20
#: A book this old is asked for again; several cycles share a younger one.
_FRESH_S = 0.25
#: What the venue takes no order for.
_DUST = (RefusalReason.BELOW_MIN_SIZE, RefusalReason.BELOW_MIN_FUNDS)


Levels = list[tuple[Decimal, Decimal]]


class Books:
    """Books of the moment, exact: each symbol is asked for once, however many cycles want it."""

    def __init__(self, snapshot: AskBook) -> None:
        self._snapshot = snapshot
        self._known: dict[str, tuple[float, dict[int, Levels]]] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def levels(self, market: Market, side: int) -> Levels:
        """Give what an order of a side meets, the best first: prices and sizes.

        Raises:
            VenueError: it is not told.
        """
        symbol = market.symbol
        async with self._asking[symbol]:
            at_s, levels = self._known.get(symbol, (-math.inf, {}))
            now_s = asyncio.get_running_loop().time()
            if now_s - at_s > _FRESH_S:
                book = await self._snapshot(symbol, _DEPTH)
                levels = {
                    BUY: _exact(book.ask_px, book.ask_sz, market),
                    SELL: _exact(book.bid_px, book.bid_sz, market),
                }
                self._known[symbol] = now_s, levels
            return levels[side]


@dataclass(frozen=True, slots=True)
class Rest:
    """The legs that are left of a cycle, by number, as they would be filled now.

    ``nets`` is what they would bring in the start currency. ``refused`` is why a leg cannot be
    ordered.
    """

    legs: Mapping[int, PricedLeg]
    nets: Decimal
    refused: str | None


async def rest_of(engine: Engine, books: Books, cycle: Cycle) -> Rest:
    """Price the legs that are left of a cycle, with what it holds.

    Raises:
        VenueError: a book is not told.
    """
    have, legs, refused = dict(cycle.held), dict[int, PricedLeg](), None
    for number, (symbol, side) in enumerate(cycle.legs):
        market = engine.markets[symbol]
        given, got = currencies_of(market, side)
        if given == cycle.start or not have.get(given):
            continue
        priced = await _priced(engine, books, market, side, have[given])
        if isinstance(priced, RefusalReason):
            refused = refused or (None if priced in _DUST else f"{symbol}: {priced}")
            continue
        legs[number] = priced
        have[given] -= priced.spent
        have[got] = have.get(got, _ZERO) + priced.received
    return Rest(legs, have.get(cycle.start, _ZERO), refused)


async def straight_back(engine: Engine, books: Books, cycle: Cycle) -> Decimal:
    """Give what selling a cycle's holdings for its start currency would bring, by one order each.

    Raises:
        VenueError: a book is not told.
    """
    brought = _ZERO
    for currency, amount in cycle.held.items():
        found = _between(engine.markets.values(), currency, cycle.start)
        if found is not None:
            priced = await _priced(engine, books, *found, amount)
            brought += _ZERO if isinstance(priced, RefusalReason) else priced.received
    return brought


async def finish(engine: Engine, cycle: str, rest: Rest) -> None:
    """Send the legs that are left, one after the other; each spends what is in hand by then.

    Ends early if one does not fill.

    Raises:
        Fatal, ProtocolViolation: the venue turns us away.
    """
    stored = engine.store.cycle(cycle)
    rules = engine.strategy_of(stored).session
    for number, priced in rest.legs.items():
        given, _ = currencies_of(engine.markets[priced.symbol], priced.side)
        in_hand = engine.store.cycle(cycle).held.get(given, _ZERO)
        limit = None if rules.order_of(number) == "market" else priced.limit_price
        client_id = engine.runner.next_id(cycle, "r")
        order = await send_leg(engine, stored, number, client_id, in_hand, limit)
        if order is None or not order.filled:
            return


async def send_leg(
    engine: Engine,
    cycle: Cycle,
    number: int,
    client_id: str,
    in_hand: Decimal,
    limit: Decimal | None,
) -> StoredOrder | None:
    """Spend what is in hand by the order of a leg, at market or no worse than ``limit``.

    ``None`` if the venue would take no such order.

    Raises:
        Fatal, ProtocolViolation: the venue turns us away.
    """
    symbol, side = cycle.legs[number]
    market, fee = engine.markets[symbol], engine.fees[symbol]
    new = order_spending(client_id, market, side, in_hand, fee, limit)
    if new is None:
        return None
    return await engine.runner.run_order(cycle.id, new, Purpose.LEG, number)


def can_end_at_home(engine: Engine, cycle: Cycle) -> bool:
    """Whether a cycle's legs are all known, and lead home one after the other."""
    if any(symbol not in engine.markets for symbol, _ in cycle.legs):
        return False
    _, end = currencies_of(engine.markets[cycle.legs[-1][0]], cycle.legs[-1][1])
    return end == cycle.start


def currencies_of(market: Market, side: int) -> tuple[str, str]:
    """Name what an order gives and what it gets."""
    return (market.quote, market.base) if side == BUY else (market.base, market.quote)


def _between(markets: Iterable[Market], given: str, got: str) -> tuple[Market, int] | None:
    for market in markets:
        if (market.base, market.quote) == (given, got):
            return market, SELL
        if (market.quote, market.base) == (given, got):
            return market, BUY
    return None


async def _priced(
    engine: Engine, books: Books, market: Market, side: int, amount: Decimal
) -> PricedLeg | RefusalReason:
    levels = await books.levels(market, side)
    leg = ExactLeg(market, side, engine.fees[market.symbol], levels)
    priced = price_legs([leg], amount)
    return priced.reason if isinstance(priced, Refusal) else priced[0]


def _exact(prices: Floats, sizes: Floats, market: Market) -> Levels:
    return [
        exact_level(price, size, market.price_increment)
        for price, size in zip(prices.tolist(), sizes.tolist(), strict=True)
        if price > 0 and size > 0
    ]
