"""The steps of a triangle as an engine takes them, for tests that end it between any two."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import CycleState, NewCycle, Outcome, Purpose
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import OrderKind
from arb_pipelines.venues.base import NewOrder

LEGS = (("BTC-USDT", BUY), ("ETH-BTC", BUY), ("ETH-USDT", SELL))
#: What each leg spends and receives.
AMOUNTS = (("100", "0.002"), ("0.002", "0.04"), ("0.04", "101"))
#: Steps of one cycle.
STEPS = 7


def steps_of(store: StateStore, cycle: str) -> Iterator[int]:
    """Take one step at a time, each a transaction; gives its number when it is written."""
    for leg, (symbol, side) in enumerate(LEGS):
        client_id = f"{cycle}-{leg}"
        spent, received = map(Decimal, AMOUNTS[leg])
        with store.together():
            if leg == 0:
                store.begin(NewCycle(cycle, "s", "k", "USDT", LEGS, spent), "why")
                store.move(cycle, CycleState.VALIDATING, what="plan", why="priced")
                store.move(cycle, CycleState.ACTIVE, what="intent", why=client_id)
            store.intend(cycle, _order(client_id, symbol, side, spent), Purpose.LEG, leg)
        yield 2 * leg
        market = Market("kucoin", symbol, *symbol.split("-"), symbol)
        of_fee = market.base if side == BUY else market.quote
        funds = spent if side == BUY else received
        size = received if side == BUY else spent
        with store.together():
            store.accepted(client_id, f"o-{client_id}")
            booked = Booked(side, size, funds, spent, received, Decimal(0), of_fee)
            store.book(client_id, booked, market, None)
        yield 2 * leg + 1
    store.end(
        cycle, CycleState.COMPLETED, Outcome.FILLED, profit=Decimal(1), what="ended", why="filled"
    )
    yield STEPS - 1


def steps_found(store: StateStore, cycle: str) -> int:
    """Count the steps of a cycle that are written.

    Raises:
        AssertionError: one of them is half there.
    """
    if cycle not in {one.id for one in (*store.open_cycles(), *store.ended_cycles(1_000_000))}:
        assert not store.orders(cycle)
        assert not store.transitions(cycle)
        return 0
    there, orders = store.cycle(cycle), store.orders(cycle)
    done = [order for order in orders if order.fee_currency is not None]
    assert there.step == len(done)
    assert len(orders) - len(done) in (0, 1)
    assert all(order.order_id for order in done)
    changes: dict[str, Decimal] = {}
    for (symbol, side), (spent, received) in list(zip(LEGS, AMOUNTS, strict=True))[: len(done)]:
        base, quote = symbol.split("-")
        given, got = (quote, base) if side == BUY else (base, quote)
        changes[given] = changes.get(given, Decimal(0)) - Decimal(spent)
        changes[got] = changes.get(got, Decimal(0)) + Decimal(received)
    assert dict(there.changes) == {of: by for of, by in changes.items() if by}
    states = [change.after for change in store.transitions(cycle)]
    ended = there.ended_ns is not None
    last = [CycleState.COMPLETED] if ended else []
    assert states == [CycleState.PENDING, CycleState.VALIDATING, CycleState.ACTIVE, *last]
    return len(orders) + len(done) + ended


def _order(client_id: str, symbol: str, side: int, spent: Decimal) -> NewOrder:
    buys = side == BUY
    return NewOrder(
        client_id,
        symbol,
        side,
        OrderKind.MARKET,
        size=None if buys else spent,
        funds=spent if buys else None,
    )
