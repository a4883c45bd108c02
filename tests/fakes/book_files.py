"""Small files of books for tests of the ingest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import polars as pl

from arb_pipelines.clock import day_start_ns
from arb_pipelines.lake.schemas import TABLES
from arb_pipelines.lake.store import Lake

DAY = date(2024, 9, 1)
START = day_start_ns(DAY)
BOOK_TABLES = ("book_tops", "book_levels", "rejected_rows", "book_gaps", "ingests", "markets")

#: Nanoseconds after START, symbol, bid, ask, update id.
Row = tuple[int | None, str, float | None, float | None, int | None]


def l1_file(path: Path, rows: Iterable[Row]) -> Path:
    """Write rows of sizes 1 as an ``l1`` file."""
    listed = list(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(
        {
            "symbol": [row[1] for row in listed],
            "recv_ns": [None if row[0] is None else START + row[0] for row in listed],
            "update_id": [row[4] for row in listed],
            "bid": [row[2] for row in listed],
            "bid_sz": [None if row[2] is None else 1.0 for row in listed],
            "ask": [row[3] for row in listed],
            "ask_sz": [None if row[3] is None else 1.0 for row in listed],
        },
        schema={
            "symbol": pl.String,
            "recv_ns": pl.Int64,
            "update_id": pl.Int64,
            "bid": pl.Float64,
            "bid_sz": pl.Float64,
            "ask": pl.Float64,
            "ask_sz": pl.Float64,
        },
    ).write_parquet(path)
    return path


def depth_file(path: Path, rows: Iterable[Row]) -> Path:
    """Write rows as a ``depth5`` file of two levels a side, one apart."""
    listed = list(rows)
    columns: dict[str, list[object]] = {
        "symbol": [row[1] for row in listed],
        "recv_ns": [START + (row[0] or 0) for row in listed],
        "update_id": [row[4] for row in listed],
    }
    for level in (0, 1):
        columns[f"bid_px_{level + 1}"] = [None if r[2] is None else r[2] - level for r in listed]
        columns[f"ask_px_{level + 1}"] = [None if r[3] is None else r[3] + level for r in listed]
        columns[f"bid_sz_{level + 1}"] = [None if r[2] is None else 1.0 for r in listed]
        columns[f"ask_sz_{level + 1}"] = [None if r[3] is None else 1.0 for r in listed]
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(path)
    return path


def contents(lake: Lake) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the tables of books, in a fixed order."""
    return {
        name: lake.query(f"SELECT * FROM {name} ORDER BY {', '.join(TABLES[name].names)}").rows()
        for name in BOOK_TABLES
    }
