"""A strategy's parameters as plain numbers, in the units the decisions use."""

from __future__ import annotations

from typing import NamedTuple

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.trading.parameters import FixedFraction, Strategy

_BPS = 10_000.0


class Rules(NamedTuple):
    """Fractions instead of basis points, nanoseconds instead of milliseconds.

    ``fraction`` is the share of the free balance a cycle may use and ``amount``
    the most it may use; the one that the strategy does not set does not bind.
    """

    min_profit: float
    max_slippage: float
    fraction: float
    amount: float
    slots: int
    apart_triangle: bool
    apart_symbol: bool
    apart_start: bool
    cool_down_ns: int
    max_age_ns: int
    unwind_slippage: float
    unwind_orders: int


def rules_of(strategy: Strategy) -> Rules:
    """Translate a strategy's parameters."""
    share = strategy.capital_allocation
    return Rules(
        min_profit=strategy.min_profit_bps / _BPS,
        max_slippage=strategy.max_slippage_bps / _BPS,
        fraction=share.fraction if isinstance(share, FixedFraction) else 1.0,
        amount=float("inf") if isinstance(share, FixedFraction) else share.amount,
        slots=strategy.slots,
        apart_triangle=strategy.isolation.triangle,
        apart_symbol=strategy.isolation.symbol,
        apart_start=strategy.isolation.start_currency,
        cool_down_ns=round(strategy.cool_down_ms * NS_PER_MS),
        max_age_ns=round(strategy.max_age_ms * NS_PER_MS),
        unwind_slippage=strategy.unwind.max_slippage_bps / _BPS,
        unwind_orders=strategy.unwind.max_orders,
    )
