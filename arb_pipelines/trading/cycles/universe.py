"""What there is to trade, and on which terms: the cycles as the components ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.market.fees import FeeFactors
from arb_pipelines.market.graph import BUY
from arb_pipelines.market.scan_kernel import CycleArrays
from arb_pipelines.market.scanner import cycle_arrays
from arb_pipelines.trading.rules import Rules
from arb_pipelines.trading.terms import Floats, Terms
from arb_pipelines.trading.unwind import Routes

Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class TradedCycles:
    """A universe of cycles with terms, rules and ways back, shared and never changed.

    ``legs`` are (symbol, side) by cycle, ``keep`` what fees leave of a cycle's
    gross rate, ``through`` the cycles through each symbol, ``number`` the symbols
    by name; ``symbol_set`` is that of ``gate.symbol_sets``. ``scanned`` lays the cycles
    through each symbol out for a kernel.
    """

    cycles: CycleSet
    terms: Terms
    rules: Rules
    routes: Routes
    symbol_set: Int32
    legs: tuple[tuple[tuple[int, int], ...], ...]
    keep: tuple[float, ...]
    through: tuple[tuple[int, ...], ...]
    number: Mapping[str, int]
    pairs: tuple[tuple[int, int], ...]
    scanned: CycleArrays

    def leg_arrays(self, cycle: int) -> tuple[Int32, Int8]:
        """Give the symbols and the sides of a cycle's legs."""
        n = int(self.cycles.length[cycle])
        return self.cycles.leg_symbol[cycle, :n], self.cycles.leg_side[cycle, :n]

    def start(self, cycle: int) -> int:
        """Give the currency a cycle begins with."""
        return int(self.cycles.start[cycle])

    def currencies(self, symbol: int, side: int) -> tuple[int, int]:
        """Give the currency that a leg gives and the one it gets."""
        base, quote = self.pairs[symbol]
        return (quote, base) if side == BUY else (base, quote)


def traded_cycles(
    cycles: CycleSet, terms: Terms, rules: Rules, routes: Routes, symbol_set: Int32, keep: Floats
) -> TradedCycles:
    """Lay a universe out; ``keep`` is by cycle."""
    currency = {name: i for i, name in enumerate(cycles.currencies)}
    names = (symbol.partition("-") for symbol in cycles.symbols)
    return TradedCycles(
        cycles,
        terms,
        rules,
        routes,
        symbol_set,
        legs=tuple(
            tuple(zip(symbols[:n].tolist(), sides[:n].tolist(), strict=True))
            for symbols, sides, n in zip(
                cycles.leg_symbol, cycles.leg_side, cycles.length, strict=True
            )
        ),
        keep=tuple(keep.tolist()),
        through=tuple(
            tuple(cycles.through[first:last].tolist())
            for first, last in zip(cycles.through_ptr, cycles.through_ptr[1:], strict=False)
        ),
        number={symbol: i for i, symbol in enumerate(cycles.symbols)},
        pairs=tuple((currency[base], currency[quote]) for base, _, quote in names),
        scanned=cycle_arrays(cycles, FeeFactors(terms.on_input, terms.on_output)),
    )
