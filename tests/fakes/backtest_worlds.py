"""Small random markets in which much happens: trades, partial fills, unwinding, residuals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from arb_pipelines.backtest.scenario import Books, Scenario, prepare
from arb_pipelines.clock import day_start_ns
from arb_pipelines.lake.schemas import BOOK_LEVELS, BOOK_TOPS
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.cycles import find_cycles
from arb_pipelines.market.symbols import FeeSide, Market
from arb_pipelines.trading.parameters import Strategy

DAY = date(2025, 1, 1)
MS = 1_000_000
VALUES = {"USDT": 1.0, "BTC": 50_000.0, "ETH": 2_500.0, "SOL": 100.0, "EUR": 1.1}


def market(symbol: str, **terms: Any) -> Market:
    """A market without increments, unless given."""
    base, quote = symbol.split("-")
    return Market("demo", symbol, base, quote, base + quote, **terms)


def strategy(**changes: Any) -> Strategy:
    """A strategy over USDT triangles without fees or delays, unless changed."""
    parameters = {
        "name": "test",
        "exchange": "demo",
        "universe": {"start": ["USDT"]},
        "min_profit_bps": 1.0,
        "capital_allocation": {"mode": "fixed_fraction", "fraction": 1.0},
        "balances": {"USDT": 1_000.0},
        "fee_bps": 0.0,
        "latency": {"decision_ms": 0, "leg_ms": 0},
        "max_age_ms": 60_000,
    }
    return Strategy.model_validate(parameters | changes)


@dataclass(frozen=True)
class World:
    """A strategy, the venue's markets, and the books of a short day."""

    strategy: Strategy
    markets: list[Market]
    books: Books

    @property
    def scenario(self) -> Scenario:
        lengths = self.strategy.lengths
        cycles = find_cycles(
            self.markets, start=self.strategy.start, min_length=lengths[0], max_length=lengths[1]
        )
        return prepare(self.strategy, self.markets, cycles, DAY)

    @property
    def depth(self) -> int:
        return int(self.books.bid_px.shape[1])


def random_world(seed: int, *, updates: int = 400, depth: int | None = None) -> World:
    """Make a market whose prices wander apart and together again, and a strategy of any kind."""
    rng = np.random.default_rng(seed)
    names = list(VALUES)[: rng.integers(3, 6)]
    pairs = [f"{a}-{b}" for i, b in enumerate(names) for a in names[i + 1 :]]
    always = ("BTC-USDT", "ETH-USDT", "ETH-BTC")
    pairs = [pair for pair in pairs if rng.random() < 0.9 or pair in always]
    markets = [_random_market(pair, rng) for pair in sorted(pairs)]
    depth = int(rng.integers(1, 5)) if depth is None else depth
    world = World(_random_strategy(names, rng), markets, _no_books(0, depth))
    symbols = world.scenario.cycles.symbols
    return World(
        world.strategy,
        markets,
        _random_books([m for m in markets if m.symbol in symbols], updates, depth, rng),
    )


def _random_market(symbol: str, rng: np.random.Generator) -> Market:
    base, quote = symbol.split("-")
    price = VALUES[base] / VALUES[quote]
    step = 10.0 ** np.floor(np.log10(price) - rng.integers(3, 6))
    lot = 10.0 ** np.floor(np.log10(1.0 / VALUES[base]) - rng.integers(-1, 3))
    exact = rng.random() < 0.7
    return market(
        symbol,
        price_increment=Decimal(f"{step:.8g}"),
        base_increment=Decimal(f"{lot:.8g}") if exact else None,
        quote_increment=Decimal("0.00001") if exact and rng.random() < 0.5 else None,
        base_min_size=Decimal(f"{5 * lot:.8g}") if exact and rng.random() < 0.5 else None,
        base_max_size=Decimal(f"{2_000 / VALUES[base]:.8g}") if rng.random() < 0.2 else None,
        min_funds=Decimal(f"{rng.choice([1, 20]) / VALUES[quote]:.8g}") if exact else None,
        taker_fee_bps=float(rng.choice([0.0, 1.0, 10.0])),
        fee_side=FeeSide.QUOTE if rng.random() < 0.4 else FeeSide.RECEIVED,
    )


