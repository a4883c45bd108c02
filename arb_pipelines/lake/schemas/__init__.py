"""Every table of the lake: its grain, columns, units and keys.

The one place they are written down. The store creates tables from it, readers
and engines build frames from it, the Dagster layer shows it, tests check it.
Time columns ``ts_*`` are integer nanoseconds since the epoch, UTC.
"""

from __future__ import annotations

from arb_pipelines.lake.schemas.allocation import ALLOCATION_EVENTS
from arb_pipelines.lake.schemas.backtests import (
    BACKTEST_LEGS,
    BACKTEST_SUMMARIES,
    BACKTEST_TRADES,
)
from arb_pipelines.lake.schemas.bars import BARS
from arb_pipelines.lake.schemas.engine import (
    RECONCILIATIONS,
    STRATEGY_CYCLES,
    STRATEGY_ORDERS,
    STRATEGY_TRANSITIONS,
)
from arb_pipelines.lake.schemas.live import (
    LIVE_EXECUTIONS,
    LIVE_LEGS,
    LIVE_METRICS,
    LIVE_SESSIONS,
)
from arb_pipelines.lake.schemas.optimization import OPTIMIZATION_BEST, OPTIMIZATION_TRIALS
from arb_pipelines.lake.schemas.research import (
    BOOK_GAPS,
    BOOK_LEVELS,
    BOOK_TOPS,
    CYCLE_LEGS,
    CYCLES,
    INGESTS,
    MARKETS,
    OPPORTUNITIES,
    REJECTED_ROWS,
)
from arb_pipelines.lake.schemas.runs import RUNS
from arb_pipelines.lake.schemas.table import Column, Table

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        MARKETS,
        CYCLES,
        CYCLE_LEGS,
        BOOK_TOPS,
        BOOK_LEVELS,
        REJECTED_ROWS,
        BOOK_GAPS,
        INGESTS,
        BARS,
        OPPORTUNITIES,
        BACKTEST_TRADES,
        BACKTEST_LEGS,
        BACKTEST_SUMMARIES,
        ALLOCATION_EVENTS,
        OPTIMIZATION_TRIALS,
        OPTIMIZATION_BEST,
        LIVE_SESSIONS,
        LIVE_EXECUTIONS,
        LIVE_LEGS,
        LIVE_METRICS,
        STRATEGY_CYCLES,
        STRATEGY_TRANSITIONS,
        STRATEGY_ORDERS,
        RECONCILIATIONS,
        RUNS,
    )
}

__all__ = [
    "ALLOCATION_EVENTS",
    "BACKTEST_LEGS",
    "BACKTEST_SUMMARIES",
    "BACKTEST_TRADES",
    "BARS",
    "BOOK_GAPS",
    "BOOK_LEVELS",
    "BOOK_TOPS",
    "CYCLES",
    "CYCLE_LEGS",
    "INGESTS",
    "LIVE_EXECUTIONS",
    "LIVE_LEGS",
    "LIVE_METRICS",
    "LIVE_SESSIONS",
    "MARKETS",
    "OPPORTUNITIES",
    "OPTIMIZATION_BEST",
    "OPTIMIZATION_TRIALS",
    "RECONCILIATIONS",
    "REJECTED_ROWS",
    "RUNS",
    "STRATEGY_CYCLES",
    "STRATEGY_ORDERS",
    "STRATEGY_TRANSITIONS",
    "TABLES",
    "Column",
    "Table",
]
