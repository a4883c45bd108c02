"""Cycles of a venue: which there are, and how one is named.

A cycle is a closed directed walk that meets no currency twice. The set of them
is held in arrays; what a cycle is worth is the scanner's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numba import njit

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.market.cycle_walk import (
    MAX_LENGTH,
    Int8,
    arrange,
    count_cycles,
    list_cycles,
)
from arb_pipelines.market.graph import BUY, SELL, Graph, Int32, build_graph
from arb_pipelines.market.inference import KNOWN_QUOTES
from arb_pipelines.market.symbols import Market, Status

__all__ = ["BUY", "SELL", "SIDES", "CycleSet", "find_cycles", "index_cycles", "walk_cycles"]

MIN_LENGTH = 3
MAX_CYCLES = 10_000_000
SIDES = ("buy", "sell")


@dataclass(frozen=True, slots=True)
class CycleSet:
    """Directed cycles, shorter ones first, over the symbols that lie on one of them.

    ``symbols`` and ``currencies`` are sorted; their indices are used everywhere.
    ``leg_symbol`` and ``leg_side`` have shape ``(n, max_length)``: a leg buys
    (``BUY``, quote to base at the ask) or sells (``SELL``, base to quote at the
    bid); beyond a cycle's last leg both are -1. ``length`` and ``start`` (a
    currency) have shape ``(n,)``. The cycles through symbol ``s``, rising, are
    ``through[through_ptr[s]:through_ptr[s + 1]]``.
    """

    symbols: tuple[str, ...]
    currencies: tuple[str, ...]
    leg_symbol: Int32
    leg_side: Int8
    length: Int8
    start: Int32
    through_ptr: Int32
    through: Int32

    def __len__(self) -> int:
        return len(self.length)

    def key(self, i: int) -> str:
        """Legs of cycle ``i``: ``BTC-USDT:buy>ETH-BTC:buy>ETH-USDT:sell``."""
        return ">".join(f"{symbol}:{SIDES[side]}" for symbol, side in self._legs(i))

    def path(self, i: int) -> str:
        """Currencies of cycle ``i``: ``USDT>BTC>ETH>USDT``."""
        path = [self.currencies[self.start[i]]]
        for symbol, side in self._legs(i):
            base, _, quote = symbol.partition("-")
            path.append(base if side == BUY else quote)
        return ">".join(path)

    def currency_cycles(self) -> npt.NDArray[np.int64]:
        """Number each cycle by its way through the currencies; shape ``(n,)``, from 0.

        Cycles that differ only in which of two symbols joins the same currencies
        (USDC-USDT or USDT-USDC) get the same number: they are routes of one
        directed cycle of currencies.
        """
        number = {currency: i + 1 for i, currency in enumerate(self.currencies)}
        pairs = [symbol.split("-", 1) for symbol in self.symbols]
        base = np.array([number[base] for base, _ in pairs] + [0], np.int64)
        quote = np.array([number[quote] for _, quote in pairs] + [0], np.int64)
        # The way read as digits in base n + 1: exact for 6,000 currencies at 5 legs.
        codes = np.zeros(len(self), np.int64)
        for symbol, side in zip(self.leg_symbol.T, self.leg_side.T, strict=True):
            codes = codes * (len(number) + 1) + np.where(side == BUY, base[symbol], quote[symbol])
        return np.unique(codes, return_inverse=True)[1]

    def _legs(self, i: int) -> list[tuple[str, int]]:
        legs = range(self.length[i])
        return [(self.symbols[self.leg_symbol[i, k]], int(self.leg_side[i, k])) for k in legs]


def find_cycles(
    markets: Sequence[Market],
    *,
    start: Sequence[str] | None,
    min_length: int = 3,
    max_length: int = 3,
    limit: int = MAX_CYCLES,
) -> CycleSet:
    """Find every directed cycle of ``min_length`` to ``max_length`` legs, each once.

    With ``start`` only cycles through one of those currencies count, and each
    begins at the first of the list that it contains. With ``None`` all count,
    and each begins at the first of ``KNOWN_QUOTES`` that it contains, else at
    the first by name: that depends on the cycle alone, so it keeps its key when
    the list changes. Two symbols between the same currencies make two cycles,
    which are routes of one directed cycle of currencies.
    Halted symbols make none. The result does not depend on the order of
    ``markets``.

    Raises:
        ConfigError: lengths outside 3 to 5, or more than ``limit`` cycles,
            which is found out before they are listed.
        DataError: a symbol stands twice among the trading ones.
    """
    trading = sorted(
        (market for market in markets if market.status is Status.TRADING),
        key=lambda market: market.symbol,
    )
    symbols = tuple(market.symbol for market in trading)
    if len(set(symbols)) < len(symbols):
        twice = next(one for one, two in pairwise(symbols) if one == two)
        raise DataError(f"symbol {twice} stands twice in the list")
    graph = build_graph([(market.base, market.quote) for market in trading])
    legs = walk_cycles(
        graph, start=start, min_length=min_length, max_length=max_length, limit=limit
    )
    return index_cycles(symbols, tuple(graph.number), *legs)


def walk_cycles(
    graph: Graph,
    *,
    start: Sequence[str] | None,
    min_length: int = 3,
    max_length: int = 3,
    limit: int = MAX_CYCLES,
) -> tuple[Int32, Int8, Int8, Int32]:
    """List the cycles of ``graph``: ``leg_symbol, leg_side, length, start`` as in ``CycleSet``.

    Raises:
        ConfigError: as ``find_cycles``.
    """
    if not MIN_LENGTH <= min_length <= max_length <= MAX_LENGTH:
        raise ConfigError(
            f"cycle lengths {min_length} to {max_length} are not in {MIN_LENGTH} to {MAX_LENGTH}"
        )
    order, n_roots = _starting_order(graph, start)
    edges = arrange(graph.ptr, graph.to, graph.leg, order)
    counts = count_cycles(*edges, n_roots, min_length, max_length, limit)
    if counts.sum() > limit:
        raise ConfigError(
            f"there are more than {limit:,} cycles of {min_length} to {max_length} legs; "
            "choose start currencies or fewer legs, or raise ARB_MAX_CYCLES"
        )
    return list_cycles(*edges, n_roots, min_length, max_length, counts, graph.ends)


def _starting_order(graph: Graph, start: Sequence[str] | None) -> tuple[Int32, int]:
    """All currencies, in the order in which cycles start at them; how many of them may."""
    number = graph.number
    wanted = dict.fromkeys(KNOWN_QUOTES if start is None else start)
    first = [number[name] for name in wanted if name in number]
    listed = np.zeros(len(number), np.bool_)
    listed[first] = True
    rest = np.flatnonzero(~listed)
    if start is None and not (listed[graph.ends[0::2]] | listed[graph.ends[1::2]]).all():
        # Some symbol joins two of the rest, so a cycle may start there.
        rest = np.array(sorted(rest, key=list(number).__getitem__))
        return np.append(first, rest).astype(np.int32), len(number)
    return np.append(first, rest).astype(np.int32), len(first)


def index_cycles(
    symbols: tuple[str, ...],
    currencies: tuple[str, ...],
    leg_symbol: Int32,
    leg_side: Int8,
    length: Int8,
    start: Int32,
) -> CycleSet:
    """Make a set of listed cycles: leave out the symbols on none, index the rest.

    ``leg_symbol`` numbers ``symbols``, which are sorted; ``start`` numbers
    ``currencies``, in any order.
    """
    ptr, through = _through(leg_symbol, length, len(symbols))
    used = np.diff(ptr) > 0
    if not used.all():
        renumbered = np.full(len(symbols) + 1, -1, np.int32)  # the last takes the -1 of no leg
        renumbered[:-1][used] = np.arange(used.sum())
        leg_symbol = renumbered[leg_symbol]
        ptr = np.append(ptr[:-1][used], ptr[-1])
        symbols = tuple(np.asarray(symbols, object)[used])
    met = sorted({currency for symbol in symbols for currency in symbol.split("-", 1)})
    sorted_number = {currency: i for i, currency in enumerate(met)}
    start = np.array([sorted_number.get(name, -1) for name in currencies], np.int32)[start]
    return CycleSet(symbols, tuple(met), leg_symbol, leg_side, length, start, ptr, through)


@njit(cache=True)
def _through(leg_symbol: Int32, length: Int8, n_symbols: int) -> tuple[Int32, Int32]:
    """CSR index from a symbol to the cycles through it, rising."""
    ptr = np.zeros(n_symbols + 1, np.int32)
    n = length.shape[0]
    for i in range(n):
        for k in range(length[i]):
            ptr[leg_symbol[i, k] + 1] += 1
    for s in range(n_symbols):
        ptr[s + 1] += ptr[s]
    free = ptr[:-1].copy()
    through = np.empty(ptr[n_symbols], np.int32)
    for i in range(n):
        for k in range(length[i]):
            s = leg_symbol[i, k]
            through[free[s]] = i
            free[s] += 1
    return ptr, through
