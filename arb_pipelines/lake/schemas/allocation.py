"""The table of what an allocator decided."""

from __future__ import annotations

from arb_pipelines.lake.schemas.table import STRATEGY, VENUE, Column, Table

ALLOCATION_EVENTS = Table(
    "allocation_events",
    "one decision of an allocation of capacity; a steal has one row a victim",
    (
        Column("allocation", "VARCHAR", "Name in the allocation file"),
        VENUE,
        Column("event_no", "INTEGER", "Order of the decisions of the run, from 0"),
        Column("ts", "BIGINT", "The decision, ns"),
        Column("day", "DATE", "UTC day of ts"),
        Column(
            "event",
            "VARCHAR",
            "'enter', 'steal', 'cancel', 'block', 'fight', 'outcome' of a steal, or 'alert'",
        ),
        Column("why", "VARCHAR", "The rule or the figures that decided; a block's reason"),
        Column("order_id", "VARCHAR", "Order it is about; a steal's thief", nullable=True),
        Column("strategy", "VARCHAR", STRATEGY.doc, nullable=True),
        Column("symbol", "VARCHAR", "BASE-QUOTE", nullable=True),
        Column("distance_pct", "DOUBLE", "From price to limit, % of the limit", nullable=True),
        Column("cents", "BIGINT", "What it needed, 1/100 of the capital's unit", nullable=True),
        Column(
            "forecast_profit_cents", "BIGINT", "What was hoped for; never decides", nullable=True
        ),
        Column("victim_id", "VARCHAR", "Order that is stolen from", nullable=True),
        Column("victim_strategy", "VARCHAR", "Its strategy", nullable=True),
        Column("victim_symbol", "VARCHAR", "Its symbol", nullable=True),
        Column("victim_distance_pct", "DOUBLE", "Its distance, % of its limit", nullable=True),
        Column("freed_cents", "BIGINT", "What its cancel frees", nullable=True),
    ),
    partition_by=("allocation",),
    key=("allocation", "event_no"),
)
