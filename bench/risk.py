"""What a session's checks cost a signal that passes them all, beside the strategy's own gate.

The triangle of a small generated venue, twenty levels a side, with every check of ``risk:``
set and three cycles of other strategies in flight. A review is followed by the end of its
approval, which is not timed.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from arb_pipelines.clock import steady_ns
from arb_pipelines.containers.bus import EventBus
from arb_pipelines.execution.controls import Controls
from arb_pipelines.execution.risk.guarding import session_guard
from arb_pipelines.execution.session_risk import SessionRisk
from arb_pipelines.execution.universe import SessionUniverse, session_universe
from arb_pipelines.research.exchange_books import generated_books
from arb_pipelines.trading.cycles.risk import CycleRisk
from arb_pipelines.trading.cycles.strategy import CycleStrategy
from arb_pipelines.trading.events import Approved, Book, CycleSignal, Ended
from arb_pipelines.trading.parameters import FixedAmount, Strategy, Universe
from arb_pipelines.trading.portfolio import Portfolio
from arb_pipelines.trading.risk.activity import Commitment, Commitments
from arb_pipelines.trading.risk.parameters import RiskRules

REVIEWS, LEVELS, MOST_US = 20_000, 20, 100.0
_EVERYTHING: dict[str, Any] = {
    "max_open_cycles": 10,
    "max_cycle": {"USDT": 1_000},
    "max_in_flight": {"USDT": 5_000},
    "exposure": {"USDT": {"venue": 10_000, "each_symbol": 10_000}},
    "keep_free": {"USDT": 100},
    "max_slippage_bps": 100,
    "min_liquidity": {"within_bps": 50, "value": {"USDT": 1}},
    "max_book_age_ms": 600_000,
    "price_band": {"bps": 500, "warm_up_s": 0},
    "max_orders_per_minute": 100_000,
}


def run() -> list[dict[str, object]]:
    """Measure a review without and with the checks, and one by its parts."""
    without, with_all = _reviews_us({}), _reviews_us(_EVERYTHING)
    rows = []
    for name, took, bar in (
        ("a review by the strategy's gate alone", without, None),
        ("a review with every check of risk set", with_all, MOST_US),
    ):
        rows += [_row(f"{name}: {which}", float(np.percentile(took, share)), bar)
                 for which, share in (("median", 50), ("p99", 99))]  # fmt: skip
    return rows


def _reviews_us(rules: dict[str, Any]) -> list[float]:
    """Review the same signal over and over; give how long each took."""
    universe = _universe(RiskRules.model_validate(rules))
    bus, portfolio = EventBus(), Portfolio(universe.strategy.in_hand)
    there = Commitments()
    for _ in range(3):
        there.enter(Commitment("other", "USDT", universe.symbols, 100.0))
    guard = session_guard(universe, portfolio, there, bus, None)
    risk = SessionRisk(
        CycleRisk(universe.traded, universe.seen, portfolio), Controls(), None, guard
    )
    signal = _show(universe, bus.publish)
    took = []
    for _ in range(REVIEWS):
        began = time.perf_counter_ns()
        verdict = risk.review(signal)
        took.append((time.perf_counter_ns() - began) / 1e3)
        assert isinstance(verdict, Approved), verdict
        risk.on_ended(Ended(verdict, signal.ts, declined="bench"))
    return took


def _show(universe: SessionUniverse, publish: Callable[[Book], object]) -> CycleSignal:
    """Show books whose triangle earns 5 %; give its signal."""
    strategy = CycleStrategy("bench", universe.traded, universe.seen)
    found: list[CycleSignal] = []
    near = np.arange(LEVELS) * 1e-4
    for symbol, (bid, ask, size) in {
        "BTC-USDT": (49_990.0, 50_000.0, 0.1),
        "ETH-BTC": (0.0499, 0.05, 2.0),
        "ETH-USDT": (2_630.0, 2_631.0, 2.0),
    }.items():
        sizes = np.full(LEVELS, size)
        book = Book(symbol, steady_ns(), bid * (1 - near), sizes, ask * (1 + near), sizes)
        publish(book)
        found += strategy.on_market(book)
    return found[-1]


def _universe(rules: RiskRules) -> SessionUniverse:
    strategy = Strategy(
        name="bench",
        exchange="kucoin",
        universe=Universe(start=("USDT",)),
        min_profit_bps=1.0,
        capital_allocation=FixedAmount(mode="fixed_amount", amount=500.0),
        balances={"USDT": 10_000.0},
        max_age_ms=600_000.0,
        max_slippage_bps=100.0,
        risk=rules,
    )
    markets = [replace(market, taker_fee_bps=10.0) for market in generated_books(3, 7).markets]
    fees = dict.fromkeys((market.symbol for market in markets), Decimal("0.001"))
    return session_universe(strategy, markets, fees, date(2026, 1, 5), max_cycles=10)


def _row(name: str, us: float, bar: float | None) -> dict[str, object]:
    return {
        "name": name,
        "ours": us,
        "peer": None,
        "ratio": None,
        "unit": "us",
        "bar": f"at most {bar:,.0f}" if bar else None,
        "holds": us <= bar if bar else None,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
