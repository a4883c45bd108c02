"""The readable simulator: the allocator itself, one tick after another.

What a tick does, in this order:

1. orders whose time is up end;
2. positions that reach target or stop, or have been held long enough, are closed;
3. new opportunities are submitted;
4. those still waiting although the price has passed their stop are withdrawn;
5. orders at the venue fill whose limit the price reaches from above: at the
   limit, or, if a bar opens beyond it, at the open;
6. the allocation decides; a cancel takes effect at once;
7. at a session's last tick stock positions are brought to overnight leverage;
8. at the end of a UTC day the account is brought back to its capital, as far as
   free cash goes: profits are paid out and losses made good, so that all days are
   traded with the same means and can be compared.

An order that enters when its limit has been passed already fills at the next
bar's open, with slippage, if that is beyond the limit too. The path within a bar is
an assumption: nobody may buy at its turning points.

The price of a position's exit follows the same rule as (5); stops and times pay
slippage, targets do not. When the data ends every position is closed.
"""

from __future__ import annotations

import math
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
from arb_pipelines.allocation.simulation.baselines import Allocation, FirstCome, Ranked
from arb_pipelines.allocation.simulation.build import BARRIERS
from arb_pipelines.allocation.simulation.panel import TICK_NS, TICKS, price_at
from arb_pipelines.allocation.simulation.world import (
    DECISION,
    FATE,
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
from arb_pipelines.clock import NS_PER_S
from arb_pipelines.market.graph import BUY

TICK_S = TICK_NS // NS_PER_S
YEAR_S = 365 * 86_400


@dataclass(slots=True)
class _Position:
    """What a fill bought. ``cost`` is own money, fee included; ``loan`` began to bear
    its present interest at tick ``since``."""

    order: int
    filled: int
    units: float
    cost: int
    loan: int
    since: int


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
        self.world, self.allocation, self.cash = world, allocation, allocation.cash
        self.waiting: set[int] = set()
        self.entered: set[int] = set()
        self.above: set[int] = set()  # of those entered, whose limit has not been passed since
        self.positions: list[_Position] = []
        self.fates = np.zeros(len(world.first), FATE)
        self.fates["filled"] = self.fates["closed"] = -1
        self.decisions: list[tuple[int, int, int, int, float]] = []
        self.counts = dict.fromkeys(Count, 0)
        self.so_far: list[list[int]] = []
        self.blocks = np.zeros(len(BARRIERS), np.int64)
        self.last_px = np.full(len(world.is_stock), np.nan)
        self.profits: list[int] = []
        self.paid_in, self.worth = 0, world.capital
        self.tick, self.arrived = 0, 0

    def run(self) -> Outcome:
        hours = len(self.world.path)
        for self.tick in range(hours * TICKS):
            hour, part = divmod(self.tick, TICKS)
            self.step(price_at(self.world.path[hour], part), hour, part)
            if part == TICKS - 1:
                self.mark(hour)
        self.tick = hours * TICKS
        for position in list(self.positions):
            px = self.last_px[self.world.symbol[position.order]]
            self.close(position, px, Ending.DATA_END)
        for order in sorted(self.entered | self.waiting):
            self.end(order, Ending.NEVER)
        if self.profits:
            self.profits[-1] += self.cash.free - self.worth
        return Outcome(
            self.fates,
            np.array(self.profits, np.int64),
            np.array(self.so_far, np.int64).reshape(-1, len(Count)),
            np.array(self.decisions, DECISION),
            self.blocks,
            paid_in=self.paid_in,
            free=self.cash.free,
        )

    def step(self, prices: Floats, hour: int, part: int) -> None:
        """Do everything of one tick; a price is NaN where the symbol has no bar."""
        world, symbol, now = self.world, self.world.symbol, self.tick
        self.last_px = np.where(np.isnan(prices), self.last_px, prices)
        for order in sorted(self.waiting | self.entered):
            if world.until[order] <= now:
                self.end(order, Ending.EXPIRED)
        for position in list(self.positions):
            self.consider_exit(position, prices[symbol[position.order]], opening=part == 0)
        while self.arrived < len(world.first) and world.first[self.arrived] <= now:
            self.submit(self.arrived)
            self.arrived += 1
        for order in sorted(self.waiting):
            if prices[symbol[order]] <= world.stop[order]:
                self.end(order, Ending.WITHDRAWN)
        for order in sorted(self.entered):
            self.consider_fill(order, prices[symbol[order]], opening=part == 0)
        self.carry_out(
            self.allocation.tick(now * TICK_NS, {str(i): float(p) for i, p in enumerate(prices)})
        )
        self.above |= {o for o in self.entered if prices[symbol[o]] > world.limit[o]}
        if part == TICKS - 1 and world.last[hour]:
            for position in list(self.positions):
                if world.is_stock[symbol[position.order]]:
                    self.delever(position, prices[symbol[position.order]])
        self.counts[Count.RESERVED] += self.cash.reserved
        self.counts[Count.SPENT] += self.cash.spent

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
        self.fates[order]["ending"], self.fates[order]["closed"] = ending, self.tick

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

    # --- money

    def consider_fill(self, order: int, px: float, *, opening: bool) -> None:
        world, maker = self.world, order in self.above
        limit = world.limit[order]
        if not px <= limit:
            return
        if opening and not maker:
            slippage = world.slippage[world.is_stock[world.symbol[order]]]
            self.fill(order, min(limit, px * (1.0 + slippage)), px, taker=True)
        elif opening or maker:
            self.fill(order, px if opening else limit, px, taker=False)

    def fill(self, order: int, px: float, market_px: float, *, taker: bool) -> None:
        world, fate = self.world, self.fates[order]
        cost = int(world.needs[order])
        self.entered.discard(order)
        self.log(Kind.FILL, order, int(taker), px)
        self.carry_out(self.allocation.on_fill(self.tick * TICK_NS, str(order), cost, final=True))
        units = world.notional[order] / px
        loan = int(world.notional[order]) - world.stake
        self.positions.append(_Position(order, self.tick, units, cost, loan, self.tick))
        fate["filled"], fate["entry_px"] = self.tick, px
        fate["fees"] = cost - world.stake
        if taker:
            fate["slippage"] = _cents(units * (px - market_px))

    def consider_exit(self, position: _Position, px: float, *, opening: bool) -> None:
        order, world = position.order, self.world
        stop, target = world.stop[order], world.target[order]
        if px <= stop:
            crossed = not opening and self.fates[order]["entry_px"] > stop
            self.close(position, stop if crossed else px, Ending.STOP)
        elif px >= target:
            self.close(position, px if opening else target, Ending.TARGET)
        elif self.tick >= position.filled + world.hold[order] and px > 0.0:
            self.close(position, px, Ending.TIME)

    def close(self, position: _Position, px: float, ending: Ending) -> None:
        world, fate = self.world, self.fates[position.order]
        stock = world.is_stock[world.symbol[position.order]]
        got_px = px if ending is Ending.TARGET else px * (1.0 - world.slippage[stock])
        gross = _cents(position.units * got_px)
        fee, interest = _cents(gross * world.fee[stock]), self.interest(position)
        back = gross - fee - interest - position.loan
        self.cash.settle(position.cost, max(back, 0))
        if back < 0:  # more than the stake is lost: paid from free cash as far as it goes
            back = -min(self.cash.free, -back)
            self.cash.withdraw(-back)
        self.positions.remove(position)
        self.log(Kind.CLOSE, position.order, ending, back)
        fate["ending"], fate["closed"], fate["exit_px"] = ending, self.tick, got_px
        fate["profit"] += back - position.cost
        fate["fees"] += fee
        fate["interest"] += interest
        fate["slippage"] += _cents(position.units * (px - got_px))

    def delever(self, position: _Position, px: float) -> None:
        """Sell so much that the rest is at most ``overnight`` times the position's equity."""
        world, fate = self.world, self.fates[position.order]
        if not px > 0.0:
            return
        value, owed = _cents(position.units * px), position.loan + self.interest(position)
        if value <= owed:
            self.close(position, px, Ending.MARGIN)
            return
        excess = value - world.overnight * (value - owed)
        if excess <= 0.0:
            return
        got_px = px * (1.0 - world.slippage[1])
        sold = excess / px
        gross = _cents(sold * got_px)
        fee = _cents(gross * world.fee[1])
        self.log(Kind.DELEVER, position.order, 0, excess)
        fate["interest"] += owed - position.loan
        fate["fees"] += fee
        fate["slippage"] += _cents(sold * (px - got_px))
        position.units -= sold
        position.loan, position.since = owed - (gross - fee), self.tick

    def interest(self, position: _Position) -> int:
        seconds = (self.tick - position.since) * TICK_S
        return _cents(position.loan * self.world.rate * seconds / YEAR_S)

    def mark(self, hour: int) -> None:
        """Note the hour's profit; at a day's end pay out or in what the account is off."""
        self.so_far.append(list(self.counts.values()))
        worth = self.marked()
        self.profits.append(worth - self.worth)
        self.worth = worth
        if not self.world.day_end[hour]:
            return
        payment = max(self.world.capital - self.cash.total, -self.cash.free)
        if payment > 0:
            self.cash.deposit(payment)
        else:
            self.cash.withdraw(-payment)
        self.paid_in += payment
        self.worth += payment

    def marked(self) -> int:
        """Cash, and positions at their last price less what they owe, in cents."""
        symbol = self.world.symbol
        return (
            self.cash.free
            + self.cash.reserved
            + sum(_cents(p.units * self.last_px[symbol[p.order]]) - p.loan for p in self.positions)
        )


def _cents(amount: float) -> int:
    return math.floor(amount + 0.5)
