"""The ledger: where every basis point between the expected and the realised profit went.

At the decision, the best prices of a cycle's legs give each currency on its path
a *value* in start currency: one unit of the start currency at the end is worth
one, and one unit before a leg is worth what that leg's best price makes of it. A
leg is expected to keep the value of what it is given, and the difference is

- *slippage*: the same size walked through the levels seen at the decision,
- *latency*: the levels met at arrival instead of those seen at the decision,
- *fee*: what the venue took.

Each part is the difference of two neighbouring amounts in the chain expected →
decision levels → arrival levels → after fee. Neighbours within a factor of two
subtract without rounding in float64 (Sterbenz), so the parts add up to the whole
exactly, and a part that did not happen is exactly zero.

A trade adds up its cycle's legs; what a leg left unspent is *residual*, and what
bringing a residual back costs is *unwind*:

    expected profit − profit = fee + slippage + latency + residual + unwind

summed in this order, to within a few units of the last place of the input.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import njit

from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.orders import Fill, value_at
from arb_pipelines.trading.terms import Floats


class Parts(NamedTuple):
    """A leg's value before and after, and what became of the difference, in start currency."""

    expected: float
    filled: float
    fee: float
    slippage: float
    latency: float


@njit(cache=True)
def value_before(side: int, best: float, value_after: float) -> float:
    """Value of one unit given to a leg, from the value of one unit it receives."""
    return value_after / best if side == BUY else value_after * best


@njit(cache=True)
def leg_parts(
    side: int,
    best: float,
    value_after: float,
    seen_px: Floats,
    seen_left: Floats,
    done: Fill,
) -> Parts:
    """Split one fill.

    ``seen_px`` and ``seen_left`` are the levels at the decision, ``best`` their
    best price, ``value_after`` the value of one unit of the currency received.
    """
    if done.size <= 0.0:
        return Parts(0.0, 0.0, 0.0, 0.0, 0.0)
    worth_quote = value_after / best if side == BUY else value_after
    at_best = done.size * best * worth_quote
    at_seen = value_at(seen_px, seen_left, done.size) * worth_quote
    at_met = done.funds * worth_quote
    if side == BUY:
        expected = done.spent * worth_quote
        filled = done.received * best * worth_quote
        # the fee is taken on one side only, so that one of the differences is zero
        fee = (expected - at_met) + (at_best - filled)
        return Parts(expected, filled, fee, at_seen - at_best, at_met - at_seen)
    filled = done.received * worth_quote
    return Parts(at_best, filled, at_met - filled, at_best - at_seen, at_seen - at_met)
