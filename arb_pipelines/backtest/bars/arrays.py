"""One symbol's bars as arrays, checked: what both bar engines run over.

Where bars come from (the lake, a file) is the caller's; a bar that cannot be is
refused here, so that no engine meets one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from arb_pipelines.clock import NS_PER_S
from arb_pipelines.errors import DataError
from arb_pipelines.trading.events import Bar, Floats

Int64 = npt.NDArray[np.int64]

NS_PER_HOUR = 3_600 * NS_PER_S
_PRICES = ("open", "high", "low", "close")
COLUMNS = ("symbol", "ts_open", *_PRICES, "volume")


@dataclass(frozen=True, slots=True)
class BarArrays:
    """Bars of one symbol in order of time; arrays of one length, read-only.

    Times are ns, UTC; ``ts_close`` is ``ts_open + interval_ns``. Prices are in quote
    per base and volumes in base. ``bar_arrays`` makes them.
    """

    symbol: str
    interval_ns: int
    ts_open: Int64 = field(repr=False)
    open: Floats = field(repr=False)
    high: Floats = field(repr=False)
    low: Floats = field(repr=False)
    close: Floats = field(repr=False)
    volume: Floats = field(repr=False)

    def __len__(self) -> int:
        return len(self.ts_open)

    def __iter__(self) -> Iterator[Bar]:
        """Give the bars as events, in order of time."""
        columns = (self.ts_open, self.open, self.high, self.low, self.close, self.volume)
        for ts, *values in zip(*(column.tolist() for column in columns), strict=True):
            yield Bar(self.symbol, ts, ts + self.interval_ns, *values)


def bar_arrays(
    frame: pl.DataFrame,
    symbol: str,
    *,
    interval_ns: int = NS_PER_HOUR,
    source: str | None = None,
) -> BarArrays:
    """Take ``symbol``'s bars out of a frame with the columns of ``COLUMNS``.

    ``ts_open`` is in ns. Steps longer than ``interval_ns`` (hours without trading, lost
    data) are as they are: no bar is made up.

    Raises:
        DataError: a column is missing, the symbol has no bar, or a bar cannot be: a
            value that is no finite number, a price that is not positive, a negative
            volume, a high or low inside the bar, bars out of order, twice or
            overlapping. ``row`` counts within the symbol.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise DataError(f"bars lack the columns {', '.join(missing)}", source=source)
    bars = frame.filter(pl.col("symbol") == symbol)
    if bars.is_empty():
        raise DataError(f"there are no bars of {symbol}", source=source)
    _refuse_bad(bars, symbol, interval_ns, source)
    ts_open = _array(bars["ts_open"], pl.Int64)
    return BarArrays(
        symbol,
        interval_ns,
        ts_open,
        *(_array(bars[name], pl.Float64) for name in (*_PRICES, "volume")),
    )


def _refuse_bad(bars: pl.DataFrame, symbol: str, interval_ns: int, source: str | None) -> None:
    """Raise for the first bar that breaks a rule."""
    prices = [pl.col(name) for name in _PRICES]
    values = [*prices, pl.col("volume")]
    step = pl.col("ts_open").diff()
    rules = {
        "has a value that is missing or no finite number": ~pl.all_horizontal(
            pl.col("ts_open").is_not_null(), *(v.is_finite().fill_null(False) for v in values)
        ),
        "has a price that is not above zero": pl.min_horizontal(prices) <= 0,
        "has a negative volume": pl.col("volume") < 0,
        "has its high below its low": pl.col("high") < pl.col("low"),
        "has its open or close outside of low to high": (
            pl.max_horizontal("open", "close") > pl.col("high")
        )
        | (pl.min_horizontal("open", "close") < pl.col("low")),
        "has the time of the bar before it; keep one of the two": step == 0,
        "opens before the bar before it; sort by ts_open": step < 0,
        "opens before the bar before it has closed; is the interval right?": step < interval_ns,
    }
    broken = pl.coalesce(
        pl.when(rule.fill_null(False)).then(pl.lit(name)) for name, rule in rules.items()
    )
    judged = bars.select(broken.alias("reason"), *COLUMNS).with_row_index("row")
    bad = judged.filter(pl.col("reason").is_not_null()).head(1)
    for row, reason, _, ts, *told in bad.iter_rows():
        shown = ", ".join(f"{n} {v}" for n, v in zip(COLUMNS[2:], told, strict=True))
        raise DataError(
            f"the bar of {symbol} at {ts} {reason} ({shown})", source=source, row=int(row)
        )


def _array(column: pl.Series, kind: type[pl.DataType]) -> npt.NDArray[Any]:
    array = column.cast(kind).to_numpy().copy()
    array.flags.writeable = False
    return array
