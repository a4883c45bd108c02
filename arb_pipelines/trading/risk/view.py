"""What a check looks at: one cycle that is asked for, and what is in flight beside it.

Amounts are in the cycle's start currency where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from arb_pipelines.trading.terms import Floats


@dataclass(frozen=True, slots=True)
class LegView:
    """One leg at the decision.

    ``best_px`` is the price it meets first; ``value`` is what one unit of the currency it gives
    is worth. ``px`` and ``left`` are the levels it would take, best first. ``age_ms`` is the
    time since its book was received, ``reference_px`` what the symbol has been worth, NaN if
    it is not known for long enough.
    """

    symbol: str
    side: int
    best_px: float
    value: float
    px: Floats = field(repr=False)
    left: Floats = field(repr=False)
    age_ms: float
    reference_px: float


@dataclass(frozen=True, slots=True)
class RiskView:
    """A cycle that is planned, and the state of the strategy and its venue without it.

    ``asked`` is what the plan commits, ``slippage_bps`` what its walk through the levels gives
    up against best prices. ``in_flight`` is what the strategy's ``open_cycles`` commit in this
    start currency; ``at_venue`` and ``by_symbol`` what those of all strategies do. ``free`` is
    neither set aside nor in flight. ``orders`` left in the last 60 s.
    """

    start: str
    asked: float
    slippage_bps: float
    legs: tuple[LegView, ...]
    open_cycles: int
    in_flight: float
    at_venue: float
    by_symbol: Mapping[str, float]
    free: float
    orders: int
