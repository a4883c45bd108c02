"""The table of what wrote to the lake."""

from __future__ import annotations

from arb_pipelines.lake.schemas.table import Column, Table

RUNS = Table(
    "runs",
    "one command or job that wrote to the lake, and the snapshot it read",
    (
        Column("run_id", "VARCHAR", "UUID, or the Dagster run id"),
        Column("task", "VARCHAR", "What ran: ingest, universe, scan, backtest, …"),
        Column("partition", "VARCHAR", "Partition it was for, such as 'binance|2025-08-31'"),
        Column(
            "lake_snapshot",
            "BIGINT",
            "Snapshot of the lake it read; read it again AT (VERSION => n)",
        ),
        Column("ts_started", "BIGINT", "ns"),
        Column("ts_ended", "BIGINT", "ns"),
        Column("params", "VARCHAR", "JSON of the parameters"),
        Column("version", "VARCHAR", "Version of this package"),
    ),
    key=("run_id", "task", "partition"),
)
