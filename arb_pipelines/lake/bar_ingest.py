"""Bars out of files into the lake: read, judge, join by key, commit once.

All files are read to the end before anything is written; then one transaction
takes every bar and every refusal, so an ingest is whole or not at all. A bar that
the lake has with other values is replaced: vendors correct bars, and the last one
of a download was often still open. Of several files in one ingest the last by name
wins. Taking the same file again changes nothing.

Books are the business of ``ingest``; reading a bar file of ``readers.bars``, the
rules of rows of ``bar_rules``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from arb_pipelines.errors import DataError
from arb_pipelines.lake.bar_rules import judge_bars
from arb_pipelines.lake.ingest import check_venue, find_sources
from arb_pipelines.lake.readers.bars import BAR_SOURCES, read_bar_file
from arb_pipelines.lake.readers.registry import Format
from arb_pipelines.lake.schemas import BARS, REJECTED_ROWS
from arb_pipelines.lake.store import Lake
from arb_pipelines.lake.transaction import Transaction

_FILES = Format("", (".parquet", ".csv", ".csv.gz"))


@dataclass(frozen=True, slots=True)
class BarIngestReport:
    """What one ingest of bars did.

    ``other_venues`` counts rows of a mixed file that belong to another venue and so
    were not read. ``changed`` counts bars that are new in the lake, or have new
    values; ``days`` are the first and the last with an accepted bar.
    """

    files: tuple[str, ...]
    rows_accepted: int
    rows_rejected: int
    reasons: dict[str, int]
    symbols: tuple[str, ...]
    days: tuple[date, date] | None
    other_venues: int
    changed: int
    snapshot: int

    @property
    def rows_read(self) -> int:
        """Rows accepted and rejected."""
        return self.rows_accepted + self.rows_rejected


def ingest_bars(
    lake: Lake,
    paths: Sequence[Path],
    *,
    venue: str,
    interval_s: int = 3600,
    timezone: str = "UTC",
    day: date | None = None,
) -> BarIngestReport:
    """Read files or folders of OHLC bars of ``venue`` into the lake.

    Rows whose ``exchange`` is another are left out, whatever their case.
    ``timezone`` is where zone-less times were taken. With ``day``, rows of other
    days are refused as 'other day'.

    Raises:
        DataError: a file cannot be read, holds no bars of the venue, or is of
            another interval; nothing was written.
        ConfigError: the venue's name or the time zone cannot be used.
    """
    check_venue(venue)
    judged, names, others = [], [], 0
    for source in find_sources(paths, _FILES, venue):
        rows = read_bar_file(source.files[0], timezone=timezone)
        own = rows.filter(_is_of(venue))
        if own.is_empty():
            raise DataError(_whose(rows, venue), source=str(source.files[0]))
        name = BAR_SOURCES + source.name
        judged.append(judge_bars(own, source=name, venue=venue, interval_s=interval_s, day=day))
        names.append(name)
        others += rows.height - own.height
    bars = pl.concat(part.bars for part in judged)
    rejected = pl.concat(part.rejected for part in judged)
    newest = bars.unique(BARS.key, keep="last", maintain_order=True)
    changed = _commit(lake, venue, interval_s, names, newest, rejected)
    return BarIngestReport(
        tuple(names),
        bars.height,
        rejected.height,
        dict(sorted(Counter(rejected["reason"].to_list()).items())),
        tuple(sorted(bars["symbol"].unique().to_list())),
        _days(bars),
        others,
        changed,
        lake.snapshot(),
    )


def _is_of(venue: str) -> pl.Expr:
    exchange = pl.col("exchange")
    return exchange.is_null() | (exchange.str.to_lowercase() == venue.lower())


def _days(bars: pl.DataFrame) -> tuple[date, date] | None:
    days: list[date] = bars["day"].unique().sort().to_list()
    return (days[0], days[-1]) if days else None


def _whose(rows: pl.DataFrame, venue: str) -> str:
    others = ", ".join(sorted(rows["exchange"].unique().drop_nulls().to_list())[:10])
    return f"holds no bars of {venue} but of {others}; is --venue right?"


def _commit(
    lake: Lake,
    venue: str,
    interval_s: int,
    sources: list[str],
    bars: pl.DataFrame,
    rejected: pl.DataFrame,
) -> int:
    """Take what is new of ``bars``, and replace the refusals of ``sources``; count the bars."""

    def work(transaction: Transaction) -> int:
        held = transaction.connection.execute(
            "FROM bars WHERE venue = ? AND interval_s = ?", [venue, interval_s]
        ).pl()
        values = [name for name in BARS.names if name != "source"]
        new = bars.join(held, on=values, how="anti")
        if not new.is_empty():
            transaction.upsert(BARS, new)
        _replace_rejected(transaction, venue, sources, rejected)
        return new.height

    return lake.commit(work)


def _replace_rejected(
    transaction: Transaction, venue: str, sources: list[str], rejected: pl.DataFrame
) -> None:
    where = "venue = ? AND list_contains(?, source)"
    key = [venue, sources]
    held = transaction.connection.execute(f"FROM rejected_rows WHERE {where}", key).pl()
    if held.sort(REJECTED_ROWS.key).equals(rejected.sort(REJECTED_ROWS.key)):
        return
    transaction.connection.execute(f"DELETE FROM rejected_rows WHERE {where}", key)
    transaction.append(REJECTED_ROWS, rejected)
