"""The cycle universe of a venue's day: built from its markets, kept in the lake.

How cycles are found is in ``market.cycles``; where markets come from, in
``lake.markets``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from arb_pipelines.errors import ConfigError, DataError
from arb_pipelines.lake.markets import load_markets
from arb_pipelines.lake.runs import recorded_run
from arb_pipelines.lake.schemas import CYCLE_LEGS, CYCLES, Table
from arb_pipelines.lake.store import Lake
from arb_pipelines.market.cycles import BUY, SELL, SIDES, CycleSet, find_cycles, index_cycles
from arb_pipelines.market.graph import Int32
from arb_pipelines.market.symbols import Market, Status

_CHUNK = 250_000


@dataclass(frozen=True, slots=True)
class UniverseReport:
    """What a universe is made of. Only trading symbols give edges; ``halted`` are the others.

    ``currencies`` counts those of the trading symbols, ``directed_cycles`` the
    directed cycles of currencies by length. ``routes`` counts the ways to trade
    them, which are more where two symbols join the same currencies; each route
    is a row of ``cycles``. ``unknown_start`` are start currencies that nothing
    trades.
    """

    symbols: int
    halted: int
    currencies: int
    directed_cycles: dict[int, int]
    routes: dict[int, int]
    start: tuple[str, ...] | None
    unknown_start: tuple[str, ...]


def survey_universe(
    markets: Sequence[Market],
    *,
    start: Sequence[str] | None,
    min_length: int = 3,
    max_length: int = 3,
    limit: int,
) -> tuple[CycleSet, UniverseReport]:
    """Find the cycles of ``markets`` and count what they are made of; nothing is stored.

    Raises:
        ConfigError: as ``find_cycles``, or no start currency is one of the list's.
    """
    trading = [market for market in markets if market.status is Status.TRADING]
    currencies = {currency for market in trading for currency in (market.base, market.quote)}
    unknown = tuple(name for name in start or () if name not in currencies)
    if start is not None and len(unknown) == len(start):
        raise ConfigError(f"no trading symbol has a start currency of {', '.join(start) or 'none'}")
    cycles = find_cycles(
        trading, start=start, min_length=min_length, max_length=max_length, limit=limit
    )
    _, one_route_each = np.unique(cycles.currency_cycles(), return_index=True)
    lengths = range(min_length, max_length + 1)
    by_length = np.bincount(cycles.length[one_route_each], minlength=max_length + 1)
    routes = np.bincount(cycles.length, minlength=max_length + 1)
    report = UniverseReport(
        symbols=len(trading),
        halted=len(markets) - len(trading),
        currencies=len(currencies),
        directed_cycles={n: int(by_length[n]) for n in lengths},
        routes={n: int(routes[n]) for n in lengths},
        start=None if start is None else tuple(start),
        unknown_start=unknown,
    )
    return cycles, report


def build_universe(
    lake: Lake,
    venue: str,
    day: date,
    *,
    start: Sequence[str] | None = None,
    min_length: int = 3,
    max_length: int = 3,
    run_id: str | None = None,
) -> UniverseReport:
    """Replace the universe of (``venue``, ``day``) by the cycles of the day's markets.

    One transaction writes ``cycles`` and ``cycle_legs``; the parameters and the
    snapshot the markets were read from go to ``runs``.

    Raises:
        DataError: no markets of the venue on the day or before.
        ConfigError: as ``survey_universe``.
    """
    params = {"start": start, "min_length": min_length, "max_length": max_length}
    with recorded_run(lake, "universe", f"{venue}|{day}", params, run_id=run_id) as run:
        markets = load_markets(lake, venue, day, snapshot=run.snapshot)
        if not markets:
            raise DataError(
                f"there are no markets of {venue} on {day} or before; store a symbol list with "
                f"`arb universe --venue {venue} --symbols FILE --day {day}`, or ingest books",
                source="markets",
            )
        cycles, report = survey_universe(
            markets,
            start=start,
            min_length=min_length,
            max_length=max_length,
            limit=lake.settings.max_cycles,
        )
        tables = {
            CYCLES: _reader(CYCLES, venue, day, _chunks(cycles, _cycle_rows)),
            CYCLE_LEGS: _reader(CYCLE_LEGS, venue, day, _chunks(cycles, _leg_rows)),
        }
        lake.replace({"venue": venue, "day": day}, tables)
    return report


def load_universe(lake: Lake, venue: str, day: date, *, snapshot: int | None = None) -> CycleSet:
    """Read the universe of (``venue``, ``day``), the same set that was built.

    Raises:
        DataError: the lake holds no cycles of that day.
    """
    day_of = [venue, day]
    with lake.reading(snapshot) as connection:
        ask = connection.execute
        symbols, currencies = (
            [str(name) for (name,) in ask(names, day_of).fetchall()]
            for names in (_SYMBOLS_SQL, _CURRENCIES_SQL)
        )
        connection.register("symbol_code", _codes(symbols))
        connection.register("currency_code", _codes(currencies))
        legs = ask(_LEGS_SQL, day_of).fetchnumpy()
        starts = ask(_STARTS_SQL, day_of).fetchnumpy()
    if not symbols:
        raise DataError(
            f"there are no cycles of {venue} on {day}; "
            f"run `arb universe --venue {venue} --day {day}`",
            source="cycle_legs",
        )
    # Rows come out of a parallel scan in any order; their numbers say where they belong.
    at = legs["cycle_no"], legs["leg_no"]
    length = np.bincount(at[0]).astype(np.int8)
    leg_symbol = np.full((len(length), int(length.max())), -1, np.int32)
    leg_side = np.full(leg_symbol.shape, -1, np.int8)
    start = np.empty(len(length), np.int32)
    leg_symbol[at] = legs["code"]
    leg_side[at] = np.where(legs["sells"], SELL, BUY)
    start[starts["cycle_no"]] = starts["code"]
    return index_cycles(tuple(symbols), tuple(currencies), leg_symbol, leg_side, length, start)


# Names become codes inside the database: millions of strings never reach Python.
_OF_DAY = "WHERE venue = ? AND day = ?"
_SYMBOLS_SQL = f"SELECT DISTINCT symbol FROM cycle_legs {_OF_DAY} ORDER BY 1"
_CURRENCIES_SQL = f"SELECT DISTINCT from_currency FROM cycle_legs {_OF_DAY} ORDER BY 1"
_LEGS_SQL = (
    f"SELECT cycle_no, leg_no, code, side = '{SIDES[SELL]}' AS sells "
    f"FROM cycle_legs JOIN symbol_code ON symbol = name {_OF_DAY}"
)
_STARTS_SQL = (
    f"SELECT cycle_no, code FROM cycles JOIN currency_code ON start_currency = name {_OF_DAY}"
)


def _codes(names: list[str]) -> pa.Table:
    return pa.table({"name": pa.array(names, pa.string()), "code": np.arange(len(names))})


def _chunks(
    cycles: CycleSet, rows: Callable[[CycleSet, _LegNames, slice], dict[str, pa.Array]]
) -> Iterator[dict[str, pa.Array]]:
    legs = _LegNames.of(cycles)
    for at in range(0, len(cycles), _CHUNK):
        yield rows(cycles, legs, slice(at, at + _CHUNK))


@dataclass(frozen=True, slots=True)
class _LegNames:
    """What a leg is called, by its code ``2 * symbol + side``."""

    label: pa.Array
    symbol: pa.Array
    source: pa.Array
    target: pa.Array

    @classmethod
    def of(cls, cycles: CycleSet) -> _LegNames:
        pairs = [symbol.split("-", 1) for symbol in cycles.symbols]
        return cls(
            label=pa.array([f"{symbol}:{side}" for symbol in cycles.symbols for side in SIDES]),
            symbol=pa.array([symbol for symbol in cycles.symbols for _ in SIDES]),
            source=pa.array([name for base, quote in pairs for name in (quote, base)]),
            target=pa.array([name for base, quote in pairs for name in (base, quote)]),
        )


def _cycle_rows(cycles: CycleSet, legs: _LegNames, part: slice) -> dict[str, pa.Array]:
    codes = _leg_codes(cycles, part)
    columns = [pa.array(column, mask=column < 0) for column in codes.T]
    start = pa.array(cycles.currencies, pa.string()).take(pa.array(cycles.start[part]))
    labels = [legs.label.take(column) for column in columns]
    stops = [legs.target.take(column) for column in columns]
    return {
        "cycle_no": pa.array(np.arange(len(cycles), dtype=np.int32)[part]),
        "cycle_key": pc.binary_join_element_wise(*labels, ">", null_handling="skip"),
        "length": pa.array(cycles.length[part], pa.int16()),
        "start_currency": start,
        "path": pc.binary_join_element_wise(start, *stops, ">", null_handling="skip"),
    }


def _leg_rows(cycles: CycleSet, legs: _LegNames, part: slice) -> dict[str, pa.Array]:
    codes = _leg_codes(cycles, part)
    cycle, leg = np.nonzero(codes >= 0)
    code = codes[cycle, leg]
    indices = pa.array(code)
    return {
        "cycle_no": pa.array((cycle + part.start).astype(np.int32)),
        "leg_no": pa.array(leg.astype(np.int16)),
        "symbol": legs.symbol.take(indices),
        "side": pa.array(SIDES).take(pa.array(code & 1)),
        "from_currency": legs.source.take(indices),
        "to_currency": legs.target.take(indices),
    }


def _leg_codes(cycles: CycleSet, part: slice) -> Int32:
    symbol = cycles.leg_symbol[part]
    return np.where(symbol < 0, np.int32(-1), 2 * symbol + cycles.leg_side[part])


def _reader(
    table: Table, venue: str, day: date, chunks: Iterator[dict[str, pa.Array]]
) -> pa.RecordBatchReader:
    schema = table.frame().to_arrow(compat_level=pl.CompatLevel.oldest()).schema

    def batches() -> Iterator[pa.RecordBatch]:
        for chunk in chunks:
            rows = len(chunk["cycle_no"])
            chunk |= {"venue": pa.repeat(venue, rows), "day": pa.repeat(day, rows)}
            yield pa.RecordBatch.from_pydict(
                {name: chunk[name].cast(schema.field(name).type) for name in table.names}, schema
            )

    return pa.RecordBatchReader.from_batches(schema, batches())
