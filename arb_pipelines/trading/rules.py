"""A strategy's parameters as plain numbers, in the units the decisions use."""

from __future__ import annotations

from typing import NamedTuple

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.trading.parameters import FixedAmount, FixedFraction, Kelly, Strategy

_BPS = 10_000.0


class Rules(NamedTuple):
    """Fractions instead of basis points, nanoseconds instead of milliseconds.

    ``fraction`` is the share of the free balance a cycle may use and ``amount``
    the most it may use; the one that the strategy does not set does not bind.
    ``kelly_*`` take the place of ``fraction`` once ``kelly_least`` cycles have
    ended; a window of 0 cycles has them never do.
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
    kelly_fraction: float = 0.0
    kelly_cap: float = 0.0
    kelly_window: int = 0
    kelly_least: int = 0


def rules_of(strategy: Strategy) -> Rules:
    """Translate a strategy's parameters."""
    share = strategy.capital_allocation
    kelly = share if isinstance(share, Kelly) else None
    return Rules(
        min_profit=strategy.min_profit_bps / _BPS,
        max_slippage=strategy.max_slippage_bps / _BPS,
        fraction=_fraction(share),
        amount=share.amount if isinstance(share, FixedAmount) else float("inf"),
        slots=strategy.slots,
        apart_triangle=strategy.isolation.triangle,
        apart_symbol=strategy.isolation.symbol,
        apart_start=strategy.isolation.start_currency,
        cool_down_ns=round(strategy.cool_down_ms * NS_PER_MS),
        max_age_ns=round(strategy.max_age_ms * NS_PER_MS),
        unwind_slippage=strategy.unwind.max_slippage_bps / _BPS,
        unwind_orders=strategy.unwind.max_orders,
        kelly_fraction=kelly.kelly_fraction if kelly else 0.0,
        kelly_cap=kelly.cap if kelly else 0.0,
        kelly_window=kelly.window if kelly else 0,
        kelly_least=kelly.min_cycles if kelly else 0,
    )


def _fraction(share: FixedFraction | FixedAmount | Kelly) -> float:
    match share:
        case FixedFraction():
            return share.fraction
        case Kelly():
            return share.fallback
        case FixedAmount():
            return 1.0
