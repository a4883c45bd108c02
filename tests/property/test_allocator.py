"""The allocator against a naive one, and its promises, over any sequence of calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import event
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from arb_pipelines.allocation.allocator import Allocator
from arb_pipelines.allocation.decisions import (
    Block,
    Cancel,
    Decision,
    Enter,
    Fight,
    Resolved,
    Steal,
)
from arb_pipelines.allocation.orders import MarketKind, RestingOrder, State
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.clock import NS_PER_S
from tests.fakes.allocation import EveryOther, Oracle

SYMBOLS = ("A-USD", "B-USD", "C-USD")
PRICES = (100.1, 100.2, 100.4, 100.5, 100.6, 100.8, 101.0, 101.2, 102.0, 106.0, 99.0, float("nan"))
FATES = ("acknowledged", "acknowledged", "filled", "pending")
ORDERS = st.builds(
    RestingOrder,
    order_id=st.just("named later"),
    strategy=st.just("s"),
    symbol=st.sampled_from(SYMBOLS),
    market=st.sampled_from([MarketKind.CRYPTO, MarketKind.CRYPTO, MarketKind.STOCK]),
    side=st.sampled_from([0, 0, 0, 1]),
    limit_px=st.sampled_from([100.0, 100.0, 99.8]),
    capacity_cents=st.integers(30, 150),
    forecast_profit_cents=st.integers(-5, 5),
)


def plain(decision: Decision) -> tuple[Any, ...]:
    """A decision as the oracle writes it."""
    match decision:
        case Enter():
            return ("enter", decision.order.order_id, decision.cents, decision.forced)
        case Steal():
            victims = [(loss.order.order_id, loss.frees_cents) for loss in decision.victims]
            return ("steal", decision.thief.order_id, victims)
        case Cancel():
            return ("cancel", decision.order.order_id)
        case Block():
            return ("block", decision.order.order_id, decision.reason.value)
        case Fight():
            return ("fight", tuple(sorted(set(decision.symbols))))
        case Resolved():
            return ("resolved", decision.thief.order_id, decision.outcome.value)


class Allocating(RuleBasedStateMachine):
    """Drives an allocator, a twin that gets prices in reverse order, and the oracle."""

    @initialize(
        protection=st.sampled_from(["distance", "time"]),
        cool_down_s=st.sampled_from([0.0, 2.0]),
        fight_threshold=st.integers(2, 3),
        force=st.integers(0, 2),
        cents=st.integers(80, 300),
        orders=st.lists(ORDERS, min_size=3, max_size=6),
    )
    def begin(
        self,
        protection: Any,
        cool_down_s: float,
        fight_threshold: int,
        force: int,
        cents: int,
        orders: list[RestingOrder],
    ) -> None:
        """Open the three with settings small enough for every rule to act."""
        self.settings = AllocationSettings(
            protection=protection,
            protection_s=3.0,
            cool_down_s=cool_down_s,
            fight_cool_down_s=20.0,
            fight_threshold=fight_threshold,
            force_immediate_count=force,
        )
        hours = EveryOther(40 * NS_PER_S)
        self.allocator = Allocator(self.settings, cents, hours)
        self.twin = Allocator(self.settings, cents, hours)
        self.oracle = Oracle(self.settings, cents, hours)
        self.now, self.count = 0, 0
        self.prices: dict[str, float] = {}
        self.stolen: dict[str, int] = {}  # order: when it was last stolen from
        self.taken: dict[str, int] = {}  # order: when it last stole or entered
        self.rested: dict[str, int] = {}  # symbol: its last steal
        self.fought: dict[frozenset[str], int] = {}
        self.turned = [100.2, 100.6, 101.0]
        for order in orders:
            self.submit(order)

    def check(self, mine: list[Decision], twins: list[Decision], oracles: list[Any]) -> None:
        """Compare the three answers, and hold the decisions to the promises."""
        assert [plain(decision) for decision in mine] == oracles
        assert [plain(decision) for decision in twins] == oracles
        for decision in mine:
            event(type(decision).__name__ + getattr(decision, "outcome", ""))
            match decision:
                case Enter():
                    assert self.stolen.get(decision.order.order_id) != self.now
                    self.taken[decision.order.order_id] = self.now
                case Steal():
                    self.check_steal(decision)
                case Fight():
                    self.fought[frozenset(decision.symbols)] = self.now

    def check_steal(self, steal: Steal) -> None:
        """No rule is broken, whoever the thief and the victims are."""
        rules, thief = self.settings, steal.thief
        cool_ns, fight_ns = rules.cool_down_ns, rules.fight_cool_down_ns
        assert steal.distance_pct <= rules.entry_tolerance_pct
        assert self.stolen.get(thief.order_id) != self.now
        symbols = {thief.symbol, *(loss.order.symbol for loss in steal.victims)}
        for symbol in symbols:
            assert symbol not in self.rested or self.now >= self.rested[symbol] + cool_ns
        for loss in steal.victims:
            victim = loss.order
            assert loss.distance_pct > steal.distance_pct
            assert rules.protection != "distance" or loss.distance_pct > rules.protection_pct
            assert self.taken.get(victim.order_id) != self.now
            pair = frozenset({thief.symbol, victim.symbol})
            assert pair not in self.fought or self.now >= self.fought[pair] + fight_ns
            self.stolen[victim.order_id] = self.now
        assert steal.free_cents + sum(v.frees_cents for v in steal.victims) >= steal.needs_cents
        self.taken[thief.order_id] = self.now
        self.rested |= dict.fromkeys(symbols, self.now)

    @rule(order=ORDERS)
    def submit(self, order: RestingOrder) -> None:
        """A strategy submits; the twin hears another forecast, since it must not matter."""
        self.count += 1
        order = replace(order, order_id=f"o{self.count}")
        self.allocator.submit(order)
        self.oracle.submit(order)
        self.twin.submit(replace(order, forecast_profit_cents=-order.forecast_profit_cents))

    @rule(
        seconds=st.sampled_from([0, 1, 2, 2, 3, 20]),
        prices=st.fixed_dictionaries({symbol: st.sampled_from(PRICES) for symbol in SYMBOLS}),
        fates=st.lists(st.sampled_from(FATES), max_size=4),
    )
    def tick(self, seconds: int, prices: dict[str, float], fates: list[str]) -> None:
        """Time passes and prices change (the twin hears them in reverse); cancels have fates."""
        self.now += seconds * NS_PER_S
        self.check(
            self.allocator.tick(self.now, prices),
            self.twin.tick(self.now, dict(reversed(prices.items()))),
            self.oracle.tick(self.now, prices),
        )
        for order, fate in zip(self.allocator.orders(State.CANCELLING), fates, strict=False):
            if fate == "acknowledged":
                self.ended(order.order_id)
            elif fate == "filled":
                self.filled(order.order_id, self.allocator.held_cents(order.order_id), True)

    @rule()
    def turn(self) -> None:
        """The symbols trade places, so that those who waited are now the nearest."""
        self.tick(3, dict(zip(SYMBOLS, self.turned, strict=True)), ["acknowledged"] * 4)
        self.turned = self.turned[1:] + self.turned[:1]

    def some(self, data: st.DataObject, *states: State) -> RestingOrder:
        """One of the orders in these states."""
        return data.draw(st.sampled_from(self.allocator.orders(*states)))

    @precondition(lambda self: self.allocator.orders())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """A strategy takes an order back."""
        name = self.some(data).order_id
        self.check(
            self.allocator.cancel(self.now, name),
            self.twin.cancel(self.now, name),
            self.oracle.cancel(self.now, name),
        )

    @precondition(lambda self: self.allocator.orders(State.ENTERED, State.CANCELLING))
    @rule(data=st.data(), final=st.booleans())
    def fill(self, data: st.DataObject, final: bool) -> None:
        """The venue fills an order, perhaps one whose cancel is under way."""
        name = self.some(data, State.ENTERED, State.CANCELLING).order_id
        cents = data.draw(st.integers(0, self.allocator.held_cents(name)))
        self.filled(name, cents, final)

    def filled(self, name: str, cents: int, final: bool) -> None:
        """Tell all three of a fill."""
        self.check(
            self.allocator.on_fill(self.now, name, cents, final=final),
            self.twin.on_fill(self.now, name, cents, final=final),
            self.oracle.on_fill(self.now, name, cents, final),
        )

    @precondition(lambda self: self.allocator.orders(State.CANCELLING))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """The venue acknowledges a cancel."""
        self.ended(self.some(data, State.CANCELLING).order_id)

    @precondition(lambda self: self.allocator.orders(State.ENTERED))
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        """The venue ends an order that nobody asked it to."""
        self.ended(self.some(data, State.ENTERED).order_id)

    def ended(self, name: str) -> None:
        """Tell all three that nothing more of an order will fill."""
        self.check(
            self.allocator.on_cancelled(self.now, name),
            self.twin.on_cancelled(self.now, name),
            self.oracle.on_cancelled(self.now, name),
        )

    @precondition(lambda self: self.allocator.cash.spent > 0)
    @rule(data=st.data(), proceeds=st.integers(0, 300))
    def settle(self, data: st.DataObject, proceeds: int) -> None:
        """A position is sold, with a profit or a loss."""
        cost = data.draw(st.integers(0, self.allocator.cash.spent))
        for allocator in (self.allocator, self.twin):
            allocator.cash.settle(cost, proceeds)
        self.oracle.spent -= cost
        self.oracle.total += proceeds - cost

    @invariant()
    def cash_is_conserved(self) -> None:
        """Every cent is free, reserved by one order, or spent; and none is there twice."""
        if not hasattr(self, "allocator"):
            return
        cash = self.allocator.cash
        held = sum(self.allocator.held_cents(o.order_id) for o in self.allocator.orders())
        assert min(cash.free, cash.reserved, cash.spent) >= 0
        assert cash.free + cash.reserved + cash.spent == cash.total == self.oracle.total
        assert (cash.reserved, cash.spent) == (held, self.oracle.spent)
        assert cash.free == self.oracle.free


TestAllocating = Allocating.TestCase
TestAllocating.settings = hypothesis_settings(max_examples=400, stateful_step_count=50)
