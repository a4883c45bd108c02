"""Laying out bars, opportunities and settings for the engines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arb_pipelines.allocation.decisions import Reason
from arb_pipelines.allocation.hours import MarketHours
from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.opportunities import Opportunities
from arb_pipelines.allocation.simulation.panel import (
    HOUR_NS,
    TICKS,
    Bools,
    Int64,
    Panel,
    corners,
    tick_times,
)
from arb_pipelines.allocation.simulation.terms import Terms
from arb_pipelines.allocation.simulation.world import Barrier, Rules, World
from arb_pipelines.clock import NS_PER_DAY

#: The number of each reason of a block.
BARRIERS = {reason: Barrier[reason.name] for reason in Reason}


@dataclass(frozen=True, slots=True)
class Sessions:
    """The stock market's hours on a panel's rows; what they mean is told by ``Panel``."""

    session: Bools
    last: Bools
    market_open: Bools


def sessions_of(ts_open: Int64, hours: MarketHours) -> Sessions:
    """Look up the market's hours at every tick.

    Raises:
        DataError: an hour is outside the calendar's days.
    """
    for edge in ts_open[[0, -1]].tolist() if len(ts_open) else ():
        hours.is_open(edge)  # refuses what it does not know
    ticks, opens = tick_times(ts_open), np.array(hours.opens)
    found: Int64 = np.searchsorted(opens, ticks, side="right") - 1
    market_open: Bools = np.greater_equal(found, 0) & np.less(ticks, np.array(hours.closes)[found])
    session: Bools = np.all(market_open.reshape(-1, TICKS), axis=1)
    return Sessions(session, session & ~np.append(session[1:], False), market_open)


def build_world(
    panel: Panel,
    orders: Opportunities,
    terms: Terms,
    forecast: Int64 | None = None,
    *,
    seed: int = 0,
) -> World:
    """Lay out a panel and its opportunities for the engines; without forecasts they are 0.

    ``seed`` is of the order in which each bar visits its high and low.
    """
    draws = np.random.default_rng(seed).random(panel.open.shape)
    stock = panel.is_stock[orders.symbol]
    leverage = np.where(stock, terms.stock_leverage, terms.crypto_leverage)
    fee = np.array([terms.crypto_fee_bps, terms.stock_fee_bps]) / 1e4
    slippage = np.array([terms.crypto_slippage_bps, terms.stock_slippage_bps]) / 1e4
    notional = np.floor(terms.stake_cents * leverage + 0.5).astype(np.int64)
    fees = np.floor(notional * fee[stock.astype(np.int64)] + 0.5).astype(np.int64)
    hour_after = panel.ts_open + HOUR_NS
    day_end = hour_after % NS_PER_DAY == 0
    if len(day_end):
        day_end[-1] = True
    return World(
        path=corners(*panel.bars, draws),
        is_stock=panel.is_stock.astype(np.uint8),
        last=panel.last.astype(np.uint8),
        market_open=panel.market_open.astype(np.uint8),
        day_end=day_end.astype(np.uint8),
        **orders._asdict(),
        needs=terms.stake_cents + fees,
        notional=notional,
        forecast=np.zeros(len(orders.first), np.int64) if forecast is None else forecast,
        fee=fee,
        slippage=slippage,
        capital=terms.capital_cents,
        stake=terms.stake_cents,
        overnight=terms.overnight_leverage,
        rate=terms.leverage_rate,
    )


def rules_of(settings: AllocationSettings) -> Rules:
    """Give the settings as numbers."""
    return Rules(
        by_time=settings.protection == "time",
        protection_pct=settings.protection_pct,
        protection_ns=settings.protection_ns,
        entry_tolerance_pct=settings.entry_tolerance_pct,
        normal_tolerance_pct=settings.normal_tolerance_pct,
        out_of_hours_tolerance_pct=settings.out_of_hours_tolerance_pct,
        force_immediate_count=settings.force_immediate_count,
        cool_down_ns=settings.cool_down_ns,
        fight_threshold=settings.fight_threshold,
        fight_cool_down_ns=settings.fight_cool_down_ns,
    )
