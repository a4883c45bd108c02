"""The state file against a few dictionaries, over any sequence of steps and openings."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from arb_pipelines.errors import InvariantBroken
from arb_pipelines.execution.orders.amounts import Booked
from arb_pipelines.execution.state.machine import FOLLOWS
from arb_pipelines.execution.state.opening import open_state
from arb_pipelines.execution.state.store import StateStore
from arb_pipelines.execution.state.values import (
    CycleState,
    NewCycle,
    OrderStatus,
    Outcome,
    Purpose,
)
from arb_pipelines.market.graph import BUY, SELL
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.events import OrderKind
from arb_pipelines.venues.base import Match, NewOrder

MARKETS = {
    symbol: Market("kucoin", symbol, *symbol.split("-"), symbol)
    for symbol in ("BTC-USDT", "ETH-BTC", "ETH-USDT")
}
LEGS = (("BTC-USDT", BUY), ("ETH-BTC", BUY), ("ETH-USDT", SELL))
AMOUNTS = st.decimals(
    min_value=Decimal("0.00000001"), max_value=Decimal(10**9), places=8, allow_nan=False
)


class Abandoned(Exception):
    """Nobody wants the transaction any more."""


@dataclass
class ToldOrder:
    """An order as the oracle knows it."""

    cycle: str
    leg: int
    status: OrderStatus = OrderStatus.INTENDED
    moved: dict[str, Decimal] = field(default_factory=dict)
    fills: dict[str, Decimal] = field(default_factory=dict)


@dataclass
class ToldCycle:
    """A cycle as the oracle knows it."""

    states: list[CycleState]
    step: int = 0
    ended: bool = False


class StateFileMachine(RuleBasedStateMachine):
    """Every step is taken by the file and by the dictionaries, and both are compared."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.cycles: dict[str, ToldCycle] = {}
        self.orders: dict[str, ToldOrder] = {}
        self.numbers = count()
        self.opened = ExitStack()
        self.store: StateStore

    @initialize()
    def open(self) -> None:
        self.store = self.opened.enter_context(open_state(self.folder / "state.sqlite"))

    def teardown(self) -> None:
        self.opened.close()
        shutil.rmtree(self.folder)

    @rule()
    def open_again(self) -> None:
        self.opened.close()
        self.open()

    @rule(initial=AMOUNTS)
    def begin(self, initial: Decimal) -> None:
        cycle = f"c-{next(self.numbers)}"
        self.store.begin(NewCycle(cycle, "s", "k", "USDT", LEGS, initial), "why")
        self.cycles[cycle] = ToldCycle([CycleState.PENDING])

    @precondition(lambda self: self.cycles)
    @rule(data=st.data(), after=st.sampled_from(CycleState))
    def step(self, data: st.DataObject, after: CycleState) -> None:
        cycle = data.draw(st.sampled_from(sorted(self.cycles)))
        told = self.cycles[cycle]
        allowed = after in FOLLOWS[told.states[-1]]
        try:
            if after.terminal:
                self.store.end(cycle, after, Outcome.FILLED, profit=Decimal(1), what="", why="")
            else:
                self.store.move(cycle, after, what="", why="")
        except InvariantBroken:
            assert not allowed
        else:
            assert allowed
            told.states.append(after)
            told.ended = after.terminal

    @precondition(lambda self: self.cycles)
    @rule(data=st.data(), leg=st.integers(0, 2), amount=AMOUNTS)
    def intend(self, data: st.DataObject, leg: int, amount: Decimal) -> None:
        cycle = data.draw(st.sampled_from(sorted(self.cycles)))
        client_id = f"{cycle}-{next(self.numbers)}"
        self.store.intend(cycle, order(client_id, leg, amount), Purpose.LEG, leg)
        self.orders[client_id] = ToldOrder(cycle, leg)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def intend_twice(self, data: st.DataObject) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.orders)))
        told = self.orders[client_id]
        again = order(client_id, told.leg, Decimal(1))
        with pytest.raises(InvariantBroken, match="UNIQUE"):
            self.store.intend(told.cycle, again, Purpose.LEG, told.leg)

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.orders)))
        self.store.accepted(client_id, "venue's")
        told = self.orders[client_id]
        if told.status is OrderStatus.INTENDED:
            told.status = OrderStatus.ACCEPTED

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), status=st.sampled_from([OrderStatus.REFUSED, OrderStatus.LOST]))
    def nothing_came(self, data: st.DataObject, status: OrderStatus) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.orders)))
        told = self.orders[client_id]
        assume(told.status is not OrderStatus.DONE)
        self.store.unfilled(client_id, status, "why")
        told.status = status

    @precondition(lambda self: self.orders)
    @rule(data=st.data(), size=AMOUNTS, trade=st.integers(0, 3))
    def match(self, data: st.DataObject, size: Decimal, trade: int) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.orders)))
        self.store.match(
            Match(client_id, "venue's", f"t{trade}", "ETH-BTC", BUY, size, size, True, 1, 1)
        )
        self.orders[client_id].fills.setdefault(f"t{trade}", size)

    @precondition(lambda self: self.orders)
    @rule(
        data=st.data(), spent=AMOUNTS, received=AMOUNTS, fee=AMOUNTS, other=st.booleans()
    )  # fmt: skip
    def book(
        self, data: st.DataObject, spent: Decimal, received: Decimal, fee: Decimal, other: bool
    ) -> None:
        client_id = data.draw(st.sampled_from(sorted(self.orders)))
        told = self.orders[client_id]
        symbol, side = LEGS[told.leg]
        base, quote = symbol.split("-")
        given, got = (quote, base) if side == BUY else (base, quote)
        currency = "KCS" if other else got
        booked = Booked(side, received, spent, spent, received, fee, currency)
        self.store.book(client_id, booked, MARKETS[symbol], None)
        told.moved = {given: -spent, got: received} | ({"KCS": -fee} if other else {})
        told.status = OrderStatus.DONE
        cycle = self.cycles[told.cycle]
        cycle.step = max(cycle.step, told.leg + 1)

    @precondition(lambda self: self.cycles)
    @rule(data=st.data(), amount=AMOUNTS)
    def abandon(self, data: st.DataObject, amount: Decimal) -> None:
        cycle = data.draw(st.sampled_from(sorted(self.cycles)))
        with suppress(Abandoned), self.store.together():
            self.store.begin(NewCycle("never", "s", "k", "USDT", LEGS, amount), "why")
            self.store.intend(cycle, order(f"{cycle}-never", 0, amount), Purpose.LEG, 0)
            raise Abandoned

    @invariant()
    def is_as_told(self) -> None:
        moved: defaultdict[str, defaultdict[str, Decimal]] = defaultdict(
            lambda: defaultdict(Decimal)
        )
        for order_told in self.orders.values():
            for currency, by in order_told.moved.items():
                moved[order_told.cycle][currency] += by
        for cycle, told in self.cycles.items():
            there = self.store.cycle(cycle)
            assert there.state is told.states[-1]
            assert there.step == told.step
            assert dict(there.changes) == {of: by for of, by in moved[cycle].items() if by}
            assert (there.ended_ns is None) == (not told.ended)
            history = self.store.transitions(cycle)
            assert [change.after for change in history] == told.states
            assert [change.before for change in history] == [None, *told.states[:-1]]
        for client_id, order_told in self.orders.items():
            found = {one.client_id: one for one in self.store.orders(order_told.cycle)}
            assert found[client_id].status is order_told.status
            fills = {fill.trade_id: fill.size for fill in self.store.fills(client_id)}
            assert fills == order_told.fills
        is_open = {cycle for cycle, told in self.cycles.items() if not told.ended}
        assert {cycle.id for cycle in self.store.open_cycles()} == is_open
        ended = {cycle.id for cycle in self.store.ended_cycles(1_000)}
        assert ended == self.cycles.keys() - is_open


def order(client_id: str, leg: int, amount: Decimal) -> NewOrder:
    """A market order of a leg."""
    symbol, side = LEGS[leg]
    buys = side == BUY
    return NewOrder(
        client_id,
        symbol,
        side,
        OrderKind.MARKET,
        size=None if buys else amount,
        funds=amount if buys else None,
    )


StateFileMachine.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None
)
TestStateFile = StateFileMachine.TestCase
