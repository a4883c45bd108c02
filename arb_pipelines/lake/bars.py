"""Reading OHLC bars out of the lake."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

import polars as pl

from arb_pipelines.clock import day_start_ns
from arb_pipelines.errors import ConfigError
from arb_pipelines.lake.store import Lake

_COLUMNS = "symbol, ts_open, open, high, low, close, volume"
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def read_bars(
    lake: Lake,
    venue: str,
    symbols: Sequence[str],
    first_day: date,
    last_day: date,
    *,
    interval_s: int = 3600,
    snapshot: int | None = None,
) -> pl.DataFrame:
    """Read the bars of ``symbols`` that open from ``first_day`` to ``last_day``, both included.

    Columns ``symbol, ts_open, open, high, low, close, volume``, in order of
    ``ts_open``, then ``symbol``: ns since the epoch, quote per base, base. A bar is
    known at ``ts_open + interval_s``. Symbols without bars are no error.

    Raises:
        DataError: ``snapshot`` has expired.
    """
    return lake.query(
        f"SELECT {_COLUMNS} FROM bars WHERE venue = ? AND interval_s = ? "
        "AND list_contains(?, symbol) AND ts_open >= ? AND day <= ? ORDER BY ts_open, symbol",
        [venue, interval_s, list(symbols), day_start_ns(first_day), last_day],
        snapshot=snapshot,
    )


def interval_seconds(text: str) -> int:
    """Read the length of a bar: ``30s``, ``5m``, ``1h``, ``1d``.

    Raises:
        ConfigError: the text is none of these.
    """
    found = re.fullmatch(r"([1-9]\d{0,5})([smhd])", text)
    if found is None:
        raise ConfigError(f"{text!r} is not the length of a bar; write 30s, 5m, 1h or 1d")
    return int(found[1]) * _SECONDS[found[2]]