def _random_strategy(names: list[str], rng: np.random.Generator) -> Strategy:
    starts = ["USDT", "BTC"] if rng.random() < 0.4 else ["USDT"]
    delay = rng.choice([0.0, 1.0, 5.0, 30.0])
    leg: Any = float(delay)
    if rng.random() < 0.5:
        leg = {"distribution": "lognormal", "median_ms": float(delay + 0.5), "p99_ms": 80.0}
    return strategy(
        universe={"start": starts, "max_length": int(rng.choice([3, 4]))},
        min_profit_bps=float(rng.choice([0.0, 1.0, 10.0])),
        max_slippage_bps=float(rng.choice([0.0, 2.0, 10.0, 200.0])),
        capital_allocation={"mode": "fixed_fraction", "fraction": float(rng.choice([0.1, 1.0]))}
        if rng.random() < 0.5
        else {"mode": "fixed_amount", "amount": float(rng.choice([0.01, 100.0]))},
        balances={"USDT": 5_000.0, "BTC": 0.1},
        fee_bps=None if rng.random() < 0.5 else float(rng.choice([0.0, 1.0])),
        latency={"decision_ms": float(rng.choice([0.0, 1.0])), "leg_ms": leg},
        slots=int(rng.integers(1, 4)),
        isolation={
            "triangle": bool(rng.random() < 0.7),
            "symbol": bool(rng.random() < 0.4),
            "start_currency": bool(rng.random() < 0.2),
        },
        cool_down_ms=float(rng.choice([0.0, 20.0])),
        max_age_ms=float(rng.choice([50.0, 1_000.0])),
        unwind={
            "max_slippage_bps": float(rng.choice([0.0, 5.0, 100.0])),
            "max_orders": int(rng.choice([0, 1, 6])),
        },
        seed=int(rng.integers(0, 100)),
    )


def _no_books(n: int, depth: int) -> Books:
    return Books(
        np.zeros(n, np.int32), np.zeros(n, np.int64), *(np.zeros((n, depth)) for _ in range(4))
    )


def _random_books(markets: list[Market], n: int, depth: int, rng: np.random.Generator) -> Books:
    books = _no_books(n, depth)
    names = sorted({c for m in markets for c in (m.base, m.quote)})
    wander = dict.fromkeys(names, 0.0)
    apart = np.zeros(len(markets))
    ts = 1_735_689_600_000 * MS
    last: dict[int, tuple[np.ndarray, ...]] = {}
    for i in range(n):
        ts += int(rng.choice([0, 1, 5, 20, 70])) * MS
        for name in names:
            wander[name] += rng.normal(0, 2e-4)
        apart *= 0.8
        if rng.random() < 0.2:
            apart[rng.integers(len(markets))] += rng.normal(0, 40e-4)
        s = int(rng.integers(len(markets)))
        if s in last and rng.random() < 0.4:
            sides = last[s]  # nothing moved: what we took stays gone
        else:
            m = markets[s]
            fair = VALUES[m.base] / VALUES[m.quote]
            fair *= np.exp(wander[m.base] - wander[m.quote] + apart[s])
            sides = _random_levels(fair, m, depth, rng)
            last[s] = sides
        books.symbol[i], books.ts_recv[i] = s, ts
        for column, levels in zip(books[2:], sides, strict=True):
            column[i] = levels
    return books


def _random_levels(
    fair: float, m: Market, depth: int, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    tick = float(m.price_increment or 0)
    apart = np.maximum(tick, fair * 1e-4)
    steps = np.cumsum(rng.integers(1, 4, depth))
    bid_px = np.round((fair - steps * apart) / tick) * tick
    ask_px = np.round((fair + steps * apart) / tick) * tick
    for px in (bid_px, ask_px):
        px[1:][np.diff(px) == 0] = np.nan
        px[np.maximum.accumulate(np.isnan(px))] = np.nan
        if rng.random() < 0.1:
            px[rng.integers(depth) :] = np.nan
    unit = rng.choice([20.0, 500.0]) / VALUES[m.base]
    sizes = [
        np.where(np.isnan(px), 0.0, unit * rng.integers(1, 20, depth)) for px in (bid_px, ask_px)
    ]
    return bid_px, sizes[0], ask_px, sizes[1]


def store_world(lake: Lake, world: World, day: date) -> None:
    """Put the world's books on ``day``, with depth beside the tops."""
    books = world.books
    symbols = np.array(world.scenario.cycles.symbols)
    head = {
        "venue": "demo",
        "day": day,
        "row_no": np.arange(len(books.symbol)),
        "symbol": symbols[books.symbol],
        "ts_event": None,
        "ts_recv": books.ts_recv - day_start_ns(DAY) + day_start_ns(day),
        "update_id": None,
        "source": "test",
    }
    sides = dict(zip(("bid_px", "bid_sz", "ask_px", "ask_sz"), books[2:], strict=True))
    tops = {name: [_or_none(row[0]) for row in levels] for name, levels in sides.items()}
    known = {side: ~np.isnan(sides[f"{side}_px"]) for side in ("bid", "ask")}
    lists = {
        name: [row[has].tolist() for row, has in zip(levels, known[name[:3]], strict=True)]
        for name, levels in sides.items()
    }
    only_tops = {"source_row": np.arange(len(books.symbol))}
    lake.replace(
        {"venue": "demo", "day": day},
        {
            BOOK_TOPS: BOOK_TOPS.frame(head | only_tops | tops),
            BOOK_LEVELS: BOOK_LEVELS.frame(head | lists),
        },
    )


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
