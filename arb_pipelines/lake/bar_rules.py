"""The rules of bars: which rows of a file are bars of a venue, and why the others are not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from arb_pipelines.clock import NS_PER_DAY, NS_PER_S
from arb_pipelines.errors import DataError
from arb_pipelines.lake.readers.bars import PRICES
from arb_pipelines.lake.rules import MAX_TS, MIN_TS
from arb_pipelines.lake.schemas import BARS, REJECTED_ROWS
from arb_pipelines.market.inference import infer_market

_VALUES = (*PRICES, "volume")
_KEY = ("canonical", "ts_open")


@dataclass(frozen=True, slots=True)
class JudgedBars:
    """One file's rows of a venue: ``bars`` as rows of ``BARS``, the others of ``REJECTED_ROWS``."""

    bars: pl.DataFrame
    rejected: pl.DataFrame


def judge_bars(
    rows: pl.DataFrame, *, source: str, venue: str, interval_s: int, day: date | None
) -> JudgedBars:
    """Judge ``rows`` (``BAR_ROWS``), each of which ends accepted or rejected.

    A row that breaks several rules is rejected for the first. Of two rows of one
    symbol and time the first stands. ``day`` rejects rows of any other UTC day,
    and notes the refusals under it.

    Raises:
        DataError: no row has a time, or most bars are not ``interval_s`` apart.
    """
    judged = _with_reasons(_with_days(_with_symbols(rows, venue), source, day), day)
    told = judged.with_columns(
        pl.lit(venue).alias("venue"),
        pl.lit(source).alias("source"),
        pl.lit(interval_s).alias("interval_s"),
    )
    accepted = told.filter(pl.col("reason").is_null())
    _check_interval(accepted, source, interval_s)
    refused = told.filter(pl.col("reason").is_not_null()).with_columns(_detail())
    return JudgedBars(
        BARS.frame(accepted.with_columns(symbol="canonical").select(BARS.names).to_dict()),
        REJECTED_ROWS.frame(refused.select(REJECTED_ROWS.names).to_dict()),
    )


def _with_symbols(rows: pl.DataFrame, venue: str) -> pl.DataFrame:
    names = rows["symbol"].unique().drop_nulls().to_list()
    markets = {name: infer_market(venue, name) for name in names}
    known = {name: market.symbol for name, market in markets.items() if market is not None}
    canonical = pl.col("symbol").replace_strict(known, default=None, return_dtype=pl.String)
    return rows.with_columns(canonical.alias("canonical"))


def _with_days(rows: pl.DataFrame, source: str, day: date | None) -> pl.DataFrame:
    """Add each row's day; one without a usable time has that of the row before, or after."""
    usable = pl.col("ts_open").is_between(MIN_TS, MAX_TS, closed="left")
    own = pl.when(usable).then(pl.col("ts_open") // NS_PER_DAY).cast(pl.Int32).cast(pl.Date)
    dated = rows.with_columns(own.alias("own_day"))
    if dated["own_day"].null_count() == dated.height:
        raise DataError("no row has a time that can be used; check its column", source=source)
    filled = pl.lit(day) if day else pl.col("own_day").forward_fill().backward_fill()
    return dated.with_columns(filled.alias("day"))


def _with_reasons(rows: pl.DataFrame, day: date | None) -> pl.DataFrame:
    col = pl.col
    prices = [col(name) for name in PRICES]
    rules = {
        "no time": col("ts_open").is_null(),
        "time out of range": col("own_day").is_null(),
        "other day": (col("own_day") != day) if day else pl.lit(False),
        "unknown symbol": col("canonical").is_null(),
        "nan": pl.any_horizontal(~col(name).is_finite().fill_null(False) for name in _VALUES),
        "non-positive price": pl.min_horizontal(prices) <= 0,
        "negative volume": col("volume") < 0,
        "high or low inside the bar": (col("high") < pl.max_horizontal(prices))
        | (col("low") > pl.min_horizontal(prices)),
    }
    judged = rows.with_columns(_first(rules).alias("reason"))
    first = judged.filter(col("reason").is_null()).unique(_KEY, keep="first", maintain_order=True)
    twins = first.select(*_KEY, *(col(name).name.prefix("first_") for name in ("row", *_VALUES)))
    later = col("reason").is_null() & (col("row") != col("first_row"))
    same = pl.all_horizontal(col(name) == col(f"first_{name}") for name in _VALUES)
    again = {"duplicate": later & same, "two bars of one time": later & ~same}
    joined = judged.join(twins, on=_KEY, how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("reason", _first(again)).alias("reason"))


def _first(rules: dict[str, pl.Expr]) -> pl.Expr:
    """Name of the first rule that a row breaks, null if it breaks none."""
    return pl.coalesce(pl.when(broken).then(pl.lit(name)) for name, broken in rules.items())


def _detail() -> pl.Expr:
    """The offending values; for a second row of a bar, the number of the first."""
    told = [
        pl.format(f"{name} {{}}", pl.col(name).cast(pl.String).fill_null("none"))
        for name in ("ts_open", *_VALUES)
    ]
    values = pl.concat_str(told, separator=", ")
    again = pl.col("reason").is_in(["duplicate", "two bars of one time"])
    twin = pl.concat_str(values, pl.format("; the bar is row {}", "first_row"))
    return pl.when(again).then(twin).otherwise(values).alias("detail")


def _check_interval(accepted: pl.DataFrame, source: str, interval_s: int) -> None:
    """Refuse the file if its bars are mostly of another length: their ends would be wrong."""
    steps = accepted.sort(_KEY).select(pl.col("ts_open").diff().over("canonical")).drop_nulls()
    if steps.is_empty():
        return
    usual = int(steps["ts_open"].mode().min()) // NS_PER_S  # type: ignore[arg-type]
    if usual != interval_s:
        raise DataError(
            f"most of its bars are {usual} s apart, not {interval_s}; give --interval {usual}s",
            source=source,
        )
