"""Small random worlds for the simulators of allocation: everything that can happen does."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from arb_pipelines.allocation.parameters import AllocationSettings
from arb_pipelines.allocation.simulation.build import build_world
from arb_pipelines.allocation.simulation.opportunities import Rule, propose
from arb_pipelines.allocation.simulation.panel import HOUR_NS, TICKS, Panel
from arb_pipelines.allocation.simulation.terms import Terms
from arb_pipelines.allocation.simulation.world import World


@dataclass(frozen=True, slots=True)
class AllocationWorld:
    """A world and the settings to run it with."""

    world: World
    settings: AllocationSettings


def random_allocation_world(
    seed: int, hours: int = 72, changed_from: int | None = None
) -> AllocationWorld:
    """Draw bars with gaps and jumps, a market that opens and closes, terms and settings.

    From hour ``changed_from`` on all bars are others than without it.
    """
    rng = np.random.default_rng(seed)
    panel = _panel(rng, hours)
    if changed_from is not None:
        panel = _changed(panel, changed_from)
    rule = Rule(
        every_bars=int(rng.integers(1, 4)),
        valid_h=int(rng.integers(2, 14)),
        hold_h=int(rng.integers(1, 20)),
        lookback=int(rng.integers(1, 5)),
        near=0.1,
        far=float(rng.uniform(0.5, 3.0)),
        target=float(rng.uniform(0.3, 2.0)),
        stop=float(rng.uniform(0.3, 2.0)),
        seed=seed,
    )
    orders = propose(panel, rule)
    stock_leverage = float(rng.choice([1.0, 4.0, 17.0]))
    terms = Terms(
        capital_cents=int(rng.integers(150_000, 900_000)),
        stake_cents=100_000 + int(rng.integers(0, 99)),
        stock_leverage=stock_leverage,
        overnight_leverage=min(stock_leverage, float(rng.choice([1.0, 2.0]))),
        crypto_leverage=float(rng.choice([1.0, 1.5])),
    )
    forecast = (np.arange(len(orders.first)) * 7 % 11 - 5) * 100
    world = build_world(panel, orders, terms, forecast)
    dearer = np.arange(len(orders.first)) * 7_919 % 150_000 * rng.integers(0, 2)
    return AllocationWorld(world._replace(needs=world.needs + dearer), _settings(rng))


def _panel(rng: np.random.Generator, hours: int) -> Panel:
    stocks, coins = int(rng.integers(0, 3)), int(rng.integers(1, 4))
    n = stocks + coins
    is_stock = np.arange(n) < stocks
    hour_of_day = np.arange(hours) % 24
    session = (hour_of_day >= 15) & (hour_of_day < 20) & (np.arange(hours) // 24 % 3 != 2)
    last = session & ~np.append(session[1:], False)
    open_ticks = np.repeat(session, TICKS) ^ (rng.random(hours * TICKS) < 0.03)  # halts
    size = rng.choice([0.003, 0.01, 0.05])
    steps = size * rng.standard_normal((hours, 4, n))
    steps[rng.random(steps.shape) < 0.005] -= 0.3  # gaps that wipe out
    logs = np.cumsum(steps.reshape(-1, n), axis=0).reshape(hours, 4, n)
    prices = np.round(100 * np.exp(logs), 3) + 0.001
    prices[:, 0][1:] = np.where(rng.random((hours - 1, n)) < 0.8, prices[:-1, -1], prices[1:, 0])
    there = np.where(is_stock, session[:, None], rng.random((hours, n)) > 0.03)
    bars = (prices[:, 0], prices.max(axis=1), prices.min(axis=1), prices[:, -1])
    open_, high, low, close = (np.where(there, column, np.nan) for column in bars)
    return Panel(
        symbols=tuple(f"S{i}-USD" for i in range(n)),
        is_stock=is_stock,
        ts_open=HOUR_NS * np.arange(hours, dtype=np.int64),
        open=open_,
        high=high,
        low=low,
        close=close,
        session=session,
        last=last,
        market_open=open_ticks,
    )


def _changed(panel: Panel, hour: int) -> Panel:
    later = np.arange(len(panel.ts_open)) >= hour
    factor = np.where(later[:, None], 1.0 + 0.07 * np.cos(np.arange(len(later)))[:, None], 1.0)
    return replace(
        panel,
        open=panel.open * factor,
        high=panel.high * factor,
        low=panel.low * factor,
        close=panel.close * factor,
    )


def _settings(rng: np.random.Generator) -> AllocationSettings:
    entry = float(rng.uniform(0.2, 5.0))
    normal = entry + float(rng.uniform(0.0, 5.0))
    cool_down = float(rng.choice([0.0, 100.0, 166.0, 500.0]))
    return AllocationSettings(
        protection="distance" if rng.random() < 0.7 else "time",
        protection_pct=float(rng.uniform(0.0, 0.6)),
        protection_s=float(rng.choice([0.0, 144.0, 1_000.0])),
        entry_tolerance_pct=entry,
        normal_tolerance_pct=normal,
        out_of_hours_tolerance_pct=normal + float(rng.uniform(0.0, 5.0)),
        force_immediate_count=int(rng.integers(0, 5)),
        cool_down_s=cool_down,
        fight_threshold=int(rng.integers(2, 4)),
        fight_cool_down_s=cool_down + float(rng.choice([0.0, 3_000.0])),
    )
