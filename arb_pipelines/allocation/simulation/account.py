"""The readable simulator's positions and money: fills, exits, leverage, interest, days.

Money is integer cents; a product is rounded once, halves up. Who gets capacity, and
when an order fills, is the part of ``readable``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from arb_pipelines.allocation.cash import CashLedger
from arb_pipelines.allocation.simulation.panel import TICK_NS
from arb_pipelines.allocation.simulation.world import FATE, Ending, Floats, Kind, World
from arb_pipelines.clock import NS_PER_S

TICK_S = TICK_NS // NS_PER_S
YEAR_S = 365 * 86_400


@dataclass(slots=True)
class Position:
    """What a fill bought.

    ``cost`` is own money, fee included; ``loan`` began to bear its present interest
    at tick ``since``.
    """

    order: int
    filled: int
    units: float
    cost: int
    loan: int
    since: int


class Account:
    """Positions of one account, what became of each order, and the profit of each hour.

    ``decisions`` is the log of the simulation, which fills and closings join.
    """

    def __init__(
        self, world: World, cash: CashLedger, decisions: list[tuple[int, int, int, int, float]]
    ) -> None:
        self.world, self.cash, self.decisions = world, cash, decisions
        self.positions: list[Position] = []
        self.fates = np.zeros(len(world.first), FATE)
        self.fates["filled"] = self.fates["closed"] = -1
        self.last_px = np.full(len(world.is_stock), np.nan)
        self.profits: list[int] = []
        self.paid_in, self.worth = 0, world.capital
        self.tick = 0

    def show(self, tick: int, prices: Floats) -> None:
        """Take the time and the prices of a tick; NaN where a symbol has no bar."""
        self.tick = tick
        self.last_px = np.where(np.isnan(prices), self.last_px, prices)

    def open(self, order: int, px: float, market_px: float, *, taker: bool) -> None:
        """Book what an order bought at ``px``, the market being at ``market_px``."""
        world, fate = self.world, self.fates[order]
        cost = int(world.needs[order])
        units = world.notional[order] / px
        loan = int(world.notional[order]) - world.stake
        self.positions.append(Position(order, self.tick, units, cost, loan, self.tick))
        fate["filled"], fate["entry_px"] = self.tick, px
        fate["fees"] = cost - world.stake
        if taker:
            fate["slippage"] = _cents(units * (px - market_px))

    def exit_due(self, prices: Floats, *, opening: bool) -> None:
        """Close the positions that reach target or stop, or have been held long enough."""
        for position in list(self.positions):
            self.consider_exit(position, prices[self.world.symbol[position.order]], opening=opening)

    def delever_all(self, prices: Floats) -> None:
        """Bring every stock position to overnight leverage."""
        for position in list(self.positions):
            symbol = self.world.symbol[position.order]
            if self.world.is_stock[symbol]:
                self.delever(position, prices[symbol])

    def finish(self, tick: int) -> None:
        """Close every position at its last price."""
        self.tick = tick
        for position in list(self.positions):
            px = self.last_px[self.world.symbol[position.order]]
            self.close(position, px, Ending.DATA_END)

    def consider_exit(self, position: Position, px: float, *, opening: bool) -> None:
        order, world = position.order, self.world
        stop, target = world.stop[order], world.target[order]
        if px <= stop:
            crossed = not opening and self.fates[order]["entry_px"] > stop
            self.close(position, stop if crossed else px, Ending.STOP)
        elif px >= target:
            self.close(position, px if opening else target, Ending.TARGET)
        elif self.tick >= position.filled + world.hold[order] and px > 0.0:
            self.close(position, px, Ending.TIME)

    def close(self, position: Position, px: float, ending: Ending) -> None:
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

    def delever(self, position: Position, px: float) -> None:
        """Sell so much that the rest, the sale paid, is ``overnight`` times its equity.

        A position whose equity would not pay for its sale is closed.
        """
        world, fate = self.world, self.fates[position.order]
        if not px > 0.0:
            return
        value, owed = _cents(position.units * px), position.loan + self.interest(position)
        cost = world.slippage[1] + world.fee[1] * (1.0 - world.slippage[1])
        if value - owed <= cost * value:
            self.close(position, px, Ending.MARGIN)
            return
        excess = (value - world.overnight * (value - owed)) / (1.0 - world.overnight * cost)
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

    def interest(self, position: Position) -> int:
        seconds = (self.tick - position.since) * TICK_S
        return _cents(position.loan * self.world.rate * seconds / YEAR_S)

    def mark(self, hour: int) -> None:
        """Note the hour's profit; at a day's end pay out or in what the account is off."""
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

    def log(self, kind: Kind, order: int, other: int, value: float) -> None:
        """Write a decision down."""
        self.decisions.append((self.tick, kind, order, other, value))


def _cents(amount: float) -> int:
    return math.floor(amount + 0.5)
