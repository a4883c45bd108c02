"""State files as an engine leaves them, written by the engine's own store."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from arb_pipelines.clock import NS_PER_MS, day_start_ns
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.state.database import Database
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import CycleState, NewCycle, OrderStatus, Outcome, Purpose
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.research.state_files import StateFile
from arb_pipelines.settings import Settings
from arb_pipelines.trading.events import OrderKind, TimeInForce
from arb_pipelines.venues.base import Match, NewOrder

DAY = date(2026, 1, 5)
ACCOUNT = "0123456789abcdef"
#: Symbol, side, base filled, value in quote: 100 USDT become 100.8 but for the fees.
LEGS = (
    ("BTC-USDT", BUY, "0.002", "100"),
    ("ETH-BTC", BUY, "0.04", "0.001998"),
    ("ETH-USDT", SELL, "0.03996", "100.8"),
)
_RATE = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class StateWorld:
    """A state file that is open to be written, and its clock, which each look moves by 1 ms."""

    store: StateStore
    file: StateFile
    set_clock: Callable[[int], None]

    def begin(self, cycle: str, *, strategy: str = "thin", session: str = "s1") -> None:
        """Begin a triangle; its first order's intent is not written."""
        legs = tuple((symbol, side) for symbol, side, _, _ in LEGS)
        new = NewCycle(cycle, strategy, session, "USDT", legs, Decimal(100), {"edge_bps": 12.5})
        self.store.begin(new, "net edge 12.5 bps")
        self.store.move(cycle, CycleState.VALIDATING, what="planned", why="sizes are known")
        self.store.move(cycle, CycleState.ACTIVE, what="order", why="leg 1 of 3")

    def fill(self, cycle: str, leg: int, *, part: str = "1") -> Booked:
        """Send a leg's order and book that ``part`` of it filled, with the taker's fee."""
        symbol, side, size, funds = LEGS[leg]
        client_id = f"{cycle}-{leg}"
        self.store.intend(cycle, market_order(client_id, leg), Purpose.LEG, leg)
        self.store.accepted(client_id, f"venue-{client_id}")
        got, value = Decimal(size) * Decimal(part), Decimal(funds) * Decimal(part)
        market = market_of(symbol)
        fee = (got if side == BUY else value) * _RATE
        spent, received = (value, got - fee) if side == BUY else (got, value - fee)
        of_fee = market.base if side == BUY else market.quote
        booked = Booked(side, got, value, spent, received, fee, of_fee)
        match = Match(
            client_id, f"venue-{client_id}", f"t-{client_id}", symbol, side, value / got, got,
            True, 1, 1,
        )  # fmt: skip
        self.store.match(match)
        self.store.book(client_id, booked, market, None if part == "1" else "cancelled")
        return booked

    def complete(self, cycle: str, **who: str) -> None:
        """Begin a triangle, fill its legs and end it."""
        self.begin(cycle, **who)
        for leg in range(len(LEGS)):
            self.fill(cycle, leg)
        profit = self.store.cycle(cycle).changes.get("USDT", Decimal(0))
        self.store.end(
            cycle, CycleState.COMPLETED, Outcome.FILLED, profit=profit, what="filled", why="3 of 3"
        )

    def fail(self, cycle: str, **who: str) -> None:
        """Begin a triangle whose first order is refused."""
        self.begin(cycle, **who)
        self.store.intend(cycle, market_order(f"{cycle}-0", 0), Purpose.LEG, 0)
        self.store.unfilled(f"{cycle}-0", OrderStatus.REFUSED, "balance insufficient")
        self.store.end(
            cycle,
            CycleState.FAILED,
            Outcome.NOTHING,
            profit=Decimal(0),
            what="refused",
            why="leg 1 was refused",
            error="balance insufficient",
        )


def market_of(symbol: str) -> Market:
    """A market of that symbol, fees in what is received."""
    base, _, quote = symbol.partition("-")
    return Market("kucoin", symbol, base, quote, symbol)


def market_order(client_id: str, leg: int) -> NewOrder:
    """The market order of a leg of the triangle."""
    symbol, side, size, funds = LEGS[leg]
    buys = side == BUY
    return NewOrder(
        client_id,
        symbol,
        side,
        OrderKind.MARKET,
        size=None if buys else Decimal(size),
        funds=Decimal(funds) if buys else None,
        time_in_force=TimeInForce.IOC,
    )


@contextmanager
def state_world(
    settings: Settings, *, day: date = DAY, venue: str = "kucoin", account: str = ACCOUNT
) -> Iterator[StateWorld]:
    """Open a state file where engines have theirs; its clock begins at the day's tenth hour."""
    path = settings.root / "state" / f"{venue}-{account}.sqlite"
    ticks = [itertools.count(0)]

    def set_clock(ts_ns: int) -> None:
        ticks[0] = itertools.count(ts_ns, NS_PER_MS)

    set_clock(day_start_ns(day) + 10 * 3600 * 1000 * NS_PER_MS)
    with open_state(path, wall_ns=lambda: next(ticks[0])) as store:
        yield StateWorld(store, StateFile(venue, account, Database(path)), set_clock)
