"""What a simulation comes to: profit, risk, and what stealing did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arb_pipelines.allocation.simulation.panel import TICKS, Floats, Int64
from arb_pipelines.allocation.simulation.world import Count, Ending, Outcome, World
from arb_pipelines.trading.performance import max_drawdown, sharpe


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one simulation; money in cents, shares from 0 to 1.

    ``sharpe`` is annualised from daily profits over the capital; ``blocks`` count
    orders near enough to steal that could not. ``success_rate`` is of the steals,
    the share whose thief then filled. ``used`` and ``held`` are means over time:
    capital reserved or in positions, and in positions alone. ``score`` is a study's
    ``composite`` with its default weights: return in percent of the capital, less
    the drawdown in percent, plus half the Sharpe ratio, plus the win rate.
    """

    net_profit: int
    return_pct: float
    drawdown_pct: float
    sharpe: float
    win_rate: float
    trades: int
    fees: int
    slippage: int
    interest: int
    entries: int
    steals: int
    blocks: int
    fights: int
    success_rate: float
    used: float
    held: float
    score: float


def measure(world: World, outcome: Outcome) -> Metrics:
    """Sum up a simulation."""
    fates = outcome.fates
    traded = fates[fates["ending"] >= Ending.TARGET]
    daily = daily_profits(world, outcome) / world.capital
    profit = int(outcome.profits.sum())
    drawdown = max_drawdown(daily) * 100.0
    ratio = sharpe(daily.tolist()) or 0.0
    wins = float((traded["profit"] > 0).mean()) if len(traded) else 0.0
    ticks = max(len(world.path) * TICKS, 1) * world.capital
    steals, held = outcome.total(Count.STEALS), outcome.total(Count.SPENT)
    return_pct = profit / world.capital * 100.0
    return Metrics(
        net_profit=profit,
        return_pct=return_pct,
        drawdown_pct=drawdown,
        sharpe=ratio,
        win_rate=wins,
        trades=len(traded),
        fees=int(traded["fees"].sum()),
        slippage=int(traded["slippage"].sum()),
        interest=int(traded["interest"].sum()),
        entries=outcome.total(Count.ENTERS),
        steals=steals,
        blocks=outcome.total(Count.BLOCKS),
        fights=outcome.total(Count.FIGHTS),
        success_rate=outcome.total(Count.SUCCESSES) / steals if steals else 0.0,
        used=(outcome.total(Count.RESERVED) + held) / ticks,
        held=held / ticks,
        score=return_pct - drawdown + 0.5 * ratio + wins,
    )


def daily_profits(world: World, outcome: Outcome) -> Floats:
    """Profit of each UTC day in cents, positions at their last price."""
    sums: Floats = np.bincount(day_numbers(world), weights=outcome.profits).astype(np.float64)
    return sums


def day_numbers(world: World) -> Int64:
    """Number of the UTC day, from 0, that each hour belongs to."""
    ended = np.cumsum(world.day_end, dtype=np.int64)
    return ended - world.day_end
