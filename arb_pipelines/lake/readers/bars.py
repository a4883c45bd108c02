"""OHLC bars in Parquet and CSV, as the columns ``BAR_ROWS`` of a frame.

Columns: ``time`` (or ``ts_open``, ``timestamp``, ``date``), the begin of the bar;
``open, high, low, close``; ``volume`` (or ``volume_base``), in base; ``symbol``;
and optionally ``exchange`` (or ``venue``) where a file mixes several. Names are
read without regard to case, other columns are ignored.

A time is a timestamp, an ISO text, or an integer since the epoch whose unit (s,
ms, us, ns) its size tells. A time without a zone is taken in ``timezone``, by
default UTC. What cannot be read as a time or a number is null here; judging rows
belongs in ``lake.bar_rules``.
"""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from arb_pipelines.clock import NS_PER_MS, NS_PER_S, NS_PER_US
from arb_pipelines.errors import ConfigError, DataError

#: Names of bar files in the lake begin with it, so that no recording of books has the same.
BAR_SOURCES = "ohlcv/"
PRICES = ("open", "high", "low", "close")

#: One row of the source a row. ``row`` is 0-based, ``symbol`` as the source names it.
BAR_ROWS = {
    "row": pl.Int64(),
    "exchange": pl.String(),
    "symbol": pl.String(),
    "ts_open": pl.Int64(),
    **dict.fromkeys((*PRICES, "volume"), pl.Float64()),
}
_ALIASES = {
    "ts_open": ("ts_open", "time", "timestamp", "date"),
    **{name: (name,) for name in (*PRICES, "symbol")},
    "volume": ("volume", "volume_base"),
    "exchange": ("exchange", "venue"),
}
_OPTIONAL = ("exchange",)
_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
#: Integers below a bound are in that unit; the bounds are the year 5138 in s, ms and us.
_UNITS = ((10**11, NS_PER_S), (10**14, NS_PER_MS), (10**17, NS_PER_US))


def read_bar_file(path: Path, *, timezone: str = "UTC") -> pl.DataFrame:
    """Read all rows of one file as ``BAR_ROWS``, in its order.

    ``exchange`` is null where the file has no such column.

    Raises:
        DataError: the file cannot be read, is empty, or lacks a column.
        ConfigError: ``timezone`` is none.
    """
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigError(f"{timezone!r} is not a time zone; write Area/City or UTC") from None
    raw = _read(path)
    if raw.is_empty():
        raise DataError("the file holds no rows", source=str(path))
    found = _columns(raw, path)
    columns = {
        "exchange": _text(raw, found.get("exchange")),
        "symbol": _text(raw, found["symbol"]),
        "ts_open": _ns(raw[found["ts_open"]], timezone, path),
        **{name: raw[found[name]].cast(pl.Float64, strict=False) for name in (*PRICES, "volume")},
    }
    rows = pl.int_range(raw.height, dtype=pl.Int64, eager=True)
    return pl.DataFrame({"row": rows, **columns}, schema=BAR_ROWS)


def _read(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        # All as text: a bad cell refuses its row and not the file.
        return pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise DataError(f"not a whole Parquet or CSV file: {reason}", source=str(path)) from None


def _columns(raw: pl.DataFrame, path: Path) -> dict[str, str]:
    """Name in the file of each column; optional ones may be absent."""
    by_name = {name.strip().lower(): name for name in reversed(raw.columns)}
    found = {
        wanted: by_name[name]
        for wanted, aliases in _ALIASES.items()
        for name in reversed(aliases)
        if name in by_name
    }
    missing = [
        " or ".join(aliases)
        for wanted, aliases in _ALIASES.items()
        if wanted not in found and wanted not in _OPTIONAL
    ]
    if missing:
        raise DataError(
            f"missing columns {', '.join(missing)}; found {', '.join(raw.columns)}",
            source=str(path),
        )
    return found


def _text(raw: pl.DataFrame, name: str | None) -> pl.Series:
    if name is None:
        return pl.repeat(None, raw.height, dtype=pl.String, eager=True)
    return raw[name].cast(pl.String).str.strip_chars()


def _ns(time: pl.Series, timezone: str, path: Path) -> pl.Series:
    """Nanoseconds of ``time``; null where it is no time, or one that happened twice or never."""
    frame = time.alias("time").to_frame()
    column = pl.col("time")
    if time.dtype.is_integer():
        expression = _of_integer(column)
    elif isinstance(time.dtype, pl.Datetime) and time.dtype.time_zone is not None:
        expression = column.dt.epoch("ns")
    elif time.dtype in (pl.Datetime, pl.Date):
        expression = _in_zone(column.cast(pl.Datetime("ns")), timezone)
    elif time.dtype == pl.String:
        expression = _of_text(timezone)
    else:
        raise DataError(
            f"column {time.name} must be a timestamp, a text or an integer, not {time.dtype}",
            source=str(path),
        )
    return frame.select(expression)["time"]


def _of_integer(column: pl.Expr) -> pl.Expr:
    told = column.cast(pl.Int64, strict=False)
    ns = told
    for bound, unit in reversed(_UNITS):
        ns = pl.when(told.abs() < bound).then(told * unit).otherwise(ns)
    return ns


def _of_text(timezone: str) -> pl.Expr:
    iso = pl.col("time").str.strip_chars().str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T")
    zoned = iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="ns", strict=False)
    naive = [iso.str.to_datetime(each, time_unit="ns", strict=False) for each in _FORMATS]
    return pl.coalesce(
        _of_integer(iso), zoned.dt.epoch("ns"), _in_zone(pl.coalesce(naive), timezone)
    )


def _in_zone(naive: pl.Expr, timezone: str) -> pl.Expr:
    zoned = naive.dt.replace_time_zone(timezone, ambiguous="null", non_existent="null")
    return zoned.dt.epoch("ns")
