"""The table of OHLC bars: what a venue or a vendor made of a symbol's trades, interval by interval.

Partitioned by venue, symbol and interval: a reader asks for a few symbols over
years, and years of hourly bars of a symbol are one small file, where a partition a
day would be thousands of files of 24 rows. The key is what makes a bar the same
bar, whichever file it came in; so files that overlap join, and one that is taken
twice changes nothing.
"""

from __future__ import annotations

from arb_pipelines.lake.schemas.table import SYMBOL, VENUE, Column, Table

BARS = Table(
    "bars",
    "one OHLC bar of a symbol; known at ts_open + interval_s, not before",
    (
        VENUE,
        SYMBOL,
        Column("interval_s", "INTEGER", "Length of the bar, s"),
        Column("ts_open", "BIGINT", "Begin of the bar, ns"),
        Column("open", "DOUBLE", "First price, quote per base"),
        Column("high", "DOUBLE", "Highest price, quote per base"),
        Column("low", "DOUBLE", "Lowest price, quote per base"),
        Column("close", "DOUBLE", "Last price, quote per base"),
        Column("volume", "DOUBLE", "Traded, base; 0 where nothing was"),
        Column("day", "DATE", "UTC day of ts_open"),
        Column("source", "VARCHAR", "Name of the file that first gave these values"),
    ),
    partition_by=("venue", "symbol", "interval_s"),
    key=("venue", "symbol", "interval_s", "ts_open"),
)
