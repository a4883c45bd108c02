"""Worlds for simulations of allocation, from bars in the lake and from the generator."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from arb_pipelines.allocation.hours import MarketHours, market_hours
from arb_pipelines.allocation.simulation.build import build_world, sessions_of
from arb_pipelines.allocation.simulation.forecasts import with_forecasts
from arb_pipelines.allocation.simulation.generated import generate_panel, hours_from
from arb_pipelines.allocation.simulation.market import SimulatedMarket
from arb_pipelines.allocation.simulation.opportunities import propose
from arb_pipelines.allocation.simulation.panel import HOUR_NS, Floats, Int64, Panel
from arb_pipelines.allocation.simulation.world import World
from arb_pipelines.clock import day_start_ns
from arb_pipelines.errors import DataError
from arb_pipelines.lake.bars import read_bars
from arb_pipelines.lake.store import Lake

_HOURS_A_DAY = 24
_PRICES = ("open", "high", "low", "close")


def open_world(
    lake: Lake,
    market: SimulatedMarket,
    first: date,
    last: date,
    calendar: str,
    *,
    snapshot: int | None = None,
) -> World:
    """Lay out the days ``first`` to ``last``, inclusive, of a market, with forecasts.

    Raises:
        ConfigError: there is no such calendar.
        DataError: a recorded symbol has no hourly bars on these days.
    """
    days = (last - first).days + 1
    ts_open = hours_from(day_start_ns(first), days * _HOURS_A_DAY)
    sessions = sessions_of(ts_open, _hours(calendar, first, last))
    panel = generate_panel(
        ts_open,
        sessions,
        stocks=market.stocks,
        coins=market.coins,
        seed=market.seed,
        reversion=market.reversion,
    )
    for symbol in market.recorded:
        bars = _recorded(lake, symbol, first, last, ts_open, snapshot)
        panel = _beside(panel, symbol, bars)
    return with_forecasts(
        build_world(panel, propose(panel, market.rule), market.terms, seed=market.seed)
    )


def _hours(calendar: str, first: date, last: date) -> MarketHours:
    """Give the calendar of whole years: few are asked for, and each takes a while to build."""
    return market_hours(calendar, date(first.year, 1, 1), date(last.year, 12, 31))


def _recorded(
    lake: Lake, name: str, first: date, last: date, ts_open: Int64, snapshot: int | None
) -> tuple[Floats, ...]:
    """Open, high, low and close by hour; NaN where the symbol has no bar."""
    venue, _, symbol = name.partition(":")
    frame = read_bars(lake, venue, [symbol], first, last, snapshot=snapshot)
    if frame.is_empty():
        raise DataError(
            f"{name} has no hourly bars from {first} to {last}; see `arb ingest --help` for "
            "--format ohlcv",
            source="bars",
        )
    hour = (frame["ts_open"].to_numpy() - ts_open[0]) // HOUR_NS
    columns = []
    for price in _PRICES:
        column = np.full(len(ts_open), np.nan)
        column[hour] = frame[price].to_numpy()
        columns.append(column)
    return tuple(columns)


def _beside(panel: Panel, name: str, bars: tuple[Floats, ...]) -> Panel:
    """Give the panel with one more symbol, of crypto."""
    open_, high, low, close = (
        np.column_stack([old, new]) for old, new in zip(panel.bars, bars, strict=True)
    )
    return replace(
        panel,
        symbols=(*panel.symbols, name),
        is_stock=np.append(panel.is_stock, False),
        open=open_,
        high=high,
        low=low,
        close=close,
    )
