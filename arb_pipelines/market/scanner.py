"""The scanner: after each update of a book, which cycle through it is worth most.

Holds the tops of all symbols of a universe. Stale, crossed, halted and
one-sided books never signal. How long an opportunity lives is told by
``opportunities``; how much of it can be taken, by ``sizing``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property, partial
from typing import Any, Protocol

import numpy as np
from numba import typeof
from numba.experimental import jitclass  # type: ignore[attr-defined]

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.market import scan_kernel
from arb_pipelines.market.cycles import CycleSet
from arb_pipelines.market.fees import FeeFactors
from arb_pipelines.market.scan_kernel import (
    FOREVER_NS,
    HALTED,
    NO_TIME,
    UNKNOWN,
    BookArrays,
    CycleArrays,
    Floats,
    Int32,
    Int64,
    UInt32,
)

Update = Callable[[int, int, float, float, float, float], tuple[int, float]]


class TopArrays(Protocol):
    """Tops of books in order of arrival, shape ``(n,)`` each; ``lake.books.Tops`` is one."""

    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def symbol(self) -> Int32: ...
    @property
    def ts_recv(self) -> Int64: ...
    @property
    def bid_px(self) -> Floats: ...
    @property
    def bid_sz(self) -> Floats: ...
    @property
    def ask_px(self) -> Floats: ...
    @property
    def ask_sz(self) -> Floats: ...


class Scanner:
    """Best bid and ask of every symbol of ``cycles``, and what its cycles are worth.

    A book older than ``max_age_ns`` at the time of an update is stale; ``None``
    sets no limit. A product is what one unit of the start currency becomes, net
    of ``fees``.

    Raises:
        ConfigError: the staleness limit is negative.
    """

    def __init__(self, cycles: CycleSet, fees: FeeFactors, *, max_age_ns: int | None) -> None:
        if max_age_ns is not None and max_age_ns < 0:
            raise ConfigError(f"a staleness limit of {max_age_ns} ns is negative")
        self.cycles = cycles
        self.max_age_ns = FOREVER_NS if max_age_ns is None else min(max_age_ns, FOREVER_NS)
        self._cycle_arrays = cycle_arrays(cycles, fees)
        self._books = no_books(len(cycles.symbols))

    @cached_property
    def update(self) -> Update:
        """Apply one update: ``(symbol, ts_ns, bid_px, bid_sz, ask_px, ask_sz)``.

        ``symbol`` indexes ``cycles.symbols`` and is not checked; an empty side
        is NaN. A time before the latest counts as the latest. Returns the best
        cycle through the symbol and its net product, ``(-1, 0.0)`` if none has
        all its books.

        The first use compiles for a second or two. What comes out is a
        ``partial`` of a compiled function over a jitclass instance, which
        enters numba as one pointer: handing over the arrays, or calling a
        method of the instance, takes longer than the work.
        """
        return partial(
            scan_kernel.update_through,
            _handle(self._cycle_arrays, self._books, self.max_age_ns),
        )

    def update_all(self, tops: TopArrays) -> tuple[Int32, Floats]:
        """Apply ``tops`` in order; give for each what ``update`` would."""
        best_cycle = np.empty(len(tops.ts_recv), np.int32)
        best_product = np.empty(len(tops.ts_recv), np.float64)
        scan_kernel.update_all(
            self._cycle_arrays,
            self._books,
            self.max_age_ns,
            *columns(self.cycles, tops),
            best_cycle,
            best_product,
        )
        return best_cycle, best_product

    def halt(self, symbol: int) -> None:
        """Keep ``symbol`` from signalling until ``resume``."""
        self._books.halted[symbol] = 1
        self._books.status[symbol] = HALTED
        self._books.rate[2 * symbol : 2 * symbol + 2] = 0.0

    def resume(self, symbol: int) -> None:
        """Let ``symbol`` signal again, from its next update on."""
        self._books.halted[symbol] = 0
        self._books.status[symbol] = UNKNOWN


def columns(
    cycles: CycleSet, tops: TopArrays
) -> tuple[UInt32, Int64, Floats, Floats, Floats, Floats]:
    """Give the columns of ``tops`` as the kernels take them.

    Raises:
        DataError: the tops are numbered by other symbols than the cycles.
    """
    if tops.symbols != cycles.symbols:
        raise DataError("the tops are of other symbols than the cycles; read cycles.symbols")
    return (
        tops.symbol.view(np.uint32),
        tops.ts_recv,
        tops.bid_px,
        tops.bid_sz,
        tops.ask_px,
        tops.ask_sz,
    )


def cycle_arrays(cycles: CycleSet, fees: FeeFactors) -> CycleArrays:
    """Lay out ``cycles`` for the kernels."""
    n = len(cycles.symbols)
    legs = np.where(cycles.leg_symbol < 0, 2 * n, 2 * cycles.leg_symbol + cycles.leg_side)
    keep = np.append(fees.keep.ravel(), 1.0)[legs].prod(axis=1)
    return CycleArrays(
        ptr=cycles.through_ptr.astype(np.int32),
        cycle=cycles.through.astype(np.uint32),
        legs=np.ascontiguousarray(legs[cycles.through], np.uint32),
        keep=keep[cycles.through],
        leg_input=fees.on_input.ravel(),
        leg_output=fees.on_output.ravel(),
    )


def no_books(n_symbols: int) -> BookArrays:
    """Books of which nothing is known yet."""
    rate = np.zeros(2 * n_symbols + 1)
    rate[-1] = 1.0
    return BookArrays(
        rate=rate,
        size=np.full(2 * n_symbols, np.nan),
        seen=np.full(n_symbols + 1, NO_TIME, np.int64),
        status=np.full(n_symbols, UNKNOWN, np.uint8),
        halted=np.zeros(n_symbols, np.uint8),
        older=np.arange(n_symbols + 1, dtype=np.uint32),
        newer=np.arange(n_symbols + 1, dtype=np.uint32),
    )


def _handle(cycles: CycleArrays, books: BookArrays, max_age_ns: int) -> Any:
    """Put what one update needs behind one pointer."""
    types = typeof((cycles, books, max_age_ns))  # type: ignore[no-untyped-call]
    return _handle_class(types)(cycles, books, max_age_ns)


@cache
def _handle_class(types: Any) -> Any:
    cycles_type, books_type, age_type = types
    fields = dict(zip(cycles_type.fields, cycles_type.types, strict=True))
    fields |= dict(zip(books_type.fields, books_type.types, strict=True))
    del fields["leg_input"], fields["leg_output"]

    @jitclass([*fields.items(), ("max_age_ns", age_type)])
    class Handle:
        def __init__(self, cycles: CycleArrays, books: BookArrays, max_age_ns: int) -> None:
            self.ptr = cycles.ptr
            self.cycle = cycles.cycle
            self.legs = cycles.legs
            self.keep = cycles.keep
            self.rate = books.rate
            self.size = books.size
            self.seen = books.seen
            self.status = books.status
            self.halted = books.halted
            self.older = books.older
            self.newer = books.newer
            self.max_age_ns = max_age_ns

    return Handle
