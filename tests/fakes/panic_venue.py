"""A venue with books of a few levels that orders take: market data, order entry and account.

Nothing happens by itself. What happens to balances is exact, and counted apart from who trades.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from arb_pipelines.errors import OutcomeUnknown, Rejected, Transient, Unfunded
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.orders.runner import OrderRunner
from arb_pipelines.execution.panic.seller import PanicSeller
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import CycleState, NewCycle, Outcome, Purpose
from arb_pipelines.market.book import Top
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import Book, OrderKind, TimeInForce
from arb_pipelines.trading.panic_rules import PanicRules
from arb_pipelines.trading.session_rules import SessionRules
from arb_pipelines.venues.base import Accepted, NewOrder, OrderReport
from tests.fakes.panic_markets import Levels, a_book, listed
from tests.fakes.virtual_loop import wall_ns

FEE = Decimal("0.001")
#: Bids and asks that take whatever a test sells.
DEEP = ([("0.99", "1000")], [("1.01", "1000")])


@dataclass
class DeepVenue:
    """``shown`` are bids and asks by symbol; ``placed`` are the orders that arrived.

    Balances begin at nothing, and sales may take them below. ``before`` is called with what is
    asked for or sent, and may raise; ``after`` when an order has traded, and may lose its answer.
    """

    shown: dict[str, tuple[Levels, Levels]]
    balances_now: defaultdict[str, Decimal]
    markets: list[Market] = field(default_factory=list)
    halted: set[str] = field(default_factory=set)
    before: Callable[[str], object] = lambda what: None
    after: Callable[[NewOrder], object] = lambda order: None
    placed: list[NewOrder] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    _reports: dict[str, OrderReport] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.markets = self.markets or [listed(symbol) for symbol in self.shown]
        self.fees = dict.fromkeys(self.shown, FEE)
        self.account: Any = self

    # -- market data -------------------------------------------------------------------

    async def tops(self) -> Mapping[str, Top]:
        self.asked["tops"] += 1
        self.before("tops")
        return {
            symbol: Top(*(float(side[0][0]) if side else 0.0 for side in sides))
            for symbol, sides in self.shown.items()
        }

    async def snapshot(self, symbol: str, depth: int) -> Book:
        self.asked[symbol] += 1
        self.before(symbol)
        return a_book(symbol, *(side[:depth] for side in self.shown[symbol]))

    # -- order entry and account -------------------------------------------------------

    async def place(self, order: NewOrder) -> Accepted:
        assert order.client_id not in self._reports, "no order is sent twice"
        self.before(order.client_id)
        if order.symbol in self.halted:
            raise Rejected(f"{order.symbol} is halted", code="200001")
        await asyncio.sleep(0)
        self._trade(order)
        self.after(order)
        return Accepted(order.client_id, f"id-{order.client_id}", 0, 0)

    async def cancel(self, client_id: str, symbol: str) -> None:
        raise Rejected("no such open order")

    async def settled(self, client_id: str, timeout_s: float) -> OrderReport | None:
        for _ in range(5):
            if client_id in self._reports:
                break
            await asyncio.sleep(timeout_s / 5)
        return self._reports.get(client_id)

    async def look_up(self, client_id: str, symbol: str) -> OrderReport | None:
        self.before(f"look-up {client_id}")
        return self._reports.get(client_id)

    def forget(self, client_id: str) -> None:
        pass

    def tell_of(self, report: OrderReport) -> None:
        """Have the venue know of an order of an earlier start."""
        self._reports[report.client_id] = report

    def _trade(self, order: NewOrder) -> None:
        """Fill what the levels within the limit have; cancel the rest."""
        assert order.size is not None
        assert order.price is not None
        assert order.time_in_force is TimeInForce.IOC
        market = next(each for each in self.markets if each.symbol == order.symbol)
        assert order.size % (market.base_increment or 1) == 0
        buys = order.side == BUY
        given = market.quote if buys else market.base
        needed = order.size * order.price * (1 + FEE) if buys else order.size
        if self.balances_now[given] < needed:
            raise Unfunded(f"{needed} {given} wanted, {self.balances_now[given]} free")
        self.placed.append(order)
        side = self.shown[order.symbol][1 if buys else 0]
        left, funds = order.size, Decimal(0)
        while left and side:
            price, size = map(Decimal, side[0])
            if price > order.price if buys else price < order.price:
                break
            part = min(left, size)
            left, funds = left - part, funds + part * price
            side[0] = (str(price), str(size - part))
            if part == size:
                del side[0]
        filled = order.size - left
        fee = funds * FEE
        moved = -1 if buys else 1
        self.balances_now[market.base] -= moved * filled
        self.balances_now[market.quote] += moved * funds - fee
        self._reports[order.client_id] = OrderReport(
            order.client_id, f"id-{order.client_id}", order.symbol, order.side, False, bool(left),
            filled, funds, fee, market.quote, 0,
        )  # fmt: skip


@dataclass
class Panic:
    """A state file, a venue, and a seller between them; ``alerts`` are what it told."""

    store: StateStore
    venue: DeepVenue
    rules: PanicRules
    alerts: list[dict[str, object]] = field(default_factory=list)

    def seller(self) -> PanicSeller:
        """A seller as a new start has it."""
        venue: Any = self.venue
        rules = SessionRules(fill_wait_ms=50, unknown_wait_ms=500, leg_timeout_ms=1_000)
        markets = {market.symbol: market for market in venue.markets}
        runner = OrderRunner(
            self.store, venue, venue, markets, venue.fees, rules, wall_ns=wall_ns,
            unknown_wait_ms=500,
        )  # fmt: skip
        return PanicSeller(
            self.store,
            venue,
            runner,
            lambda strategy: self.rules,
            alert=lambda event, **facts: self.alerts.append({"event": event, **facts}),
        )

    def holds(
        self, cycle: str, currency: str, amount: str, start: str = "USDT", **metadata: object
    ) -> None:
        """Write a cycle down whose first leg gave it ``amount``, at a price of 1."""
        market = listed(f"{currency}-{start}")
        write_holding(self.store, cycle, market, Decimal(amount), **metadata)
        self.venue.balances_now[currency] += Decimal(amount)
        self.venue.balances_now[start] -= Decimal(amount)

    def unexplained(self, *cycles: str) -> dict[str, Decimal]:
        """What venue and state differ by."""
        owed = defaultdict(Decimal, self.venue.balances_now)
        for cycle in cycles:
            for currency, by in self.store.cycle(cycle).changes.items():
                owed[currency] -= by
        return {currency: by for currency, by in owed.items() if by}


def write_holding(
    store: StateStore, cycle: str, market: Market, size: Decimal, **metadata: object
) -> None:
    """Write a cycle down whose first leg bought ``size`` at a price of 1, and no more of it."""
    new = NewCycle(cycle, "s", "session", market.quote, ((market.symbol, BUY),), size, metadata)
    store.begin(new, "approved")
    store.move(cycle, CycleState.VALIDATING, what="plan", why="test")
    store.move(cycle, CycleState.ACTIVE, what="intent", why="test")
    order = NewOrder(f"{cycle}-0", market.symbol, BUY, OrderKind.MARKET, funds=size)
    store.intend(cycle, order, Purpose.LEG, 0)
    booked = Booked(BUY, size, size, size, size, Decimal(0), market.quote)
    store.book(order.client_id, booked, market, None)


@contextmanager
def panic_at(
    folder: Path, shown: dict[str, tuple[Levels, Levels]], **rules: Any
) -> Iterator[Panic]:
    """Open a state file beside a venue that shows these books; within a virtual loop."""
    said = PanicRules(**({"slice_pause_ms": 200.0, "retry_every_s": 10.0} | rules))
    venue = DeepVenue(deepcopy(shown), defaultdict(Decimal))
    with open_state(folder / "state.sqlite", wall_ns=wall_ns) as store:
        yield Panic(store, venue, said)


def lost_answer(order: NewOrder) -> None:
    """Lose the answer to an order that has arrived."""
    raise OutcomeUnknown("the answer is lost")


def no_answer(what: str) -> None:
    """Let nothing through."""
    raise Transient(f"{what}: no connection")


@contextmanager
def selling(seller: PanicSeller) -> Iterator[None]:
    """Have a seller run beside the block; it is cancelled at its end."""
    task = asyncio.get_running_loop().create_task(seller.run())
    try:
        yield
    finally:
        task.cancel()


async def until(condition: Callable[[], object]) -> None:
    """Let time pass until something is so."""
    while not condition():
        await asyncio.sleep(0.01)


def sold(panic: Panic, cycle: str = "c1") -> tuple[CycleState, Outcome | None]:
    """Say how a cycle stands in the state."""
    stored = panic.store.cycle(cycle)
    return stored.state, stored.outcome


def symbols(panic: Panic) -> list[str]:
    """Name the symbols that orders were placed on, in turn."""
    return [order.symbol for order in panic.venue.placed]
