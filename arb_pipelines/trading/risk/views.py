"""Making the view that checks look at: the plan of a cycle, and the books it was planned by.

The plan is that of the order manager, which plans again with the same books a moment later:
nothing happens in between, so what is reviewed is what leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from arb_pipelines.clock import NS_PER_MS
from arb_pipelines.market.graph import BUY
from arb_pipelines.trading.book_shelf import BookShelf
from arb_pipelines.trading.cycles.universe import TradedCycles
from arb_pipelines.trading.gate import Refusal
from arb_pipelines.trading.ledger import value_before
from arb_pipelines.trading.planning import plan
from arb_pipelines.trading.risk.activity import Commitments, OrdersOfAMinute
from arb_pipelines.trading.risk.references import References
from arb_pipelines.trading.risk.view import LegView, RiskView

_BPS = 10_000.0


class CycleViews:
    """Views of one strategy's cycles; ``free`` gives what is free of a currency.

    ``references`` are there where a price band is set.
    """

    def __init__(
        self,
        strategy: str,
        traded: TradedCycles,
        shelf: BookShelf,
        commitments: Commitments,
        orders: OrdersOfAMinute,
        references: References | None,
        free: Callable[[str], float],
    ) -> None:
        self._strategy, self._traded, self._shelf = strategy, traded, shelf
        self._commitments, self._orders = commitments, orders
        self._references, self._free = references, free

    def view(self, cycle: int, budget: float, now_ns: int) -> RiskView | None:
        """Plan a cycle and show it; ``None`` where no plan is worth an order."""
        traded, shelf = self._traded, self._shelf
        symbols, sides = traded.leg_arrays(cycle)
        bests, limits, spent, received = np.zeros((4, len(symbols)))
        reason, _ = plan(
            traded.terms, traded.rules, shelf.px, shelf.left, symbols, sides, budget,
            bests, limits, spent, received,
        )  # fmt: skip
        if reason != Refusal.NONE:
            return None
        start = traded.cycles.currencies[traded.start(cycle)]
        legs: list[LegView] = []
        value, kept = 1.0, 1.0
        for k in range(len(symbols) - 1, -1, -1):
            symbol, side = traded.legs[cycle][k]
            best = float(bests[k])
            value = value_before(side, best, value)
            fees = traded.terms.on_input[symbol, side] * traded.terms.on_output[symbol, side]
            kept *= float(received[k] / spent[k] / fees) * (best if side == BUY else 1.0 / best)
            legs.append(self._leg(symbol, side, best, value, now_ns))
        there = self._commitments
        return RiskView(
            start=start,
            asked=float(spent[0]),
            slippage_bps=round((1.0 - kept) * _BPS, 6),  # finer is what floats make of nothing
            legs=tuple(legs[::-1]),
            open_cycles=there.open_cycles(self._strategy),
            in_flight=there.of_strategy(self._strategy, start),
            at_venue=there.at_venue(start),
            by_symbol=there.by_symbol(start),
            free=self._free(start),
            orders=self._orders.count(now_ns),
        )

    def _leg(self, symbol: int, side: int, best: float, value: float, now_ns: int) -> LegView:
        name, shelf = self._traded.cycles.symbols[symbol], self._shelf
        known = self._references
        return LegView(
            symbol=name,
            side=side,
            best_px=best,
            value=value,
            px=shelf.px[symbol, side],
            left=shelf.left[symbol, side],
            age_ms=(now_ns - int(shelf.updated[symbol])) / NS_PER_MS,
            reference_px=math.nan if known is None else known.reference(name, now_ns),
        )
