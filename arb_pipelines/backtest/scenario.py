"""All that a day's replay needs besides the books, prepared once for both engines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from arb_pipelines.backtest.latency import draw_latencies
from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.market.fees import FeeFactors
from arb_pipelines.market.scanner import cycle_arrays
from arb_pipelines.market.symbols import Market
from arb_pipelines.trading.gate import symbol_sets
from arb_pipelines.trading.parameters import Strategy
from arb_pipelines.trading.rules import Rules, rules_of
from arb_pipelines.trading.terms import Terms, terms_of
from arb_pipelines.trading.unwind import Routes, routes_of

Floats = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
UInt32 = npt.NDArray[np.uint32]
Int8 = npt.NDArray[np.int8]


class Setting(NamedTuple):
    """What does not change during a replay, as arrays over symbols, cycles and currencies.

    ``ptr``, ``entry_cycle``, ``entry_legs`` and ``keep`` list the cycles through
    each symbol as the scanner does; ``leg_symbol`` to ``start`` are those of the
    ``CycleSet``; ``symbol_set`` numbers the sets of symbols. ``base`` and
    ``quote`` are currencies by symbol.
    """

    terms: Terms
    rules: Rules
    routes: Routes
    ptr: Int32
    entry_cycle: UInt32
    entry_legs: UInt32
    keep: Floats
    leg_symbol: Int32
    leg_side: Int8
    length: Int8
    start: Int32
    symbol_set: Int32
    base: Int32
    quote: Int32
    decision_ns: Int64
    leg_ns: Int64


@dataclass(frozen=True, slots=True)
class Scenario:
    """A setting, the balances a day begins with (by currency), and the names of things."""

    cycles: CycleSet
    setting: Setting
    balances: Floats


class Books(NamedTuple):
    """Book states in order of arrival.

    ``symbol`` indexes the scenario's symbols; level arrays have shape ``(n,
    depth)``, best first, and end with the first price that is not above zero.
    """

    symbol: Int32
    ts_recv: Int64
    bid_px: Floats
    bid_sz: Floats
    ask_px: Floats
    ask_sz: Floats


def peek_depth(parts: Iterable[Books]) -> tuple[int, Iterator[Books]]:
    """Levels a side of the first part, and all parts again; one level for a day without any."""
    rest = iter(parts)
    first = next(rest, None)
    if first is None:
        return 1, rest
    return int(first.bid_px.shape[1]), chain([first], rest)


def prepare(strategy: Strategy, markets: Sequence[Market], cycles: CycleSet, day: date) -> Scenario:
    """Put together the scenario of one strategy on one day.

    Raises:
        ConfigError: a market lists no fee and the strategy sets none.
    """
    by_symbol = {market.symbol: market for market in markets}
    number = {currency: i for i, currency in enumerate(cycles.currencies)}
    terms = terms_of(markets, cycles.symbols, strategy.fee_bps)
    through = cycle_arrays(cycles, FeeFactors(terms.on_input, terms.on_output))
    decision_ns, leg_ns = draw_latencies(strategy.latency, strategy.seed, day)
    setting = Setting(
        terms=terms,
        rules=rules_of(strategy),
        routes=routes_of(cycles, strategy.unwind.max_hops),
        ptr=through.ptr,
        entry_cycle=through.cycle,
        entry_legs=through.legs,
        keep=through.keep,
        leg_symbol=cycles.leg_symbol,
        leg_side=cycles.leg_side,
        length=cycles.length,
        start=cycles.start,
        symbol_set=symbol_sets(cycles),
        base=np.array([number[by_symbol[s].base] for s in cycles.symbols], np.int32),
        quote=np.array([number[by_symbol[s].quote] for s in cycles.symbols], np.int32),
        decision_ns=decision_ns,
        leg_ns=leg_ns,
    )
    balances = [strategy.in_hand.get(currency, 0.0) for currency in cycles.currencies]
    return Scenario(cycles, setting, np.array(balances, np.float64))
