"""The readable simulator: the allocator itself, one tick after another.

What a tick does, in this order:

1. orders whose time is up end;
2. positions that reach target or stop, or have been held long enough, are closed;
3. new opportunities are submitted;
4. those still waiting although the price has passed their stop are withdrawn;
5. orders at the venue fill whose limit the price reaches from above, on the way
   to the bar's low: at the limit, or, if a bar opens beyond it, at the open;
6. the allocation decides; a cancel takes effect at once;
7. at a session's last tick stock positions are brought to overnight leverage;
8. at the end of a UTC day the account is brought back to its capital, as far as
   free cash goes: profits are paid out and losses made good, so that all days are
   traded with the same means and can be compared.

An order that enters when its limit has been passed already fills at the next
bar's open, with slippage, if that is beyond the limit too; so does, without, one
whose limit lies on the line from the second extreme to the close. The path within
a bar is an assumption: nobody may earn or lose by knowing where it ends.

The price of a position's exit follows the same rule as (5); stops and times pay
slippage, targets do not. When the data ends every position is closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arb_pipelines.allocation.allocator import Allocator
from arb_pipelines.allocation.decisions import (
    Block,
    Decision,
    Enter,
    Fight,
    Resolved,
    Steal,
)
from arb_pipelines.allocation.decisions import Outcome as StealOutcome
from arb_pipelines.allocation.orders import MarketKind, RestingOrder
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.account import Account
from arb_pipelines.allocation.simulation.baselines import Allocation, FirstCome, Ranked
from arb_pipelines.allocation.simulation.build import BARRIERS
from arb_pipelines.allocation.simulation.panel import STRIDE, TICK_NS, TICKS, price_at
from arb_pipelines.allocation.simulation.world import (
    DECISION,
    FIRST_STEAL_BARRIER,
    Count,
    Ending,
    Floats,
    Kind,
    Outcome,
    Policy,
    UInt8,
    World,
)
from arb_pipelines.market.graph import BUY


@dataclass(frozen=True, slots=True)
class _TickHours:
    """The world's market hours, by time since its first tick."""

    market_open: UInt8

    def is_open(self, ts_ns: int) -> bool:
        return bool(self.market_open[ts_ns // TICK_NS])


def simulate(
    world: World, settings: AllocationSettings, policy: Policy = Policy.STEALING
) -> Outcome:
    """Run a world through a policy; ``settings`` matter to stealing only."""
    allocation: Allocation
    if policy is Policy.STEALING:
        allocation = Allocator(settings, world.capital, _TickHours(world.market_open))
    else:
        allocation = (FirstCome if policy is Policy.FIRST_COME else Ranked)(world.capital)
    return _Simulation(world, allocation).run()


class _Simulation:
    """The state of one run."""

    def __init__(self, world: World, allocation: Allocation) -> None:
        self.world, self.allocation = world, allocation
        self.waiting: set[int] = set()
        self.entered: set[int] = set()
        self.above: set[int] = set()  # of those entered, whose limit is still to be reached
        self.decisions: list[tuple[int, int, int, int, float]] = []
        self.account = Account(world, allocation.cash, self.decisions)
        self.counts = dict.fromkeys(Count, 0)
        self.so_far: list[list[int]] = []
        self.blocks = np.zeros(len(BARRIERS), np.int64)
        self.tick, self.arrived = 0, 0

    def run(self) -> Outcome:
        hours = len(self.world.path)
        for self.tick in range(hours * TICKS):
            hour, part = divmod(self.tick, TICKS)
            self.step(price_at(self.world.path[hour], part), hour, part)
            if part == TICKS - 1:
                self.so_far.append(list(self.counts.values()))
                self.account.mark(hour)
        self.tick = hours * TICKS
        self.account.finish(self.tick)
        for order in sorted(self.entered | self.waiting):
            self.end(order, Ending.NEVER)
        account, free = self.account, self.allocation.cash.free
        if account.profits:
            account.profits[-1] += free - account.worth
        return Outcome(
            account.fates,
            np.array(account.profits, np.int64),
            np.array(self.so_far, np.int64).reshape(-1, len(Count)),
            np.array(self.decisions, DECISION),
            self.blocks,
            paid_in=account.paid_in,
            free=free,
        )

    def step(self, prices: Floats, hour: int, part: int) -> None:
        """Do everything of one tick; a price is NaN where the symbol has no bar."""
        world, symbol, now = self.world, self.world.symbol, self.tick
        self.account.show(now, prices)
        for order in sorted(self.waiting | self.entered):
            if world.until[order] <= now:
                self.end(order, Ending.EXPIRED)
        self.account.exit_due(prices, opening=part == 0)
        while self.arrived < len(world.first) and world.first[self.arrived] <= now:
            self.submit(self.arrived)
            self.arrived += 1
        for order in sorted(self.waiting):
            if prices[symbol[order]] <= world.stop[order]:
                self.end(order, Ending.WITHDRAWN)
        for order in sorted(self.entered):
            self.consider_fill(order, prices[symbol[order]], hour, part)
        before = set(self.entered)
        self.carry_out(
            self.allocation.tick(now * TICK_NS, {str(i): float(p) for i, p in enumerate(prices)})
        )
        asked = self.entered if part == 0 else self.entered - before
        self.above |= {o for o in asked if prices[symbol[o]] > world.limit[o]}
        if part == TICKS - 1 and world.last[hour]:
            self.account.delever_all(prices)
        self.counts[Count.RESERVED] += self.allocation.cash.reserved
        self.counts[Count.SPENT] += self.allocation.cash.spent

    # --- orders

    def submit(self, order: int) -> None:
        world, symbol = self.world, self.world.symbol[order]
        kind = MarketKind.STOCK if world.is_stock[symbol] else MarketKind.CRYPTO
        resting = RestingOrder(
            order_id=str(order),
            strategy="simulated",
            symbol=str(symbol),
            market=kind,
            side=BUY,
            limit_px=float(world.limit[order]),
            capacity_cents=int(world.needs[order]),
            forecast_profit_cents=int(world.forecast[order]),
        )
        self.allocation.submit(resting)
        self.waiting.add(order)

    def end(self, order: int, ending: Ending) -> None:
        self.carry_out(self.allocation.cancel(self.tick * TICK_NS, str(order)))
        self.carry_out(self.allocation.on_cancelled(self.tick * TICK_NS, str(order)))
        self.waiting.discard(order)
        self.entered.discard(order)
        fate = self.account.fates[order]
        fate["ending"], fate["closed"] = ending, self.tick

    def carry_out(self, decisions: list[Decision]) -> None:
        """Do what was decided; cancels of victims take effect when all is decided."""
        for decision in decisions:
            self.note(decision)
        for decision in decisions:
            if isinstance(decision, Steal):
                for loss in decision.victims:
                    victim = loss.order.order_id
                    self.entered.discard(int(victim))
                    self.above.discard(int(victim))
                    self.waiting.add(int(victim))
                    self.carry_out(self.allocation.on_cancelled(self.tick * TICK_NS, victim))

    def note(self, decision: Decision) -> None:
        match decision:
            case Enter(order=order, cents=cents):
                self.waiting.discard(int(order.order_id))
                self.entered.add(int(order.order_id))
                self.counts[Count.ENTERS] += 1
                self.log(Kind.ENTER, int(order.order_id), 0, cents)
            case Steal(thief=thief, distance_pct=distance, victims=victims):
                self.counts[Count.STEALS] += 1
                self.log(Kind.STEAL, int(thief.order_id), len(victims), distance)
                for loss in victims:
                    lost = int(loss.order.order_id)
                    self.log(Kind.LOSS, int(thief.order_id), lost, loss.distance_pct)
            case Block(order=order, reason=reason):
                self.blocks[BARRIERS[reason]] += 1
                self.counts[Count.BLOCKS] += BARRIERS[reason] >= FIRST_STEAL_BARRIER
                self.log(Kind.BLOCK, int(order.order_id), BARRIERS[reason], 0.0)
            case Fight(symbols=(thief_symbol, victim_symbol)):
                self.counts[Count.FIGHTS] += 1
                self.log(Kind.FIGHT, int(thief_symbol), int(victim_symbol), 0.0)
            case Resolved(thief=thief, outcome=outcome):
                filled = outcome is StealOutcome.FILLED
                self.counts[Count.RESOLVED] += 1
                self.counts[Count.SUCCESSES] += filled
                self.log(Kind.RESOLVED, int(thief.order_id), int(filled), 0.0)

    def log(self, kind: Kind, order: int, other: int, value: float) -> None:
        self.decisions.append((self.tick, kind, order, other, value))

    # --- fills

    def consider_fill(self, order: int, px: float, hour: int, part: int) -> None:
        world, maker, opening = self.world, order in self.above, part == 0
        limit, symbol = world.limit[order], world.symbol[order]
        if not px <= limit:
            return
        if opening and not maker:
            slippage = world.slippage[world.is_stock[symbol]]
            self.fill(order, min(limit, px * (1.0 + slippage)), px, taker=True)
        elif opening:
            self.fill(order, px, px, taker=False)
        elif maker and part <= STRIDE * (1 + int(np.argmin(world.path[hour, symbol, 1:3]))):
            self.fill(order, limit, px, taker=False)

    def fill(self, order: int, px: float, market_px: float, *, taker: bool) -> None:
        self.entered.discard(order)
        self.log(Kind.FILL, order, int(taker), px)
        cents = int(self.world.needs[order])
        self.carry_out(self.allocation.on_fill(self.tick * TICK_NS, str(order), cents, final=True))
        self.account.open(order, px, market_px, taker=taker)
